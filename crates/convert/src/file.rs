//! A converted network as a file: safetensors of its rescaled weights, with all else as JSON in its
//! header under [`KEY`].

use crate::{Dynamics, Head, Pool, Product, Spiking, SpikingPool, SpikingStage};
use candle_core::{Device, Result, Tensor, bail};
use layers::{Conv2d, Linear, Windows};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// The header's one key.
pub const KEY: &str = "spikegrad-convert";
/// The version of the header's JSON.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    first: Vec<PoolText>,
    stages: Vec<StageText>,
    dynamics: Dynamics,
    head: Head,
    /// What the caller wants to have with it.
    about: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StageText {
    name: String,
    /// Stride and padding of a convolution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    convolution: Option<[usize; 2]>,
    bias: bool,
    pools: Vec<PoolText>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum PoolText {
    /// Of an input.
    Max(usize),
    /// Of spikes.
    Gated(usize),
    /// Side, stride, padding.
    Average([usize; 3]),
    /// The same with neurons.
    Neurons([usize; 3]),
}

impl Spiking {
    /// The bytes of its file, with `about` in the header; the same every time.
    ///
    /// # Errors
    /// Two stages of one name.
    pub fn to_bytes(&self, about: serde_json::Value) -> Result<Vec<u8>> {
        let mut tensors = BTreeMap::new();
        let mut stages = Vec::new();
        for stage in &self.stages {
            let parts = [("weight", Some(stage.product.weight())), ("bias", stage.product.bias())];
            for (part, tensor) in parts {
                let Some(tensor) = tensor else { continue };
                let name = format!("{}.{part}", stage.name);
                if tensors.insert(name, bytes(tensor)?).is_some() {
                    bail!("convert: two stages are called {}", stage.name);
                }
            }
            stages.push(StageText {
                name: stage.name.clone(),
                convolution: match &stage.product {
                    Product::Conv(conv) => Some([conv.stride, conv.padding]),
                    Product::Linear(_) => None,
                },
                bias: stage.product.bias().is_some(),
                pools: stage.pools.iter().map(PoolText::of).collect(),
            });
        }
        let first = self.first.iter().map(PoolText::of_input).collect();
        let (dynamics, head) = (self.dynamics, self.head);
        let header = Header { version: VERSION, first, stages, dynamics, head, about };
        let text = serde_json::to_string(&header).map_err(candle_core::Error::wrap)?;
        let views = tensors.iter().map(|(name, (dims, bytes))| {
            let view = TensorView::new(Dtype::F32, dims.clone(), bytes);
            view.map(|view| (name.as_str(), view))
        });
        let views: Vec<_> =
            views.collect::<std::result::Result<_, _>>().map_err(candle_core::Error::wrap)?;
        let header = HashMap::from([(KEY.to_owned(), text)]);
        safetensors::serialize(views, Some(header)).map_err(candle_core::Error::wrap)
    }

    /// The network of a file's bytes, and what its header has beside it.
    ///
    /// # Errors
    /// Bytes that are no such file, or one of another version.
    pub fn of_bytes(file: &[u8]) -> Result<(Spiking, serde_json::Value)> {
        let broken = |found: &str| {
            candle_core::Error::Msg(format!("expected a converted network, found {found}"))
        };
        let (_, metadata) =
            SafeTensors::read_metadata(file).map_err(|_| broken("no .safetensors file"))?;
        let text = metadata.metadata().as_ref().and_then(|all| all.get(KEY));
        let text = text.ok_or_else(|| broken("a .safetensors file without its header"))?;
        let header: Header =
            serde_json::from_str(text).map_err(|_| broken("a header that cannot be read"))?;
        if header.version != VERSION {
            return Err(broken(&format!("version {} of its header", header.version)));
        }
        let tensors = SafeTensors::deserialize(file).map_err(|_| broken("damaged tensors"))?;
        let tensor = |name: String| {
            let view = tensors.tensor(&name).map_err(|_| broken(&format!("no tensor {name}")))?;
            if view.dtype() != Dtype::F32 {
                return Err(broken(&format!("{name} of another type than F32")));
            }
            let values = view.data().chunks_exact(4);
            let values = values.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            Tensor::from_vec(values, view.shape(), &Device::Cpu)
        };
        let mut stages = Vec::new();
        for stage in header.stages {
            let weight = tensor(format!("{}.weight", stage.name))?;
            let bias = stage.bias.then(|| tensor(format!("{}.bias", stage.name))).transpose()?;
            let product = match stage.convolution {
                Some([stride, padding]) => Product::Conv(Conv2d { weight, bias, stride, padding }),
                None => Product::Linear(Linear { weight, bias }),
            };
            let pools = stage.pools.iter().filter_map(PoolText::spiking).collect();
            stages.push(SpikingStage { name: stage.name, product, pools });
        }
        let first = header.first.iter().filter_map(PoolText::input).collect();
        let (dynamics, head) = (header.dynamics, header.head);
        Ok((Spiking { first, stages, dynamics, head }, header.about))
    }
}

fn bytes(tensor: &Tensor) -> Result<(Vec<usize>, Vec<u8>)> {
    let values = tensor.to_dtype(candle_core::DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    Ok((tensor.dims().to_vec(), values.iter().flat_map(|v| v.to_le_bytes()).collect()))
}

fn numbers(windows: &Windows) -> [usize; 3] {
    [windows.side, windows.stride, windows.padding]
}

fn windows([side, stride, padding]: [usize; 3]) -> Windows {
    Windows { side, stride, padding }
}

impl PoolText {
    fn of(pool: &SpikingPool) -> PoolText {
        match pool {
            SpikingPool::Gated(k) => PoolText::Gated(*k),
            SpikingPool::Average(windows) => PoolText::Average(numbers(windows)),
            SpikingPool::Neurons(windows) => PoolText::Neurons(numbers(windows)),
        }
    }

    fn of_input(pool: &Pool) -> PoolText {
        match pool {
            Pool::Max(k) => PoolText::Max(*k),
            Pool::Average(windows) => PoolText::Average(numbers(windows)),
        }
    }

    fn spiking(&self) -> Option<SpikingPool> {
        match self {
            PoolText::Gated(k) => Some(SpikingPool::Gated(*k)),
            PoolText::Average(of) => Some(SpikingPool::Average(windows(*of))),
            PoolText::Neurons(of) => Some(SpikingPool::Neurons(windows(*of))),
            PoolText::Max(_) => None,
        }
    }

    fn input(&self) -> Option<Pool> {
        match self {
            PoolText::Max(k) => Some(Pool::Max(*k)),
            PoolText::Average(of) => Some(Pool::Average(windows(*of))),
            PoolText::Gated(_) | PoolText::Neurons(_) => None,
        }
    }
}
