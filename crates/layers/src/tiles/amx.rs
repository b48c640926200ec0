//! [`Tiles`] by the instructions of Intel's AMX.
#![expect(unsafe_code, reason = "instructions that the language has no functions for")]

use super::{BLOCK, PACKED, Tiles};
use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::OnceLock;

/// Whether the CPU has tiles of bf16, and the system lets this process use them.
pub fn permitted() -> bool {
    static PERMITTED: OnceLock<bool> = OnceLock::new();
    *PERMITTED.get_or_init(|| {
        const BF16: u32 = 1 << 22;
        const TILE: u32 = 1 << 24;
        let leaves = __cpuid_count(0, 0).eax;
        leaves >= 7 && __cpuid_count(7, 0).edx & (BF16 | TILE) == BF16 | TILE && ask()
    })
}

/// Asks the system for the registers of tiles, `arch_prctl(ARCH_REQ_XCOMP_PERM, XTILE_DATA)`; a
/// system that does not know the question refuses.
fn ask() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST: u64 = 0x1023;
    const TILE_DATA: u64 = 18;
    let answer: i64;
    // SAFETY: the call changes what the process may use and no memory; the kernel overwrites rcx
    // and r11.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => answer,
            in("rdi") REQUEST,
            in("rsi") TILE_DATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    answer == 0
}

/// The tiles of this thread: 0 to 3 hold the sums, 4 and 5 the halves of the left operand's rows, 6
/// and 7 those of the right one's columns. The compiler uses none of them.
pub struct Unit {
    /// Tiles belong to their thread.
    here: PhantomData<*const ()>,
}

/// What `ldtilecfg` reads: bytes of a row and rows of each tile.
#[repr(C, align(64))]
struct Layout {
    palette: u8,
    start: u8,
    reserved: [u8; 14],
    bytes: [u16; 16],
    rows: [u8; 16],
}

thread_local! {
    /// Whether a `Unit` of this thread lives.
    static IN_USE: Cell<bool> = const { Cell::new(false) };
}

/// Gives the tiles back, also where `code` panics.
struct Release;

impl Drop for Release {
    fn drop(&mut self) {
        // SAFETY: the `Unit` that used the registers is gone.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
        IN_USE.set(false);
    }
}

/// Calls `code` with this thread's tiles. `code` must not wait for other tasks: a thread pool would
/// run them on this thread.
///
/// # Panics
/// If there are none, or this thread uses them already.
pub fn with(code: impl FnOnce(&mut Unit)) {
    assert!(permitted(), "this CPU has no matrix unit that the process may use");
    assert!(!IN_USE.replace(true), "the tiles of a thread are for one at a time");
    let mut layout =
        Layout { palette: 1, start: 0, reserved: [0; 14], bytes: [0; 16], rows: [0; 16] };
    layout.bytes[..8].fill(64);
    layout.rows[..8].fill(16);
    // SAFETY: `layout` is 64 bytes as the instruction reads them, of the first palette; the process
    // may use tiles.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &layout, options(nostack, readonly)) };
    let _release = Release;
    code(&mut Unit { here: PhantomData });
}

/// Bytes between rows, which have `width` numbers of `bytes` bytes, in `all` numbers.
#[inline(always)]
fn step(all: usize, stride: usize, width: usize, bytes: usize) -> usize {
    assert!(all >= (BLOCK - 1) * stride + width, "a block of 32 rows");
    stride * bytes
}

impl Tiles for Unit {
    #[inline(always)]
    fn clear(&mut self) {
        // SAFETY: tiles are configured as long as a `Unit` lives.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                options(nostack, nomem),
            );
        }
    }

    #[inline(always)]
    fn load(&mut self, sums: &[f32], stride: usize) {
        let bytes = step(sums.len(), stride, BLOCK, 4);
        let upper = sums.as_ptr();
        // SAFETY: `step` has seen that 32 rows of 32 numbers lie in `sums`.
        unsafe {
            let lower = upper.add(16 * stride);
            asm!(
                "tileloadd tmm0, [{upper} + {bytes}]", "tileloadd tmm1, [{upper} + {bytes} + 64]",
                "tileloadd tmm2, [{lower} + {bytes}]", "tileloadd tmm3, [{lower} + {bytes} + 64]",
                upper = in(reg) upper, lower = in(reg) lower, bytes = in(reg) bytes,
                options(nostack, readonly),
            );
        }
    }

    #[inline(always)]
    fn store(&mut self, sums: &mut [f32], stride: usize) {
        let bytes = step(sums.len(), stride, BLOCK, 4);
        let upper = sums.as_mut_ptr();
        // SAFETY: as in `load`.
        unsafe {
            let lower = upper.add(16 * stride);
            asm!(
                "tilestored [{upper} + {bytes}], tmm0", "tilestored [{upper} + {bytes} + 64], tmm1",
                "tilestored [{lower} + {bytes}], tmm2", "tilestored [{lower} + {bytes} + 64], tmm3",
                upper = in(reg) upper, lower = in(reg) lower, bytes = in(reg) bytes,
                options(nostack),
            );
        }
    }

    #[inline(always)]
    fn left(&mut self, rows: &[u16], stride: usize) {
        let bytes = step(rows.len(), stride, BLOCK, 2);
        let upper = rows.as_ptr();
        // SAFETY: `step` has seen that 32 rows of 32 numbers lie in `rows`.
        unsafe {
            asm!(
                "tileloadd tmm4, [{upper} + {bytes}]", "tileloadd tmm5, [{lower} + {bytes}]",
                upper = in(reg) upper, lower = in(reg) upper.add(16 * stride),
                bytes = in(reg) bytes, options(nostack, readonly),
            );
        }
    }

    #[inline(always)]
    fn right(&mut self, packed: &[u32]) {
        assert!(packed.len() >= PACKED, "a packed operand");
        // SAFETY: two tiles of 16 rows of 64 bytes lie in `packed`.
        unsafe {
            asm!(
                "tileloadd tmm6, [{from} + {bytes}]", "tileloadd tmm7, [{from} + {bytes} + 1024]",
                from = in(reg) packed.as_ptr(), bytes = in(reg) 64usize,
                options(nostack, readonly),
            );
        }
    }

    #[inline(always)]
    fn multiply(&mut self) {
        // SAFETY: registers only.
        unsafe {
            asm!(
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                options(nostack, nomem),
            );
        }
    }
}
