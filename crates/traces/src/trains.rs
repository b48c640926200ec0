//! HM2-BP (Jin et al., NeurIPS 2018) and ST-RSBP's feed-forward part (Zhang & Li, NeurIPS 2019):
//! gradients of spike counts through the effect of each train on each other. Batch of one.

/// Spike times of each neuron of a layer, ascending, from step 0.
pub type Trains = Vec<Vec<usize>>;

/// The longest time over which a spike has an effect, in steps.
const WINDOW: usize = 256;

/// A fully connected layer of LIF neurons with a refractory time.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// W `[out][in]`.
    pub weight: Vec<Vec<f64>>,
    /// Weight of every other neuron's spikes of the step before.
    pub lateral: f64,
    /// θ.
    pub threshold: f64,
    /// τm in steps.
    pub tau_m: f64,
    /// τs in steps.
    pub tau_s: f64,
    /// Steps in which a neuron that fired stays at 0.
    pub refractory: usize,
}

/// What a gradient takes beside the effects.
#[derive(Clone, Debug, PartialEq)]
pub enum Side<'a> {
    /// HM2-BP: ∂w is multiplied by 1 + Σ w·S/n/θ.
    Count,
    /// ST-RSBP: everything is divided by these sums 1 − Σ w·(∂S/∂n)/θ, one a neuron.
    Sums(&'a [f64]),
}

/// What the last layer is to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Output {
    /// Spikes of the true class.
    pub desired: usize,
    /// Spikes of the others.
    pub undesired: usize,
    /// A difference of up to this counts as none.
    pub margin: usize,
}

impl Output {
    /// δ = count − target of each class, 0 within the margin, and the cost Σδ².
    pub fn cost(&self, trains: &Trains, label: usize) -> (f64, Vec<f64>) {
        let delta = trains.iter().enumerate().map(|(k, train)| {
            let wanted = if k == label { self.desired } else { self.undesired };
            match train.len().abs_diff(wanted) > self.margin {
                true => train.len() as f64 - wanted as f64,
                false => 0.0,
            }
        });
        let delta: Vec<f64> = delta.collect();
        (delta.iter().map(|d| d * d).sum(), delta)
    }

    /// The trains whose gradients are taken: a true class that is silent is given its spikes.
    pub fn helped(&self, trains: &Trains, label: usize, steps: usize) -> Trains {
        let mut helped = trains.clone();
        if let Some(train) = helped.get_mut(label).filter(|train| train.is_empty()) {
            let apart = (steps / self.desired.max(1)).max(1);
            *train = (apart..steps).step_by(apart).collect();
        }
        helped
    }
}

impl Layer {
    /// Trains of the layer for those below it, over `steps` steps; nothing fires in the first.
    pub fn forward(&self, below: &Trains, steps: usize) -> Trains {
        let units = self.weight.len();
        let mut fired_below = vec![Vec::new(); steps];
        for (i, train) in below.iter().enumerate() {
            train.iter().filter(|t| **t < steps).for_each(|&t| fired_below[t].push(i));
        }
        let (mut synapse, mut v) = (vec![0.0; units], vec![0.0; units]);
        let (mut trains, mut before) = (vec![Vec::new(); units], Vec::new());
        for t in 1..steps {
            let mut now = Vec::new();
            for (j, weight) in self.weight.iter().enumerate() {
                let others = before.iter().filter(|&&l| l != j).count() as f64;
                let z: f64 = fired_below[t - 1].iter().map(|&i| weight[i]).sum();
                let z = z + self.lateral * others;
                synapse[j] = synapse[j] * (1.0 - 1.0 / self.tau_s) + z;
                v[j] = v[j] * (1.0 - 1.0 / self.tau_m) + synapse[j] / self.tau_s;
                if trains[j].last().is_some_and(|last| t - last <= self.refractory) {
                    v[j] = 0.0;
                }
                if v[j] > self.threshold - 1e-6 {
                    v[j] = 0.0;
                    trains[j].push(t);
                    now.push(j);
                }
            }
            before = now;
        }
        trains
    }

    /// S of one train on another in closed form (HM2-BP); 0.1 on a silent one.
    pub fn effect(&self, pre: &[usize], post: &[usize]) -> f64 {
        if post.is_empty() {
            return if pre.is_empty() { 0.0 } else { 0.1 };
        }
        let (tau_m, tau_s) = (self.tau_m, self.tau_s);
        let (mut sum, mut free) = (0.0, 1);
        for &at in post {
            // since the neuron is free again, and since the spike arrived
            let since = at as f64 - free as f64;
            for &from in pre.iter().filter(|&&t| t + self.refractory <= at && t + WINDOW >= at) {
                let arrived = (at - from - self.refractory) as f64;
                let (before, both) = ((arrived - since).max(0.0), since.min(arrived));
                let rise = (-both / tau_m).exp() - (-both / tau_s).exp();
                sum += (-before / tau_s).exp() / (1.0 - tau_s / tau_m) * rise;
            }
            free = at + self.refractory;
        }
        sum
    }

    /// S of one train on another by simulation (ST-RSBP); 0 where either is silent.
    pub fn simulated_effect(&self, pre: &[usize], post: &[usize]) -> f64 {
        let Some(&end) = post.last() else { return 0.0 };
        let (mut p, mut q, mut sum) = (0.0, 0.0, 0.0);
        let (mut pre, mut post) = (pre.iter().peekable(), post.iter().peekable());
        let mut free = 0;
        for t in 1..=end {
            let arrives = pre.next_if(|&&from| from < t).is_some();
            p = p * (1.0 - 1.0 / self.tau_s) + f64::from(u8::from(arrives));
            q = q * (1.0 - 1.0 / self.tau_m) + p / self.tau_s;
            if t < free {
                q = 0.0;
            }
            if post.next_if(|&&at| at == t).is_some() {
                sum += q;
                q = 0.0;
                free = t + self.refractory + 1;
            }
        }
        sum
    }

    /// S `[out][in]` of all trains below on all of the layer.
    pub fn effects(&self, below: &Trains, trains: &Trains, simulated: bool) -> Vec<Vec<f64>> {
        let of = |pre: &[usize], post: &[usize]| match simulated {
            true => self.simulated_effect(pre, post),
            false => self.effect(pre, post),
        };
        trains.iter().map(|post| below.iter().map(|pre| of(pre, post)).collect()).collect()
    }

    /// δ of the layer below, not yet over its threshold: Σ_j δ_j·w_ji·S_ji/n_i.
    pub fn below(
        &self,
        delta: &[f64],
        effects: &[Vec<f64>],
        [below, trains]: [&Trains; 2],
        side: &Side,
    ) -> Vec<f64> {
        let of_input = |i: usize| {
            let of_unit = |j: usize| {
                let silent = below[i].is_empty() || trains[j].is_empty();
                let (ratio, sum) = match side {
                    Side::Count if silent => (1.0, 1.0),
                    Side::Count => (effects[j][i] / below[i].len() as f64, 1.0),
                    Side::Sums(sums) if silent => (0.5, sums[j]),
                    Side::Sums(sums) => (effects[j][i] / below[i].len() as f64, sums[j]),
                };
                delta[j] * self.weight[j][i] * ratio / sum
            };
            (0..self.weight.len()).map(of_unit).sum()
        };
        (0..below.len()).map(of_input).collect()
    }

    /// ∂L/∂W of δ over its threshold, each unit's times `lateral`, without regularisation.
    pub fn gradient(
        &self,
        delta: &[f64],
        effects: &[Vec<f64>],
        trains: &Trains,
        lateral: &[f64],
        side: &Side,
    ) -> Vec<Vec<f64>> {
        let of_unit = |j: usize| -> Vec<f64> {
            let count = trains[j].len() as f64;
            let factor = match side {
                Side::Count => {
                    let ratio = |s: f64| if count == 0.0 { 0.5 } else { s / count };
                    let all = self.weight[j].iter().zip(&effects[j]);
                    1.0 + all.map(|(w, &s)| w * ratio(s) / self.threshold).sum::<f64>()
                }
                Side::Sums(sums) => 1.0 / sums[j],
            };
            effects[j].iter().map(|s| delta[j] * s * factor * lateral[j]).collect()
        };
        (0..self.weight.len()).map(of_unit).collect()
    }

    /// λβ(w/limit)·e^(β(mean(w/limit)² − 1)), the mean over a unit's weights.
    pub fn regularisation(&self, lambda: f64, beta: f64, limit: f64) -> Vec<Vec<f64>> {
        let of_unit = |row: &Vec<f64>| -> Vec<f64> {
            let mean = row.iter().map(|w| (w / limit).powi(2)).sum::<f64>() / row.len() as f64;
            let size = lambda * beta * (beta * (mean - 1.0)).exp();
            row.iter().map(|w| size * w / limit).collect()
        };
        self.weight.iter().map(of_unit).collect()
    }
}

/// L_j = 1/(1 − Σ_l (S_jl/n_j)(S_lj/n_l)/θ²) of an output layer that inhibits itself. n are the
/// counts of `helped`, S the effects between the trains that were there before; both ratios are 1
/// where one of these two is silent, and a neuron without a count is left out.
pub fn lateral_factors(layer: &Layer, trains: &Trains, helped: &Trains) -> Vec<f64> {
    let of_pair = |j: usize, l: usize| {
        let counts = (helped[j].len() * helped[l].len()) as f64;
        if counts == 0.0 || j == l {
            return 0.0;
        }
        match trains[j].is_empty() || trains[l].is_empty() {
            true => 1.0,
            false => {
                layer.effect(&trains[l], &trains[j]) * layer.effect(&trains[j], &trains[l]) / counts
            }
        }
    };
    let of_unit = |j: usize| -> f64 {
        let sum: f64 = (0..trains.len()).map(|l| of_pair(j, l)).sum();
        1.0 / (1.0 - sum * (layer.lateral / layer.threshold).powi(2))
    };
    (0..trains.len()).map(of_unit).collect()
}
