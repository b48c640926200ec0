//! An analogue network as conversion sees it: a chain of products, each with its norm folded in.

use candle_core::{Result, Tensor, bail};
use layers::{BatchNorm, Conv2d, Linear, Windows};
use models::{Layer, Network};

/// A chain of stages; all but the last, the head, end in a ReLU.
#[derive(Clone, Debug)]
pub struct Analogue {
    /// Poolings of the input.
    pub first: Vec<Pool>,
    /// Products and what is behind each; the last one gives the class scores.
    pub stages: Vec<Stage>,
}

/// One product and what is behind it.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Weight and bias, batch norm included.
    pub product: Product,
    /// θ of a rate-norm layer behind the ReLU: activations are min(y/θ, 1).
    pub rate_norm: Option<f64>,
    /// Poolings behind the activation.
    pub pools: Vec<Pool>,
}

/// Weight and bias of a stage.
#[derive(Clone, Debug)]
pub enum Product {
    /// Convolution of maps `[B, H, W, C]`.
    Conv(Conv2d),
    /// Of rows `[B, in]`; maps are flattened.
    Linear(Linear),
}

/// A pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// The largest of k×k values; window = stride.
    Max(usize),
    /// The mean of a window.
    Average(Windows),
}

impl Product {
    /// The weight, `[k, k, in, out]` or `[in, out]`.
    pub fn weight(&self) -> &Tensor {
        match self {
            Product::Conv(conv) => &conv.weight,
            Product::Linear(linear) => &linear.weight,
        }
    }

    /// The bias `[out]`.
    pub fn bias(&self) -> Option<&Tensor> {
        match self {
            Product::Conv(conv) => conv.bias.as_ref(),
            Product::Linear(linear) => linear.bias.as_ref(),
        }
    }

    /// The same product with another weight and bias.
    pub fn with(&self, weight: Tensor, bias: Option<Tensor>) -> Product {
        match self {
            Product::Conv(conv) => {
                let Conv2d { stride, padding, .. } = *conv;
                Product::Conv(Conv2d { weight, bias, stride, padding })
            }
            Product::Linear(_) => Product::Linear(Linear { weight, bias }),
        }
    }

    /// Currents of `x`.
    ///
    /// # Errors
    /// If it does not fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Product::Conv(conv) => conv.forward(x),
            Product::Linear(linear) => linear.forward(&x.flatten_from(1)?),
        }
    }
}

impl Pool {
    /// Windows of `side`×`side` that do not overlap, averaged.
    pub fn average(side: usize) -> Pool {
        Pool::Average(Windows { side, stride: side, padding: 0 })
    }

    /// The pooled maps `[B, H, W, C]`.
    ///
    /// # Errors
    /// If no window fits.
    pub fn forward(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Pool::Max(k) => layers::max_pool2d(x, k),
            Pool::Average(Windows { side, stride, padding: 0 }) if side == stride => {
                layers::avg_pool2d(x, side)
            }
            Pool::Average(windows) => windows.average(x),
        }
    }

    /// Height and width of what it makes of maps of `[h, w]`; `None` where no window fits.
    pub fn size(self, [h, w]: [usize; 2]) -> Option<[usize; 2]> {
        match self {
            Pool::Max(0) => None,
            Pool::Max(k) => Some([h / k, w / k]).filter(|size| !size.contains(&0)),
            Pool::Average(windows) => Some([windows.across(h)?, windows.across(w)?]),
        }
    }
}

/// Where a chain is while it is read.
#[derive(Clone, Copy, PartialEq)]
enum At {
    /// Behind nothing or a pooling in front of all products.
    Start,
    /// Behind a product, whose norm may follow.
    Product,
    /// Behind an activation.
    Activation,
    /// Behind the vote.
    End,
}

impl Analogue {
    /// The chain of a network without neurons, [`Network::analogue`], its norms with their running
    /// statistics folded in, and its vote. Dropout is left out.
    ///
    /// # Errors
    /// Neurons, a residual block or recurrent connections, a product without ReLU that is not the
    /// head, a norm that is not behind a product, or one that differs from step to step.
    pub fn of(network: &Network) -> Result<Analogue> {
        let mut chain = Analogue { first: Vec::new(), stages: Vec::new() };
        let (mut at, mut names) = (At::Start, network.layers().iter());
        while let Some(layer) = names.next() {
            at = chain.push(layer, at, name_of(names.as_slice()))?;
        }
        match at {
            At::End | At::Product => Ok(chain),
            At::Start | At::Activation => {
                bail!("convert: a network ends in its head, a product without ReLU")
            }
        }
    }

    fn push(&mut self, layer: &Layer, at: At, named: Option<&str>) -> Result<At> {
        let product = match layer {
            Layer::Conv(conv) => Some(Product::Conv(conv.clone())),
            Layer::Linear(linear) => Some(Product::Linear(linear.clone())),
            _ => None,
        };
        if let Some(product) = product {
            if !matches!(at, At::Start | At::Activation) {
                bail!(
                    "convert: expected a ReLU between two products, found none; a rate is never below 0"
                );
            }
            let name = named.map_or_else(|| format!("stage-{}", self.stages.len()), str::to_owned);
            self.stages.push(Stage { name, product, rate_norm: None, pools: Vec::new() });
            return Ok(At::Product);
        }
        match (layer, at) {
            (Layer::Dropout(..) | Layer::Flatten, _) => Ok(at),
            (Layer::Rectify, At::Product | At::Activation) => Ok(At::Activation),
            (Layer::Norm(name, norm), At::Product) => {
                let Some(stage) = self.stages.last_mut() else { return Ok(at) };
                stage.product = folded(name, &stage.product, norm)?;
                Ok(at)
            }
            (Layer::Vote(voters), At::Product) => {
                let Some(stage) = self.stages.last_mut() else { return Ok(at) };
                stage.product = voted(&stage.product, *voters)?;
                Ok(At::End)
            }
            (layer, At::Start | At::Activation) => match pool(layer) {
                Some(pool) => {
                    let stage = self.stages.last_mut().map(|stage| &mut stage.pools);
                    stage.unwrap_or(&mut self.first).push(pool);
                    Ok(at)
                }
                None => refuse(layer),
            },
            (layer, _) => refuse(layer),
        }
    }

    /// Class scores `[B, K]` of `x` `[B, H, W, C]`; `visit` is handed the index of each stage and
    /// its activations in front of its poolings, of the head the scores.
    ///
    /// # Errors
    /// If `x` does not fit, or the error of `visit`.
    pub fn forward(
        &self,
        x: &Tensor,
        visit: &mut dyn FnMut(usize, &Tensor) -> Result<()>,
    ) -> Result<Tensor> {
        let mut x = pooled(x, &self.first)?;
        for i in 0..self.stages.len() {
            let y = self.activations(i, &x)?;
            visit(i, &y)?;
            x = pooled(&y, &self.stages[i].pools)?;
        }
        Ok(x)
    }

    /// The activations of stage `i` whose input is `x`, in front of its poolings.
    ///
    /// # Errors
    /// If `x` does not fit.
    pub fn activations(&self, i: usize, x: &Tensor) -> Result<Tensor> {
        let stage = &self.stages[i];
        let y = stage.product.forward(x)?.detach();
        if i + 1 == self.stages.len() {
            return Ok(y);
        }
        let y = layers::rectify(&y)?.detach();
        match stage.rate_norm {
            Some(threshold) => y.affine(1.0 / threshold, 0.0)?.minimum(1.0),
            None => Ok(y),
        }
    }
}

/// `x` through poolings in turn.
pub(crate) fn pooled(x: &Tensor, pools: &[Pool]) -> Result<Tensor> {
    pools.iter().try_fold(x.clone(), |x, pool| pool.forward(&x))
}

fn pool(layer: &Layer) -> Option<Pool> {
    match layer {
        Layer::MaxPool(k) => Some(Pool::Max(*k)),
        Layer::AvgPool(k) => Some(Pool::average(*k)),
        Layer::StridedAvgPool(windows) => Some(Pool::Average(*windows)),
        _ => None,
    }
}

fn refuse<T>(layer: &Layer) -> Result<T> {
    let found = match layer {
        Layer::Residual { .. } => "a residual block",
        Layer::Neuron(..) => "neurons, where the analogue network has none",
        Layer::Recurrent { .. } | Layer::BackEi { .. } => "recurrent connections",
        Layer::NeuNorm(_) => "a NeuNorm",
        Layer::Depthwise(_) => "a depthwise convolution",
        Layer::Norm(..) => "a batch norm that is not behind a product",
        Layer::Vote(_) => "a vote that is not behind the head",
        _ => "an operation in another place",
    };
    bail!(
        "convert: expected a chain of convolutions, linear layers, ReLU and pooling, found {found}"
    )
}

/// The stage that a product in front of `layers` belongs to: what is behind it bears its name.
fn name_of(layers: &[Layer]) -> Option<&str> {
    let until = layers.iter().take_while(|l| !matches!(l, Layer::Conv(_) | Layer::Linear(_)));
    let mut named = until.filter_map(|layer| match layer {
        Layer::Norm(name, _) | Layer::Neuron(name, _) => Some(name.as_str()),
        Layer::Vote(_) => Some("head"),
        _ => None,
    });
    named.next()
}

/// W·γ/√(σ² + ε) and (b − μ)·γ/√(σ² + ε) + β: the product and the norm behind it as one product.
fn folded(name: &str, product: &Product, norm: &BatchNorm) -> Result<Product> {
    if norm.by_step() {
        bail!(
            "convert: the norm of {name} differs from step to step, and an analogue network has no steps"
        );
    }
    let inverse = (&norm.running_var + norm.eps)?.sqrt()?.recip()?;
    let factor = (&norm.weight * inverse)?.affine(norm.scale, 0.0)?;
    let weight = product.weight().broadcast_mul(&factor)?;
    let centred = match product.bias() {
        Some(bias) => (bias - &norm.running_mean)?,
        None => norm.running_mean.neg()?,
    };
    let bias = (centred * factor)?;
    let bias = match &norm.bias {
        Some(shift) => (bias + shift)?,
        None => bias,
    };
    Ok(product.with(weight.detach(), Some(bias.detach())))
}

/// A head whose `voters` consecutive units are averaged.
fn voted(head: &Product, voters: usize) -> Result<Product> {
    if !matches!(head, Product::Linear(_)) {
        bail!("convert: a vote is taken of a linear layer");
    }
    let weight = layers::vote(head.weight(), voters)?.detach();
    let bias =
        head.bias().map(|bias| Ok::<_, candle_core::Error>(layers::vote(bias, voters)?.detach()));
    Ok(head.with(weight, bias.transpose()?))
}
