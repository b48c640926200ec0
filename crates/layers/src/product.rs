use crate::conv::{Matrix, forward, input_gradient, parallel_product, weight_gradient};
use crate::tiles::{Parts, TileProducts, Unit};
use crate::{Consumer, DepthwiseSizes, Sizes, Sparse, event};
use rayon::prelude::*;

/// What a weight does to the activations below it, on slices of f32: the three products of a
/// training step, each either event-driven or dense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Maps `[n, h, w, ci]`, weight `[k, k, ci, co]`.
    Convolution(Sizes),
    /// Maps `[n, h, w, c]`, weight `[k, k, 1, c]`; always dense.
    Depthwise(DepthwiseSizes),
    /// Rows `[n, inputs]`, weight `[inputs, outputs]`.
    Linear {
        /// Rows.
        n: usize,
        /// Inputs.
        inputs: usize,
        /// Outputs.
        outputs: usize,
    },
}

/// How a product is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Path {
    /// At the entries of the activations that are not zero.
    Event,
    /// At all of them, as matrix products in f32.
    Dense,
    /// At all of them, on the CPU's matrix unit.
    Tiles,
}

/// How dense products multiply. The products of activations that are no bf16 as they are (pixels,
/// masks that are no power of two) are taken in f32 whatever it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dense {
    /// In f32.
    #[default]
    F32,
    /// On the CPU's matrix unit, weights and gradients as sums of bf16: as exact as f32 with
    /// spikes, ∂L/∂x to 3·2⁻¹⁶ of its factors. Without a unit a model of it computes, slowly: ask
    /// [`Dense::is_here`] first.
    Tiles,
    /// On the same unit, of weights and gradients rounded to bf16 once, as autocast takes them.
    Bf16,
}

impl Dense {
    /// Whether this CPU has what it takes.
    pub fn is_here(self) -> bool {
        self == Dense::F32 || Unit::found().is_some()
    }

    /// The fastest in f32 that this CPU has.
    pub fn fastest() -> Dense {
        if Dense::Tiles.is_here() { Dense::Tiles } else { Dense::F32 }
    }

    fn tiles(self) -> Option<TileProducts> {
        let parts = match self {
            Dense::F32 => return None,
            Dense::Tiles => Parts::Single,
            Dense::Bf16 => Parts::Bf16,
        };
        Some(TileProducts { unit: Unit::found().unwrap_or(Unit::Model), parts })
    }
}

/// [`Crossover`]s of the two kinds of layers, and what lies beyond them.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Crossovers {
    /// Convolutions.
    pub convolution: Crossover,
    /// Linear layers.
    pub linear: Crossover,
    /// How products are taken that are dense.
    #[serde(default)]
    pub dense: Dense,
}

impl Crossovers {
    /// Every product event-driven, whatever the density.
    pub const NEVER: Crossovers = Crossovers::at(f64::INFINITY);
    /// Every product dense.
    pub const ALWAYS: Crossovers = Crossovers::at(0.0);

    /// The same density for every product, from which on they are dense in f32.
    pub const fn at(density: f64) -> Crossovers {
        let all = Crossover { forward: density, weight: density, input: density };
        Crossovers { convolution: all, linear: all, dense: Dense::F32 }
    }

    /// Those of a product's kind.
    pub fn of(&self, product: &Product) -> Crossover {
        match product {
            Product::Convolution(_) | Product::Depthwise(_) => self.convolution,
            Product::Linear { .. } => self.linear,
        }
    }
}

/// For each product the density of the activations from which on the dense path is taken.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Crossover {
    /// y = x ∗ w + b.
    pub forward: f64,
    /// ∂L/∂w.
    pub weight: f64,
    /// ∂L/∂x.
    pub input: f64,
}

/// ∂L/∂x.
#[derive(Clone, Debug, PartialEq)]
pub enum InputGradient {
    /// At the entries of x, in their order.
    AtEntries(Vec<f32>),
    /// In the shape of x.
    Everywhere(Vec<f32>),
}

impl Product {
    /// The path for activations `x`: dense from the density `crossover` on, and where zeros around
    /// the map reach further than the window, for which no other gradient was written; and the
    /// matrix unit that takes it.
    fn path(&self, x: &Sparse, crossover: f64, dense: Dense) -> (Path, Option<TileProducts>) {
        let belongs = match self {
            Product::Convolution(s) => x.belongs([s.n, s.h, s.w, s.ci], Consumer::Convolution),
            Product::Depthwise(s) => x.belongs([s.n, s.h, s.w, s.c], Consumer::Convolution),
            Product::Linear { n, inputs, .. } => {
                let [m, h, w, c] = x.shape();
                (m, h * w * c) == (*n, *inputs) && x.belongs(x.shape(), Consumer::Linear)
            }
        };
        assert!(belongs, "activations {:?} are not those of {self:?}", x.shape());
        if self.is_plain() {
            return (Path::Dense, None);
        }
        if x.density() < crossover {
            return (Path::Event, None);
        }
        match dense.tiles().filter(|_| self.fills_tiles() && x.is_bf16()) {
            Some(tiles) => (Path::Tiles, Some(tiles)),
            None => (Path::Dense, None),
        }
    }

    /// Whether it is taken densely and in f32 whatever the activations are.
    fn is_plain(&self) -> bool {
        match self {
            Product::Convolution(s) => s.padding >= s.k,
            Product::Depthwise(_) => true,
            Product::Linear { .. } => false,
        }
    }

    /// Whether a unit's blocks of 32 are filled well enough to be worth it.
    fn fills_tiles(&self) -> bool {
        match self {
            Product::Convolution(s) => s.ci >= 16 && s.co >= 16,
            Product::Depthwise(_) => false,
            Product::Linear { inputs, outputs, .. } => *inputs >= 16 && *outputs >= 16,
        }
    }

    /// Who reads the activations.
    pub fn consumer(&self) -> Consumer {
        match self {
            Product::Convolution(_) | Product::Depthwise(_) => Consumer::Convolution,
            Product::Linear { .. } => Consumer::Linear,
        }
    }

    /// Numbers of the output.
    pub fn outputs(&self) -> usize {
        match self {
            Product::Convolution(s) => s.n * s.pixels() * s.co,
            Product::Depthwise(s) => s.n * s.h * s.w * s.c,
            Product::Linear { n, outputs, .. } => n * outputs,
        }
    }

    /// Numbers of the weight for each output channel.
    pub fn fan_in(&self) -> usize {
        match self {
            Product::Convolution(s) => s.window(),
            Product::Depthwise(s) => s.k * s.k,
            Product::Linear { inputs, .. } => *inputs,
        }
    }

    /// The same product over so many maps.
    pub fn over(self, n: usize) -> Product {
        match self {
            Product::Convolution(s) => Product::Convolution(Sizes { n, ..s }),
            Product::Depthwise(s) => Product::Depthwise(DepthwiseSizes { n, ..s }),
            Product::Linear { inputs, outputs, .. } => Product::Linear { n, inputs, outputs },
        }
    }

    /// y = x·w + b, and the path taken.
    ///
    /// # Panics
    /// If `x` was listed for another product.
    pub fn forward(
        &self,
        x: &Sparse,
        weight: &[f32],
        bias: &[f32],
        crossovers: &Crossovers,
    ) -> (Vec<f32>, Path) {
        let (path, tiles) = self.path(x, crossovers.of(self).forward, crossovers.dense);
        let y = match (self, path, tiles) {
            (Product::Convolution(s), _, Some(tiles)) => tiles.conv_forward(*s, x, weight, bias),
            (Product::Linear { .. }, _, Some(tiles)) => tiles.linear_forward(x, weight, bias),
            (Product::Convolution(s), Path::Event, _) => event::conv_forward(*s, x, weight, bias),
            (Product::Linear { .. }, Path::Event, _) => event::linear_forward(x, weight, bias),
            _ => self.dense_forward(&x.to_dense(), weight, bias),
        };
        (y, path)
    }

    /// Adds to `y`, the output of one sample and step, what entries of its input give: (index in
    /// the flattened map, value).
    ///
    /// # Panics
    /// If an index lies outside the map, or `y` has another size.
    pub fn add(&self, entries: &[(u32, f32)], weight: &[f32], y: &mut [f32]) {
        event::scatter(self, entries, weight, y);
    }

    /// y = x·w + b of dense activations.
    pub fn dense_forward(&self, x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
        match *self {
            Product::Convolution(s) => forward(s, x, weight, bias),
            Product::Depthwise(s) => {
                let mut y = s.forward(x, weight);
                let pixels = y.chunks_exact_mut(s.c.max(1));
                pixels.for_each(|y| y.iter_mut().zip(bias).for_each(|(y, b)| *y += b));
                y
            }
            Product::Linear { n, inputs, outputs } => {
                let mut y = bias.repeat(n);
                let (x, weight) = (Matrix::new(x, n, inputs), Matrix::new(weight, inputs, outputs));
                parallel_product(&mut y, x, weight, true);
                y
            }
        }
    }

    /// ∂L/∂w from the gradient `g` of the output, and the path taken.
    ///
    /// # Panics
    /// If `x` was listed for another product.
    pub fn weight_gradient(
        &self,
        x: &Sparse,
        g: &[f32],
        crossovers: &Crossovers,
    ) -> (Vec<f32>, Path) {
        let (path, tiles) = self.path(x, crossovers.of(self).weight, crossovers.dense);
        let dw = match (self, path, tiles) {
            (Product::Convolution(s), _, Some(tiles)) => tiles.conv_weight_gradient(*s, x, g),
            (Product::Linear { outputs, .. }, _, Some(tiles)) => {
                tiles.linear_weight_gradient(x, g, *outputs)
            }
            (Product::Convolution(s), Path::Event, _) => event::conv_weight_gradient(*s, x, g),
            (Product::Linear { outputs, .. }, Path::Event, _) => {
                event::linear_weight_gradient(x, g, *outputs)
            }
            _ => self.dense_weight_gradient(&x.to_dense(), g),
        };
        (dw, path)
    }

    /// ∂L/∂w of dense activations.
    pub fn dense_weight_gradient(&self, x: &[f32], g: &[f32]) -> Vec<f32> {
        match *self {
            Product::Convolution(s) => weight_gradient(s, x, g).0,
            Product::Depthwise(s) => s.weight_gradient(x, g),
            Product::Linear { n, inputs, outputs } => {
                let mut dw = vec![0.0; inputs * outputs];
                parallel_product(
                    &mut dw,
                    Matrix::new(x, n, inputs).t(),
                    Matrix::new(g, n, outputs),
                    false,
                );
                dw
            }
        }
    }

    /// ∂L/∂b: the sum of `g` over everything but its channels, in pieces of fixed size that are
    /// added in order.
    pub fn bias_gradient(&self, g: &[f32]) -> Vec<f32> {
        let channels = match self {
            Product::Convolution(s) => s.co,
            Product::Depthwise(s) => s.c,
            Product::Linear { outputs, .. } => *outputs,
        };
        let pieces: Vec<Vec<f32>> = g
            .par_chunks(128 * channels)
            .map(|g| {
                let mut sum = vec![0.0; channels];
                g.chunks_exact(channels)
                    .for_each(|g| sum.iter_mut().zip(g).for_each(|(s, g)| *s += g));
                sum
            })
            .collect();
        let mut sum = vec![0.0f64; channels];
        pieces
            .iter()
            .for_each(|piece| sum.iter_mut().zip(piece).for_each(|(s, p)| *s += f64::from(*p)));
        sum.into_iter().map(|s| s as f32).collect()
    }

    /// ∂L/∂x at the entries of x, from the gradient `g` of the output, and the path taken.
    ///
    /// # Panics
    /// If `x` was listed for another product.
    pub fn input_gradient(
        &self,
        x: &Sparse,
        weight: &[f32],
        g: &[f32],
        crossovers: &Crossovers,
    ) -> (InputGradient, Path) {
        let path = self.path(x, crossovers.of(self).input, Dense::F32).0;
        let dx = match (self, path) {
            (Product::Convolution(s), Path::Event) => {
                InputGradient::AtEntries(event::conv_input_gradient(*s, x, weight, g))
            }
            (Product::Linear { outputs, .. }, Path::Event) => {
                InputGradient::AtEntries(event::linear_input_gradient(x, weight, g, *outputs))
            }
            _ => {
                let (dx, path) = self.whole_input_gradient(weight, g, crossovers.dense);
                return (InputGradient::Everywhere(dx), path);
            }
        };
        (dx, path)
    }

    /// ∂L/∂x everywhere, and the path taken.
    pub fn whole_input_gradient(
        &self,
        weight: &[f32],
        g: &[f32],
        dense: Dense,
    ) -> (Vec<f32>, Path) {
        match (self, dense.tiles().filter(|_| self.fills_tiles() && !self.is_plain())) {
            (Product::Convolution(s), Some(tiles)) => {
                (tiles.conv_input_gradient(*s, weight, g), Path::Tiles)
            }
            (Product::Linear { n, .. }, Some(tiles)) => {
                (tiles.linear_input_gradient(*n, weight, g), Path::Tiles)
            }
            _ => (self.dense_input_gradient(weight, g), Path::Dense),
        }
    }

    /// ∂L/∂x everywhere, in f32.
    pub fn dense_input_gradient(&self, weight: &[f32], g: &[f32]) -> Vec<f32> {
        match *self {
            Product::Convolution(s) => input_gradient(s, weight, g),
            Product::Depthwise(s) => s.input_gradient(weight, g),
            Product::Linear { n, inputs, outputs } => {
                let mut dx = vec![0.0; n * inputs];
                parallel_product(
                    &mut dx,
                    Matrix::new(g, n, outputs),
                    Matrix::new(weight, inputs, outputs).t(),
                    false,
                );
                dx
            }
        }
    }
}
