use crate::initialisation::Stream;
use crate::{Initialisation, stream};
use candle_core::{DType, Device, Result, Shape, Tensor, Var, bail};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use models::{BatchStatistics, Observer};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The variables of a run, by name. A variable's initial value depends on (seed, name, shape)
/// and the law of its kind alone.
///
/// As an [`Observer`] it folds the statistics of a training pass into the running ones.
#[derive(Clone)]
pub struct SeededVars {
    seed: u64,
    initialisation: Initialisation,
    vars: Arc<Mutex<BTreeMap<String, Var>>>,
}

impl SeededVars {
    /// No variables yet; a network that is built with [`SeededVars::builder`] makes its own.
    pub fn new(seed: u64) -> Self {
        Self::with(seed, Initialisation::default())
    }

    /// The same, weights of products by another law.
    pub fn with(seed: u64, initialisation: Initialisation) -> Self {
        Self { seed, initialisation, vars: Arc::default() }
    }

    /// What a network takes its weights from.
    pub fn builder(&self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), dtype, device.clone())
    }

    /// All variables, sorted by name: those that a gradient changes, and running statistics.
    pub fn all(&self) -> Vec<(String, Var)> {
        self.locked().iter().map(|(n, v)| (n.clone(), v.clone())).collect()
    }

    /// SHA-256, in hex, of all variables: of each its name, its sizes and its values as
    /// little-endian f32, in order of name.
    ///
    /// # Errors
    /// If a variable cannot be read.
    pub fn sha256(&self) -> Result<String> {
        let mut hash = Sha256::new();
        for (name, var) in self.all() {
            hash.update(format!("{name} {:?} ", var.dims()));
            values(&var)?.iter().for_each(|v| hash.update(v.to_le_bytes()));
        }
        Ok(sentence::hex(&hash.finalize()))
    }

    /// All variables that a gradient changes, sorted by name; running statistics are not among
    /// them.
    pub fn trainable(&self) -> Vec<(String, Var)> {
        let running = |name: &str| name.ends_with("running_mean") || name.ends_with("running_var");
        self.locked()
            .iter()
            .filter(|(name, _)| !running(name))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect()
    }

    /// The variable of that name.
    pub fn get(&self, name: &str) -> Option<Var> {
        self.locked().get(name).cloned()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Var>> {
        // A panic elsewhere cannot leave the map half changed: every change is one insertion.
        self.vars.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self, layer: &str, which: &str) -> Result<Var> {
        let name = format!("{layer}.norm.{which}");
        match self.get(&name) {
            Some(var) => Ok(var),
            None => bail!("statistics of a batch norm without the variable {name}"),
        }
    }
}

/// The values of a tensor in order, from whatever device.
pub(crate) fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

impl Observer for SeededVars {
    fn statistics(&mut self, layer: &str, statistics: &BatchStatistics) -> Result<()> {
        let (mean, var) =
            (self.running(layer, "running_mean")?, self.running(layer, "running_var")?);
        let (new_mean, new_var) = statistics.update(&mean, &var)?;
        mean.set(&new_mean)?;
        var.set(&new_var)
    }
}

impl SimpleBackend for SeededVars {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        if let Some(var) = self.locked().get(name) {
            if var.shape() != &shape {
                bail!("variable {name} has shape {:?}, asked for {shape:?}", var.shape());
            }
            return Ok(var.as_tensor().clone());
        }
        let n = shape.elem_count();
        let values: Vec<f32> = match init {
            Init::Const(c) => vec![c as f32; n],
            Init::Uniform { lo, up } => {
                let rng = Stream(stream(self.seed, &format!("weight {name}")));
                // a law is for products; NeuNorm's w has its own
                let of_product = name.ends_with("weight") || name.ends_with("bias");
                let usual = Initialisation::Pytorch;
                let law = if of_product { &self.initialisation } else { &usual };
                law.values(shape.dims(), (lo, up), rng)
            }
            other => bail!(
                "variable {name}: seeded variables are constant or uniform, asked for {other:?}"
            ),
        };
        let var = Var::from_tensor(&Tensor::from_vec(values, shape, device)?.to_dtype(dtype)?)?;
        let tensor = var.as_tensor().clone();
        self.locked().insert(name.into(), var);
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        match self.get(name) {
            Some(var) => Ok(var.as_tensor().clone()),
            None => bail!("no variable {name}"),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.locked().contains_key(name)
    }
}
