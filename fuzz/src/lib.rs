//! What every fuzz target checks: no panic, no endless run, no memory beyond what is documented,
//! and sane events or tensors.
//!
//! A decoder is given the input and may allocate, beside it, 4 times its size (EVT 3.0: 13 bytes
//! for each of 6 events a byte, EVT 2.1 for each of 4), plus [`SLACK`] for sentences. What it
//! decodes goes on through [`Events::sorted`] and, for one input in 16, framing; [`Summary`] has a
//! target of its own.

use std::io::Cursor;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use events::formats::{self, Chunks, Format};
use events::{Columns, EmptyWindow, Error, Events, Framing, Overview, Sensor, Summary};

const DVS128: Sensor = Sensor { width: 128, height: 128 };
/// Bytes that do not grow with the input.
const SLACK: usize = 64 << 10;
/// Bytes of an event in [`Columns`].
const EVENT: usize = 13;

/// The system's allocator with a meter: bytes held, and the most ever held since the last [`peak`]
/// began.
struct Meter;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static METER: Meter = Meter;

fn grown(bytes: usize) {
    let held = HELD.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(held, Relaxed);
}

// SAFETY: every call goes to the system's allocator unchanged; the meter only counts. The default
// `realloc` and `alloc_zeroed` go through these two, so a block that moves counts twice while it
// does.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`, and the block came from `alloc`
        // above.
        unsafe { System.dealloc(block, layout) }
    }
}

/// What `work` returns, and the most bytes it held at once beside those held before.
fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.load(Relaxed);
    PEAK.store(before, Relaxed);
    let done = work();
    (done, PEAK.load(Relaxed) - before)
}

/// Runs `work` on an input of `bytes` bytes and holds it to `times` their number.
pub fn within<T>(times: usize, bytes: usize, work: impl FnOnce() -> T) -> T {
    let (done, peak) = peak(work);
    assert!(peak <= times * bytes + SLACK, "{peak} bytes held for an input of {bytes}");
    done
}

/// Decodes `bytes` by `decode`, which claims to read `format`, and follows what comes out.
pub fn check(format: Format, bytes: &[u8], decode: impl FnOnce(&[u8]) -> Result<Columns, Error>) {
    let times = match format {
        Format::Evt3 => 6 * EVENT,
        Format::Evt21 => 4 * EVENT,
        _ => 4,
    };
    if let Ok(columns) = within(times, bytes.len(), || decode(bytes)) {
        assert!(columns.t_us.iter().all(|&t_us| t_us >= 0));
        follow(columns);
    }
}

/// Order of decoded events and, for one input in 16, their frames, which cost several times all the
/// rest. The first input of a process is framed, so a crash there happens again when its input is
/// run alone.
pub fn follow(columns: Columns) {
    static INPUTS: AtomicUsize = AtomicUsize::new(0);
    let Ok(events) = Events::sorted(DVS128, columns) else { return };
    if INPUTS.fetch_add(1, Relaxed) % 16 != 0 {
        return;
    }
    let time = Framing::Time { frames: 2, empty_window: EmptyWindow::ZeroFrame };
    for framing in [Framing::Number { frames: 2 }, time] {
        let frames = framing.frames(&events).expect("two frames of a few thousand events");
        assert_eq!(
            frames.values().iter().map(|&count| usize::from(count)).sum::<usize>(),
            events.len()
        );
    }
}

/// Bytes that the values of a pickle take for each of its own: an opcode of one byte makes a value
/// of 24 in a list that may just have moved, and a place on the stack.
const PICKLED: usize = 96;
/// Bytes that the list of an archive's files takes for each of its own: an entry of 46 is a record
/// of some hundred, its name twice and a range.
const LISTED: usize = 32;

/// Reads `bytes` as a pickle, and as an archive of `torch.save` with every tensor in it. Numbers of
/// two bytes become such of eight.
pub fn torch(bytes: &[u8]) {
    let n = bytes.len();
    if let Ok(tensors) = within(PICKLED, n, || pth::described(bytes)) {
        assert!(tensors.keys().all(|name| !name.contains(char::is_control)));
    }
    let Ok(mut file) = within(PICKLED + LISTED, n, || pth::File::read(bytes)) else { return };
    let names: Vec<String> = file.tensors().keys().cloned().collect();
    for name in names {
        let shape = file.tensors()[&name].shape.clone();
        if let Ok(values) = within(5, n, || file.values(&name)) {
            assert_eq!(values.len(), shape.iter().product::<usize>());
        }
    }
}

/// The summary of columns that `bytes` decode to, or that they might.
pub fn summarise(format: Format, bytes: &[u8], columns: &Columns) {
    let count = columns.count().expect("decoders return equal columns");
    let sensor = formats::sensor(format, bytes, columns);
    let summary =
        within(16, count, || Summary::of(format, sensor, columns)).expect("the columns are equal");
    assert_eq!((summary.events, summary.on + summary.off), (count, count));
    assert!(summary.duplicates.is_none_or(|duplicates| duplicates < count.max(1)));
    assert!(summary.out_of_order < count.max(1));
}

/// What `data inspect` and `data show` do: piece by piece, in memory that the file does not bound.
pub fn read_in_pieces(format: Option<Format>, bytes: &[u8]) {
    let open = || Chunks::open(Cursor::new(bytes), bytes.len() as u64, format);
    // the bytes and one piece of events; keys by which duplicates are found; frames
    const PIECES: usize = 200 << 20;
    let (summary, peak) = peak(|| open().and_then(Summary::read));
    assert!(peak <= PIECES, "{peak} bytes held for an input of {}", bytes.len());
    let overview = Overview::read(open, 2);
    if let (Ok(summary), Ok(overview)) = (summary, overview) {
        assert_eq!(overview.events + overview.left_out, summary.events);
    }
}
