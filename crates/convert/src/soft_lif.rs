//! Leaky integrate-and-fire neurons with a refractory time, and their rate as a smooth function.

use serde::{Deserialize, Serialize};

/// A LIF neuron of currents J = gain·x + bias, and the smooth rate that a network is trained with
/// (Hunsberger & Eliasmith 2015). Times are seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoftLif {
    /// τ_ref, dead time after a spike.
    pub tau_ref: f64,
    /// τ_rc of the membrane.
    pub tau_rc: f64,
    /// γ, how smooth the rate is around J = 1.
    pub sigma: f64,
    /// A, the size of an activation a spike per second.
    pub amplitude: f64,
    /// Factor of the input.
    pub gain: f64,
    /// Current without input.
    pub bias: f64,
}

/// What a neuron carries from step to step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LifState {
    /// Membrane.
    pub voltage: f64,
    /// Dead time that is left, s.
    pub refractory: f64,
}

impl SoftLif {
    /// τ_rc 50 ms, τ_ref 1 ms, γ 0.02 and a bias of 1; gain and A such that the rate is closest to
    /// a ReLU on [−1, 10].
    pub fn fitted() -> SoftLif {
        let curve = SoftLif {
            tau_ref: 0.001,
            tau_rc: 0.05,
            sigma: 0.02,
            amplitude: 1.0,
            gain: 1.0,
            bias: 1.0,
        };
        let inputs: Vec<f64> = (0..=220).map(|i| -1.0 + 0.05 * f64::from(i)).collect();
        let best = (0..=400).map(|i| {
            let one = SoftLif { gain: 10f64.powf(-1.0 + 0.01 * f64::from(i)), ..curve };
            let rates: Vec<f64> = inputs.iter().map(|&x| one.rate(x)).collect();
            let dot = |a: &dyn Fn(usize) -> f64| -> f64 { (0..inputs.len()).map(a).sum() };
            let relu = |i: usize| inputs[i].max(0.0);
            let amplitude = dot(&|i| rates[i] * relu(i)) / dot(&|i| rates[i] * rates[i]);
            let error = dot(&|i| (amplitude * rates[i] - relu(i)).powi(2));
            (error, SoftLif { amplitude, ..one })
        });
        best.min_by(|(a, _), (b, _)| a.total_cmp(b)).map_or(curve, |(_, one)| one)
    }

    fn current(&self, x: f64) -> f64 {
        self.gain * x + self.bias
    }

    /// ρ = γ·ln(1 + e^((J−1)/γ)), where softplus does not overflow.
    fn softened(&self, x: f64) -> f64 {
        let z = (self.current(x) - 1.0) / self.sigma;
        if z < 34.0 { self.sigma * z.exp().ln_1p() } else { self.sigma * z }
    }

    /// The activation r = A/(τ_ref + τ_rc·ln(1 + 1/ρ)) of input `x`.
    pub fn rate(&self, x: f64) -> f64 {
        let rho = self.softened(x);
        if rho > 0.0 {
            self.amplitude / (self.tau_ref + self.tau_rc * rho.recip().ln_1p())
        } else {
            0.0
        }
    }

    /// dr/dx = gain·τ_rc·r²/(A·ρ(ρ+1)(1 + e^(−(J−1)/γ))).
    pub fn slope(&self, x: f64) -> f64 {
        let (rho, rate) = (self.softened(x), self.rate(x));
        if rho <= 0.0 || rate == 0.0 {
            return 0.0;
        }
        let z = (self.current(x) - 1.0) / self.sigma;
        let soft = 1.0 / (1.0 + (-z).exp());
        self.gain * self.tau_rc * rate * rate * soft / (self.amplitude * rho * (rho + 1.0))
    }

    /// One step of `dt` seconds with input `x`; whether it fires. A spike stands for `A/dt`.
    pub fn step(&self, x: f64, dt: f64, state: &mut LifState) -> bool {
        let j = self.current(x);
        state.refractory -= dt;
        let awake = (dt - state.refractory).clamp(0.0, dt);
        state.voltage -= (j - state.voltage) * (-awake / self.tau_rc).exp_m1();
        if state.voltage > 1.0 {
            // when in the step it fired: the rest of the dead time ends in a later one
            let past = dt + self.tau_rc * (-(state.voltage - 1.0) / (j - 1.0)).ln_1p();
            *state = LifState { voltage: 0.0, refractory: self.tau_ref + past };
            return true;
        }
        state.voltage = state.voltage.max(0.0);
        false
    }
}

/// An alpha synapse of unit area: two exponential filters of `tau` seconds in a row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Synapse {
    /// τ, s.
    pub tau: f64,
}

impl Synapse {
    /// The current behind both filters after a step of `dt` seconds with input `x`; `carried` are
    /// their values.
    pub fn step(&self, x: f64, dt: f64, carried: &mut [f64; 2]) -> f64 {
        let part = -(-dt / self.tau).exp_m1();
        carried[0] += (x - carried[0]) * part;
        carried[1] += (carried[0] - carried[1]) * part;
        carried[1]
    }
}
