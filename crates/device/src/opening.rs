//! Opening a device: what a step will need is found now, or refused in a sentence.

#![expect(
    unsafe_code,
    reason = "the driver takes pointers; every block says what makes them valid"
)]

use crate::cudarc::driver::{result, sys};
use crate::gpu::locked;
use crate::{Gpu, Program};
use candle_core::{CudaDevice, Device, Error, Result};
use std::panic::{catch_unwind, set_hook, take_hook};
use std::sync::Mutex;

/// Opens device `number` on a stream of its own.
pub fn open(number: usize) -> std::result::Result<Device, String> {
    // cudarc panics where a library is missing, and prints nothing more useful than the panic
    // itself
    let hooks = locked(&HOOKS);
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let opened = catch_unwind(|| usable(number));
    set_hook(hook);
    drop(hooks);
    let device = match opened {
        Ok(Ok(device)) => device,
        Ok(Err(error)) => return Err(first_line(&error.to_string())),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().cloned();
            let said = said.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            return Err(
                said.map_or_else(|| "CUDA's libraries cannot be loaded".into(), |s| not_loaded(&s))
            );
        }
    };
    Ok(Device::Cuda(device))
}

/// The hook of panics is one for all threads: two that open a device change it one after the other.
static HOOKS: Mutex<()> = Mutex::new(());

/// A device on which everything that a step needs was found: driver, libraries, and a compiler
/// whose output the driver takes.
fn usable(number: usize) -> Result<CudaDevice> {
    let device = CudaDevice::new_with_stream(number)?;
    keep_memory(&device)?;
    // SAFETY: everything of this device runs on the one stream that was just made, so that no event
    // has to order it.
    unsafe { device.disable_event_tracking() };
    let gpu = Gpu::of(&device)?;
    gpu.with_library(|_| Ok(()))?;
    let smallest = ("smallest.cu", "extern \"C\" __global__ void nothing() {}");
    gpu.kernel(Program::new(smallest, candle_core::DType::F32, "", Vec::new()), "nothing")?;
    Ok(device)
}

/// What a panic of cudarc says, without the thirty names that it tried.
fn not_loaded(said: &str) -> String {
    match said
        .split_once("Unable to dynamically load the \"")
        .and_then(|(_, rest)| rest.split_once('"'))
    {
        Some(("cuda", _)) => {
            "the driver's library libcuda cannot be loaded, so there is no NVIDIA driver here"
                .into()
        }
        Some((name, _)) => format!(
            "the library lib{name} cannot be loaded; put the folder that holds CUDA's libraries into LD_LIBRARY_PATH"
        ),
        None => first_line(said),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// CUDA's pool gives all free memory back to the driver at every synchronisation unless told
/// otherwise, and the next step would map it again.
fn keep_memory(device: &CudaDevice) -> Result<()> {
    let mut everything = u64::MAX;
    // SAFETY: the attribute takes a pointer to a 64-bit number, which lives until the call returns.
    unsafe {
        let pool = result::device::get_default_mem_pool(device.cuda_stream().context().cu_device())
            .map_err(Error::wrap)?;
        let threshold = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        result::mem_pool::set_attribute(pool, threshold, (&raw mut everything).cast())
            .map_err(Error::wrap)
    }
}
