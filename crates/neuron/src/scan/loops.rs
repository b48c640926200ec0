//! The innermost loops, each a function of its own: in one large function the compiler leaves the
//! neuron's constant choices (how it fires, how it resets) as branches inside the loop, and then
//! uses no vectors.

use super::Rows;
use pulp::NullaryFnOnce;
use surrogate::Real;

/// One step of charge, fire, reset and leak: the spikes alone.
pub struct Fire<'a, R, F, O> {
    pub rows: R,
    pub x: &'a [F],
    pub v: &'a mut [F],
    pub o: &'a mut [O],
}

impl<R: Rows, F: Real, O: From<bool>> NullaryFnOnce for Fire<'_, R, F, O> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let rows = self.rows;
        rows.fire(self.x, self.v, self.o);
    }
}

/// One step of charge, fire, reset and leak, which keeps what its way back needs.
pub struct Charge<'a, R, F> {
    pub rows: R,
    pub x: &'a [F],
    pub v: &'a mut [F],
    pub kept: &'a mut [F],
}

impl<R: Rows, F: Real> NullaryFnOnce for Charge<'_, R, F> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let rows = self.rows;
        rows.charge(self.x, self.v, self.kept);
    }
}

/// One step backward: D from G, added to a sum if there is one.
pub struct Back<'a, R, F> {
    pub rows: R,
    pub kept: &'a [F],
    pub g: &'a [F],
    pub back: &'a mut [F],
    pub sum: Option<&'a mut [F]>,
}

impl<R: Rows, F: Real> NullaryFnOnce for Back<'_, R, F> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let rows = self.rows;
        rows.back(self.kept, self.g, self.back);
        if let Some(sum) = self.sum {
            for (sum, d) in sum.iter_mut().zip(self.back) {
                *sum = *sum + *d;
            }
        }
    }
}

/// Spikes of some neurons.
pub struct Spikes<'a, R> {
    pub rows: R,
    pub u: &'a [f32],
}

impl<R: Rows> NullaryFnOnce for Spikes<'_, R> {
    type Output = u32;

    #[inline(always)]
    fn call(self) -> u32 {
        let rows = self.rows;
        let mut sum = 0;
        for &u in self.u {
            sum += u32::from(rows.fired(u));
        }
        sum
    }
}

/// Adds the spikes of one member to the counts of its window, or whether there are `any`.
pub struct Count<'a, R> {
    pub rows: R,
    pub any: bool,
    pub u: &'a [f32],
    pub counts: &'a mut [u8],
}

impl<R: Rows> NullaryFnOnce for Count<'_, R> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let rows = self.rows;
        // loops, not `for_each`: see `stage/place.rs`
        if self.any {
            for (count, &u) in self.counts.iter_mut().zip(self.u) {
                *count |= u8::from(rows.fired(u));
            }
        } else {
            for (count, &u) in self.counts.iter_mut().zip(self.u) {
                *count += u8::from(rows.fired(u));
            }
        }
    }
}

/// Gives one member of a window what is free of the gradient where it fired.
pub struct First<'a, R> {
    pub rows: R,
    pub u: &'a [f32],
    pub free: &'a mut [f32],
    pub g: &'a mut [f32],
}

impl<R: Rows> NullaryFnOnce for First<'_, R> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let rows = self.rows;
        for ((g, free), &u) in self.g.iter_mut().zip(self.free).zip(self.u) {
            let taken = if rows.fired(u) { *free } else { 0.0 };
            *g = taken;
            *free -= taken; // all of it or nothing, without a branch
        }
    }
}
