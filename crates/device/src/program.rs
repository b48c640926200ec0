//! CUDA source, compiled by NVRTC when it is first needed.

use crate::cudarc::driver::CudaFunction;
use crate::cudarc::nvrtc::{CompileError, CompileOptions, Ptx, compile_ptx_with_opts};
use candle_core::{DType, Error, Result, bail};
use std::fmt::Write;

/// CUDA source and the constants that specialise it. Its text is made only when it is compiled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    file: &'static str,
    body: &'static str,
    real: &'static str,
    own: String,
    definitions: Vec<(&'static str, String)>,
}

/// A compiled kernel.
pub struct Kernel {
    pub(crate) function: CudaFunction,
}

/// Storage types of kernels, and loads and stores that convert them; every program starts with it.
const TYPES: &str = include_str!("types.cuh");

impl Program {
    /// The text `body` of a file, which computes in `real` (f64, else f32), specialised by `own`
    /// text, a neuron's, and by definitions, each a name and its value. They stand before the body
    /// in that order, so that no definition meets a name in `own`.
    pub fn new(
        (file, body): (&'static str, &'static str),
        real: DType,
        own: &str,
        definitions: Vec<(&'static str, String)>,
    ) -> Program {
        let real = if real == DType::F64 { "double" } else { "float" };
        Program { file, body, real, own: own.to_owned(), definitions }
    }

    /// The whole source.
    pub fn source(&self) -> String {
        // the types first: their template parameters have one letter, and so have some definitions
        let mut source = format!("{TYPES}typedef {} real;\n{}\n", self.real, self.own);
        for (name, value) in &self.definitions {
            // writing to a string cannot fail
            let _ = writeln!(source, "#define {name} {value}");
        }
        source.push_str(self.body);
        source
    }

    /// PTX for compute capability `capability` (90 for 9.0). Products and sums are not contracted:
    /// a kernel then rounds as its Rust definition does, and all of them wait for memory anyway.
    pub(crate) fn compile(&self, capability: u32) -> Result<Ptx> {
        let options = CompileOptions {
            fmad: Some(false),
            options: vec![format!("--gpu-architecture=compute_{capability}"), "--std=c++17".into()],
            name: Some(self.file.into()),
            ..Default::default()
        };
        compile_ptx_with_opts(self.source(), options).map_err(|error| match error {
            CompileError::CompileError { log, .. } => Error::Msg(format!(
                "a CUDA kernel does not compile: {}",
                log.to_string_lossy().trim()
            ))
            .bt(),
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
