//! A neuron of one's own, with two states and a learned parameter, in a network that runs on the
//! CPU's fast path: `cargo run --release` here, a second. It learns in which quarter of a map the
//! events are; 25 % is chance, and it reaches 100 %.

use candle_core::{DType, Device, Error, Result, Tensor};
use candle_nn::{VarBuilder, VarMap};
use models::{Frames, Network, Options, Spec, StatisticsOver};
use neuron::surrogate::Atan;
use neuron::{Cell, Fires, Number, Parameter, population, prove};

/// A synaptic current, whose decay σ(w) is learned, charges a membrane that a spike empties.
#[derive(Clone, Copy, Debug)]
struct Synapse;

impl Cell<2, 1> for Synapse {
    fn parameters(&self) -> [Parameter; 1] {
        [Parameter { name: "w", initial: 0.0 }]
    }

    fn step<N: Number>(&self, x: N, [v, i]: [N; 2], [w]: [N; 1]) -> (N, [N; 2]) {
        let i = w.sigmoid() * i + x;
        let u = N::of(0.9) * v + i;
        let o = N::spike(u, N::of(1.0), Fires::AtThreshold, &Atan::default());
        (o, [u * (N::of(1.0) - o.detach()), i])
    }
}

fn main() -> Result<()> {
    prove(&Synapse).map_err(Error::msg)?;
    let vars = VarMap::new();
    let builder = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
    let spec: Spec = "8C3-AP2-5Voting".parse().map_err(Error::wrap)?;
    let neuron = population(Synapse)?; // a pattern: each layer gets a variable of its own
    let network = Network::new(&spec, [8, 8, 1], 4, neuron, StatisticsOver::Step, builder)?;
    let (variables, learned) = (vars.all_vars(), network.neuron_parameters());
    // [T, B, H, W, C] = [4, 16, 8, 8, 1]: two of three pixels in the quarter of the sample's class
    let quarter = |i: usize| 2 * (i / 32 % 2) + i / 4 % 2;
    let event = |i: usize| i / 64 % 4 == quarter(i) && !(7 * i + i / 64).is_multiple_of(3);
    let values: Vec<f32> = (0..4 * 16 * 64).map(|i| f32::from(u8::from(event(i)))).collect();
    let wanted = Tensor::from_vec((0..16u32).map(|b| b % 4).collect(), 16, &Device::Cpu)?;
    let hot = candle_nn::encoding::one_hot(wanted.clone(), 4, 1f32, 0f32)?;
    let (steps, shape) = (4, [16, 8, 8, 1]);
    let frames = Frames { values: &values, bytes: None, steps, shape, still: false };
    for step in 0..60 {
        let engine = network.event_driven().ok_or_else(|| Error::msg("no fast path"))?;
        let found = engine.gradients(frames, step, Options::default(), &mut (), |s| s - &hot)?;
        for variable in &variables {
            if let Some(gradient) = found.get(variable) {
                variable.set(&(variable.as_tensor() - (gradient * 0.05)?)?)?;
            }
        }
        let right = found.scores.argmax(1)?.eq(&wanted)?.to_dtype(DType::F32)?.mean_all()?;
        let w = learned[0].1.to_scalar::<f32>()?;
        println!("step {step}: {:.0} % right, w {w:.3}", 100.0 * right.to_scalar::<f32>()?);
    }
    Ok(())
}
