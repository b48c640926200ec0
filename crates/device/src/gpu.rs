//! An open device and what belongs to it: kernels compiled so far, handles of libraries, algorithms
//! chosen, workspace.
// Long: one type, and all that an open device owns; what it owns is opened in one order.

#![expect(
    unsafe_code,
    reason = "the driver takes pointers; every block says what makes them valid"
)]

use crate::Program;
use crate::cudarc::driver::{
    CudaContext, CudaEvent, CudaFunction, CudaModule, CudaStream, DevicePtr, LaunchConfig,
    PinnedHostSlice, PushKernelArg, result, sys,
};
use crate::cudarc::{cublas, cudnn};
use crate::program::Kernel;
use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::{CudaStorage, CudaStorageSlice, DeviceId};
use candle_core::{CudaDevice, Device, Error, Layout, Result, Tensor, bail};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// A value for a kernel.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    /// Address of device memory, 0 where a kernel takes none.
    Pointer(u64),
    /// A 64-bit size or seed.
    Size(u64),
    /// A 32-bit whole number.
    Int(i32),
    /// A number in single precision.
    Float(f32),
    /// A number in double precision.
    Double(f64),
}

/// Which product of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// y = x ∗ w.
    Forward,
    /// ∂L/∂x.
    Input,
    /// ∂L/∂w.
    Weight,
}

/// A convolution's algorithm as cuDNN numbers it, with the memory it works in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Algorithm {
    /// cuDNN's number within the direction.
    pub number: u32,
    /// cuDNN's number of the arithmetic that it was chosen for.
    pub math: u32,
    /// Bytes.
    pub workspace: usize,
}

/// Handles that one thread at a time may use.
pub struct Library {
    /// cuDNN on this device's stream.
    pub cudnn: cudnn::sys::cudnnHandle_t,
    /// Algorithms chosen so far, by direction and all that the choice depends on; `None` where
    /// cuDNN has none.
    pub algorithms: HashMap<(Direction, Vec<i64>), Option<Algorithm>>,
    workspace: Option<Tensor>,
}

// SAFETY: the raw handle is the only part that is not Send by itself; it is reached through the
// mutex of `Gpu` alone, and cuDNN allows a handle to move between threads that do not use it at the
// same time.
unsafe impl Send for Library {}

/// A CUDA device in use, one for each [`CudaDevice`].
pub struct Gpu {
    device: CudaDevice,
    stream: Arc<CudaStream>,
    blas: Arc<cublas::CudaBlas>,
    /// Streaming multiprocessors.
    multiprocessors: u32,
    /// 90 for compute capability 9.0.
    capability: u32,
    programs: Mutex<HashMap<Program, Loaded>>,
    library: Mutex<Option<Library>>,
    /// Page-locked memory, each with the event that follows the copy out of it.
    pinned: Mutex<Vec<(PinnedHostSlice<u8>, CudaEvent)>>,
}

/// A compiled program, and the kernels asked of it.
struct Loaded {
    module: Arc<CudaModule>,
    functions: HashMap<&'static str, CudaFunction>,
}

/// All devices in use; a program has one, seldom more.
static OPEN: OnceLock<Mutex<Devices>> = OnceLock::new();

type Devices = Vec<(DeviceId, Arc<Gpu>)>;

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // what these mutexes hold is changed by single insertions: a panic elsewhere leaves nothing
    // half done
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gpu {
    /// The device of a tensor or a storage.
    ///
    /// # Errors
    /// If the driver fails.
    pub fn of(device: &CudaDevice) -> Result<Arc<Gpu>> {
        let mut open = locked(OPEN.get_or_init(Mutex::default));
        if let Some((_, gpu)) = open.iter().find(|(id, _)| *id == device.id()) {
            return Ok(gpu.clone());
        }
        let stream = device.cuda_stream();
        let context = stream.context();
        let attribute = |which| context.attribute(which).map_err(Error::wrap);
        let (major, minor) = context.compute_capability().map_err(Error::wrap)?;
        let processors =
            attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        let gpu = Arc::new(Gpu {
            blas: device.cublas_handle(),
            multiprocessors: processors.max(1) as u32,
            capability: (10 * major + minor) as u32,
            device: device.clone(),
            stream,
            programs: Mutex::default(),
            library: Mutex::default(),
            pinned: Mutex::default(),
        });
        open.push((device.id(), gpu.clone()));
        Ok(gpu)
    }

    /// The device of a tensor.
    ///
    /// # Errors
    /// If it lies elsewhere.
    pub fn of_tensor(tensor: &Tensor) -> Result<Arc<Gpu>> {
        match tensor.device() {
            Device::Cuda(device) => Gpu::of(device),
            other => {
                bail!("expected a tensor on a CUDA device, found one on {:?}", other.location())
            }
        }
    }

    /// candle's device.
    pub fn device(&self) -> Device {
        Device::Cuda(self.device.clone())
    }

    /// candle's device, as its storages name it.
    pub fn cuda_device(&self) -> &CudaDevice {
        &self.device
    }

    /// The context of the driver.
    pub fn context(&self) -> &Arc<CudaContext> {
        self.stream.context()
    }

    /// The one stream.
    pub fn stream(&self) -> &Arc<CudaStream> {
        &self.stream
    }

    /// cuBLAS on this device's stream.
    pub fn blas(&self) -> &cublas::CudaBlas {
        &self.blas
    }

    /// Streaming multiprocessors.
    pub fn multiprocessors(&self) -> u32 {
        self.multiprocessors
    }

    /// Bytes of device memory free and in all.
    ///
    /// # Errors
    /// If the driver fails.
    pub fn memory(&self) -> Result<(usize, usize)> {
        self.context().mem_get_info().map_err(Error::wrap)
    }

    /// Name of the card.
    ///
    /// # Errors
    /// If the driver fails.
    pub fn name(&self) -> Result<String> {
        self.context().name().map_err(Error::wrap)
    }

    /// Largest number of bytes that tensors and workspaces have held since the device was opened,
    /// or since [`Gpu::reset_peak_memory`].
    ///
    /// # Errors
    /// If the driver fails.
    pub fn peak_memory(&self) -> Result<u64> {
        let mut peak = 0u64;
        self.pool_attribute(
            sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH,
            &mut peak,
            false,
        )?;
        Ok(peak)
    }

    /// Starts a new measurement of [`Gpu::peak_memory`].
    ///
    /// # Errors
    /// If the driver fails.
    pub fn reset_peak_memory(&self) -> Result<()> {
        self.pool_attribute(sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH, &mut 0, true)
    }

    /// Bytes of device memory that can still be had: what the driver has free, and what its pool
    /// keeps unused.
    ///
    /// # Errors
    /// If the driver fails.
    pub fn available(&self) -> Result<usize> {
        let (mut reserved, mut used) = (0, 0);
        self.pool_attribute(
            sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT,
            &mut reserved,
            false,
        )?;
        self.pool_attribute(
            sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT,
            &mut used,
            false,
        )?;
        Ok(self.memory()?.0 + reserved.saturating_sub(used) as usize)
    }

    fn pool_attribute(
        &self,
        attribute: sys::CUmemPool_attribute,
        value: &mut u64,
        set: bool,
    ) -> Result<()> {
        // SAFETY: the attribute is a 64-bit number, and the pointer to it lives until the call
        // returns.
        unsafe {
            let pool = result::device::get_default_mem_pool(self.context().cu_device())
                .map_err(Error::wrap)?;
            let value = std::ptr::from_mut(value).cast();
            match set {
                true => result::mem_pool::set_attribute(pool, attribute, value),
                false => result::mem_pool::get_attribute(pool, attribute, value),
            }
            .map_err(Error::wrap)
        }
    }

    /// Copies host memory to `address` by way of page-locked memory, and returns before it has
    /// arrived: what the stream does next waits for it, the host does not. Two buffers take turns;
    /// one that is still being read is waited for.
    ///
    /// # Errors
    /// If the driver fails.
    ///
    /// # Safety
    /// `address` must lead to as many bytes of device memory.
    pub unsafe fn copy_to(&self, address: u64, bytes: &[u8]) -> Result<()> {
        let mut pinned = locked(&self.pinned);
        let mut kept = None;
        if pinned.len() > 1 {
            let (buffer, copied) = pinned.remove(0);
            // cudarc's own events are off: what reads a buffer has to be waited for here, before it
            // is written or freed
            copied.synchronize().map_err(Error::wrap)?;
            kept = (buffer.len() >= bytes.len()).then_some(buffer);
        }
        let mut buffer = match kept {
            Some(buffer) => buffer,
            None => {
                // SAFETY: what is read below is written first.
                unsafe { self.context().alloc_pinned(bytes.len().max(1)) }.map_err(Error::wrap)?
            }
        };
        let filled = buffer.as_mut_slice().map_err(Error::wrap)?;
        filled[..bytes.len()].copy_from_slice(bytes);
        // SAFETY: the caller's promise; the buffer is neither written nor freed before the event
        // that follows.
        unsafe {
            result::memcpy_htod_async(address, &filled[..bytes.len()], self.stream.cu_stream())
        }
        .map_err(Error::wrap)?;
        let copied = self.stream.record_event(None).map_err(Error::wrap)?;
        pinned.push((buffer, copied));
        Ok(())
    }

    /// A kernel of `program`, compiled if it is asked for the first time.
    ///
    /// # Errors
    /// If NVRTC refuses the source; the message holds what it said.
    pub fn kernel(&self, program: Program, name: &'static str) -> Result<Kernel> {
        let mut programs = locked(&self.programs);
        let loaded = match programs.get_mut(&program) {
            Some(loaded) => loaded,
            None => {
                let image = program.compile(self.capability)?;
                let module = self.context().load_module(image).map_err(Error::wrap)?;
                programs.entry(program).or_insert(Loaded { module, functions: HashMap::new() })
            }
        };
        if let Some(function) = loaded.functions.get(name) {
            return Ok(Kernel { function: function.clone() });
        }
        let function = loaded.module.load_function(name).map_err(Error::wrap)?;
        loaded.functions.insert(name, function.clone());
        Ok(Kernel { function })
    }

    /// Starts `kernel` with `blocks` blocks of `threads` threads.
    ///
    /// # Errors
    /// If the driver refuses.
    ///
    /// # Safety
    /// `args` must be those of the kernel, in its order and of its types, and every pointer must
    /// lead to as much memory as the kernel reads or writes there.
    pub unsafe fn launch(
        &self,
        kernel: &Kernel,
        blocks: [u32; 2],
        threads: u32,
        args: &[Arg],
    ) -> Result<()> {
        let mut call = self.stream.launch_builder(&kernel.function);
        for arg in args {
            match arg {
                Arg::Pointer(value) | Arg::Size(value) => call.arg(value),
                Arg::Int(value) => call.arg(value),
                Arg::Float(value) => call.arg(value),
                Arg::Double(value) => call.arg(value),
            };
        }
        let [x, y] = blocks;
        let config =
            LaunchConfig { grid_dim: (x, y, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 };
        // SAFETY: the caller's promise.
        unsafe { call.launch(config) }.map_err(Error::wrap)?;
        Ok(())
    }

    /// Blocks for so many threads' worth of work: enough to fill the card several times over, no
    /// more than there is work.
    pub fn blocks(&self, items: usize, threads: u32) -> u32 {
        (items.div_ceil(threads as usize)).clamp(1, 16 * self.multiprocessors as usize) as u32
    }

    /// Address of the first element of a contiguous tensor.
    ///
    /// # Errors
    /// If it is not contiguous, or lies elsewhere.
    pub fn pointer(&self, tensor: &Tensor) -> Result<u64> {
        let (storage, layout) = tensor.storage_and_layout();
        match &*storage {
            candle_core::Storage::Cuda(storage) => self.address(storage, layout),
            _ => bail!(
                "expected a tensor on a CUDA device, found one on {:?}",
                tensor.device().location()
            ),
        }
    }

    /// Address of the first element of a contiguous part of a storage.
    ///
    /// # Errors
    /// If it is not contiguous, or of a type that no kernel takes.
    pub fn address(&self, storage: &CudaStorage, layout: &Layout) -> Result<u64> {
        if storage.device.id() != self.device.id() {
            bail!(
                "a CUDA kernel takes tensors of one device that was opened once, found those of two"
            );
        }
        if !layout.is_contiguous() {
            bail!("a CUDA kernel takes contiguous tensors, found {layout:?}");
        }
        let stream = &self.stream;
        // all work is on this device's stream, in order: what the second value would do at its end
        // is not needed
        let first = match &storage.slice {
            CudaStorageSlice::U8(s) => s.device_ptr(stream).0,
            CudaStorageSlice::U32(s) => s.device_ptr(stream).0,
            CudaStorageSlice::BF16(s) => s.device_ptr(stream).0,
            CudaStorageSlice::F16(s) => s.device_ptr(stream).0,
            CudaStorageSlice::F32(s) => s.device_ptr(stream).0,
            CudaStorageSlice::F64(s) => s.device_ptr(stream).0,
            _ => bail!("no kernel takes {:?}", storage.dtype()),
        };
        Ok(first + (layout.start_offset() * storage.dtype().size_in_bytes()) as u64)
    }

    /// Calls `work` with cuDNN's handle and what was chosen with it. The first call makes the
    /// handle.
    ///
    /// # Errors
    /// If cuDNN cannot be loaded, or `work` fails.
    pub fn with_library<R>(&self, work: impl FnOnce(&mut Library) -> Result<R>) -> Result<R> {
        let mut library = locked(&self.library);
        let library = match &mut *library {
            Some(library) => library,
            empty => {
                self.context().bind_to_thread().map_err(Error::wrap)?;
                let cudnn = cudnn::result::create_handle().map_err(Error::wrap)?;
                // SAFETY: both the handle and the stream are alive; the stream lives as long as the
                // device.
                unsafe { cudnn::result::set_stream(cudnn, self.stream.cu_stream().cast()) }
                    .map_err(Error::wrap)?;
                empty.insert(Library { cudnn, algorithms: HashMap::new(), workspace: None })
            }
        };
        work(library)
    }
}

impl Library {
    /// Address of at least so many bytes, which the next call may write as well: products use it
    /// one after the other.
    ///
    /// # Errors
    /// If the memory cannot be had.
    pub fn workspace(&mut self, gpu: &Gpu, bytes: usize) -> Result<u64> {
        if bytes == 0 {
            return Ok(0);
        }
        let enough = |t: &&Tensor| t.elem_count() >= bytes;
        let workspace = match self.workspace.as_ref().filter(enough) {
            Some(workspace) => workspace,
            None => {
                self.workspace = None; // freed before the larger one is taken
                self.workspace.insert(gpu.empty(bytes, candle_core::DType::U8)?)
            }
        };
        gpu.pointer(workspace)
    }

    /// Gives the memory of [`Library::workspace`] back to the pool.
    pub fn give_up_workspace(&mut self) {
        self.workspace = None;
    }
}
