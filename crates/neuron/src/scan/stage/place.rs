//! Where a tile's neurons stand in the currents, and what lies between those and the neurons: norm,
//! ReLU and mask, both ways. Nothing here depends on the neuron, so that it is compiled once for
//! all of them.

use super::Stage;
use pulp::NullaryFnOnce;

/// Factors of one set: x = (z − mean) · scale + shift. They stand there once for each pixel that a
/// tile may hold side by side, so that one loop takes all of them.
pub struct Affine {
    mean: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Affine {
    pub fn of(stage: &Stage) -> Affine {
        let c = stage.shape[3];
        let side_by_side = stage.side_by_side();
        let repeated = |set: &[f32]| -> Vec<f32> {
            set.chunks_exact(c).flat_map(|set| set.repeat(side_by_side)).collect()
        };
        let Some(n) = stage.norm else {
            let [zero, one] = [0.0, 1.0].map(|number| vec![number; side_by_side * c]);
            return Affine { mean: zero.clone(), scale: one, shift: zero };
        };
        // statistics and γ are each of all steps or of every one
        let of = |values: &[f32], i: usize| values[i % values.len()];
        let all = 0..n.factors();
        let scale: Vec<f32> = all.clone().map(|i| of(n.gamma, i) * of(n.inverse, i)).collect();
        let shift: Vec<f32> =
            all.clone().map(|i| n.beta[i % c] - scale[i] * of(n.lost, i)).collect();
        let mean: Vec<f32> = all.map(|i| of(n.mean, i)).collect();
        Affine { mean: repeated(&mean), shift: repeated(&shift), scale: repeated(&scale) }
    }

    /// The factors of step t, `set` of them a set, from `start` on.
    fn at(&self, t: usize, set: usize, start: usize, len: usize) -> [&[f32]; 3] {
        let first = if self.mean.len() == set { 0 } else { t * set };
        [&self.mean, &self.scale, &self.shift].map(|v| &v[first + start..][..len])
    }
}

/// A pixel's currents behind norm, ReLU and mask.
#[inline(always)]
fn currents(stage: &Stage, z: &[f32], factors: [&[f32]; 3], mask: Option<&[f32]>, x: &mut [f32]) {
    let n = x.len();
    let [mean, scale, shift] = factors.map(|f| &f[..n]);
    let z = &z[..n];
    match (stage.norm.is_some(), stage.rectify) {
        // loops, not `for_each`: a closure that is not inlined is compiled without this CPU's
        // vectors
        (true, true) => {
            for i in 0..n {
                x[i] = positive((z[i] - mean[i]) * scale[i] + shift[i]);
            }
        }
        (true, false) => {
            for i in 0..n {
                x[i] = (z[i] - mean[i]) * scale[i] + shift[i];
            }
        }
        (false, true) => {
            for i in 0..n {
                x[i] = positive(z[i]);
            }
        }
        (false, false) => x.copy_from_slice(z),
    }
    if let Some(mask) = mask {
        for (x, m) in x.iter_mut().zip(mask) {
            *x *= m;
        }
    }
}

#[inline(always)]
fn positive(y: f32) -> f32 {
    if y > 0.0 { y } else { 0.0 }
}

/// A window of pixels and some channels of it, or several windows side by side and all channels.
pub struct Place<'a> {
    pub stage: &'a Stage<'a>,
    pub affine: &'a Affine,
    pub z: &'a [f32],
    pub sample: usize,
    /// First row and column of the window, and its sides.
    pub at: [usize; 2],
    pub sides: [usize; 2],
    /// Windows side by side: of few channels one alone has no full vector.
    pub windows: usize,
    pub channels: std::ops::Range<usize>,
}

/// A stretch of a member's neurons that lie side by side in z too.
#[derive(Clone, Copy)]
struct Stretch {
    /// Where it starts in one sample, in its row of windows, and in the member.
    place: usize,
    in_row: usize,
    in_member: usize,
    len: usize,
}

impl Place<'_> {
    pub fn members(&self) -> usize {
        self.sides[0] * self.sides[1]
    }

    /// Neurons of a member.
    pub fn width(&self) -> usize {
        self.windows * self.channels.len()
    }

    /// The stretches of member `i`: one, or one a window where its pixels lie apart.
    #[inline(always)]
    fn stretches(&self, i: usize) -> impl Iterator<Item = Stretch> + use<> {
        let [.., w, c] = self.stage.shape;
        let [_, wide] = self.sides;
        let (row, column, start) = (i / wide, self.at[1] + i % wide, self.channels.start);
        let (apart, width, top) = (wide > 1, self.channels.len(), self.at[0]);
        let (many, len) = if apart { (self.windows, width) } else { (1, self.windows * width) };
        (0..many).map(move |j| {
            let x = column + j * wide;
            let place = ((top + row) * w + x) * c + start;
            Stretch { place, in_row: (row * w + x) * c + start, in_member: j * width, len }
        })
    }
}

/// The currents of step `t`, behind norm, ReLU and mask, into `x`.
pub struct Currents<'t, 'a> {
    pub place: &'t Place<'a>,
    pub t: usize,
    pub x: &'t mut [f32],
}

impl NullaryFnOnce for Currents<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Currents { place: tile, t, x } = self;
        let (stage, width) = (tile.stage, tile.width());
        let [batch, .., c] = stage.shape;
        let (side_by_side, start) = (stage.side_by_side(), tile.channels.start);
        let mask = stage.mask_at(t);
        for (i, x) in x.chunks_exact_mut(width).enumerate() {
            for Stretch { place, in_member, len, .. } in tile.stretches(i) {
                let place = tile.sample * stage.map() + place;
                let factors = tile.affine.at(t, side_by_side * c, start, len);
                let z = &tile.z[t * batch * stage.map() + place..][..len];
                let mask = mask.map(|m| &m[place..][..len]);
                currents(stage, z, factors, mask, &mut x[in_member..][..len]);
            }
        }
    }
}

/// Writes the gradient `d` of the currents behind norm, ReLU and mask as that of the currents
/// behind the norm, into the rows `out` of step `t`, and adds its sums to `sums`.
pub struct Keep<'t, 'a> {
    pub place: &'t Place<'a>,
    pub t: usize,
    pub d: &'t [f32],
    pub out: &'t mut [f32],
    pub sums: &'t mut [f32],
}

impl NullaryFnOnce for Keep<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Keep { place: tile, t, d, out, sums } = self;
        let stage = tile.stage;
        let [batch, .., c] = stage.shape;
        let (side_by_side, channels) = (stage.side_by_side(), &tile.channels);
        let mask = stage.mask_at(t);
        for (i, d) in d.chunks_exact(tile.width()).enumerate() {
            for Stretch { place, in_row, in_member, len } in tile.stretches(i) {
                let place = tile.sample * stage.map() + place;
                let factors = tile.affine.at(t, side_by_side * c, channels.start, len);
                let z = &tile.z[t * batch * stage.map() + place..][..len];
                let out = &mut out[in_row..][..len];
                let mask = mask.map(|m| &m[place..][..len]);
                passed(stage, z, factors, mask, &d[in_member..][..len], out);
                let Some(norm) = stage.norm else { continue };
                let set = if stage.sets() == 1 { 0 } else { t };
                let moments = if norm.inverse.len() == c { 0 } else { t * c };
                let (mean, inverse) = (&norm.mean[moments..], &norm.inverse[moments..]);
                let (mean, inverse) = (&mean[channels.clone()], &inverse[channels.clone()]);
                let (sd, sx) = sums[2 * set * c..][..2 * c].split_at_mut(c);
                let (sd, sx) = (&mut sd[channels.clone()], &mut sx[channels.clone()]);
                let n = channels.len();
                for (out, z) in out.chunks_exact(n).zip(z.chunks_exact(n)) {
                    // slices of one known length: no index is checked inside the loop
                    let (sd, sx, mean, z, inverse, out) =
                        (&mut sd[..n], &mut sx[..n], &mean[..n], &z[..n], &inverse[..n], &out[..n]);
                    for i in 0..n {
                        sd[i] += out[i];
                        sx[i] += out[i] * ((z[i] - mean[i]) * inverse[i]);
                    }
                }
            }
        }
    }
}

/// What of a gradient `d` of the currents passes mask and ReLU.
#[inline(always)]
fn passed(
    stage: &Stage,
    z: &[f32],
    factors: [&[f32]; 3],
    mask: Option<&[f32]>,
    d: &[f32],
    out: &mut [f32],
) {
    let n = out.len();
    let [mean, scale, shift] = factors.map(|f| &f[..n]);
    let (z, d) = (&z[..n], &d[..n]);
    match (stage.norm.is_some(), stage.rectify) {
        (true, true) => {
            for i in 0..n {
                out[i] = if (z[i] - mean[i]) * scale[i] + shift[i] > 0.0 { d[i] } else { 0.0 };
            }
        }
        (false, true) => {
            for i in 0..n {
                out[i] = if z[i] > 0.0 { d[i] } else { 0.0 };
            }
        }
        (_, false) => out.copy_from_slice(d),
    }
    if let Some(mask) = mask {
        for (d, m) in out.iter_mut().zip(mask) {
            *d *= m;
        }
    }
}
