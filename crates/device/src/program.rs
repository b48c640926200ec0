//! CUDA source, compiled by NVRTC when it is first needed.

use crate::cudarc::driver::CudaFunction;
use crate::cudarc::nvrtc::{CompileError, CompileOptions, Ptx, compile_ptx_with_opts};
use candle_core::{DType, Error, Result, bail};
use std::fmt::Write;

/// CUDA source with the constants that specialise it, as definitions before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    source: String,
}

/// A compiled kernel.
pub struct Kernel {
    pub(crate) function: CudaFunction,
}

/// Storage types of kernels, and loads and stores that convert them; every program starts with it.
const TYPES: &str = include_str!("types.cuh");

impl Program {
    /// `body` with `definitions` before it, each `NAME value`.
    pub fn new(definitions: &[(&str, String)], body: &str) -> Program {
        // the types first: their template parameters have one letter, and so have some definitions
        let mut source = TYPES.to_owned();
        for (name, value) in definitions {
            // writing to a string cannot fail
            let _ = writeln!(source, "#define {name} {value}");
        }
        source.push_str(body);
        Program { source }
    }

    /// The whole source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// PTX for compute capability `capability` (90 for 9.0). Products and sums are not contracted: a kernel then rounds as
    /// its Rust definition does, and all of them wait for memory anyway.
    pub(crate) fn compile(&self, capability: u32) -> Result<Ptx> {
        let options = CompileOptions {
            fmad: Some(false),
            options: vec![format!("--gpu-architecture=compute_{capability}"), "--std=c++17".into()],
            name: Some("spikegrad.cu".into()),
            ..Default::default()
        };
        compile_ptx_with_opts(&self.source, options).map_err(|error| match error {
            CompileError::CompileError { log, .. } => {
                Error::Msg(format!("a CUDA kernel does not compile: {}", log.to_string_lossy().trim())).bt()
            }
            other => Error::Msg(format!("NVRTC cannot compile a CUDA kernel: {other}")).bt(),
        })
    }
}

/// The name that kernels have for a type of tensors.
///
/// # Errors
/// If no kernel takes it.
pub fn real(dtype: DType) -> Result<String> {
    Ok(match dtype {
        DType::F32 => "float",
        DType::F64 => "double",
        DType::F16 => "f16",
        DType::BF16 => "bf16",
        DType::U8 => "unsigned char",
        other => bail!("CUDA kernels take f32, f64, f16, bf16 and u8, found {other:?}"),
    }
    .into())
}
