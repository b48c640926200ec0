//! What `data inspect` and `data show` hold in memory, metered by the system: the same for a large
//! file as for a small one. One test, in a process of its own, for the meter is the process's.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{Read, Seek, SeekFrom};

use events::formats::{Chunks, Format};
use events::{Overview, Summary};

/// A file that is made while it is read: a header, then `record` again and again.
struct Made {
    header: &'static [u8],
    record: &'static [u8],
    at: usize,
    len: usize,
}

impl Read for Made {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = into.len().min(self.len - self.at);
        for (place, byte) in (self.at..).zip(&mut into[..count]) {
            *byte = match place.checked_sub(self.header.len()) {
                None => self.header[place],
                Some(place) => self.record[place % self.record.len()],
            };
        }
        self.at += count;
        Ok(count)
    }
}

impl Seek for Made {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let SeekFrom::Start(at) = to else { panic!("{to:?}") };
        self.at = at as usize;
        Ok(at)
    }
}

/// The most MiB that this process held since the meter was set back.
fn peak_mib(work: impl FnOnce()) -> u64 {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    work();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
}

#[test]
fn files_of_any_size_are_read_in_bounded_memory() {
    let evt3_header = b"% evt 3.0\n% geometry 640x480\n% end\n";
    // a time, a row, a base, and vectors of 12 events a word: 78 times the file in events
    let evt3 = b"\x01\x80\x11\x60\x05\x00\x00\x30\xff\x4f\xff\x4f\xff\x4f\xff\x4f\xff\x4f\xff\x4f";
    let evt21_header = b"% evt 2.1\n% geometry 640x480\n% end\n";
    let evt21 =
        b"\0\0\0\0\x01\0\0\x80\xff\xff\xff\xff\x05\x28\x40\x10\xff\xff\xff\xff\x06\x28\x40\x10";
    for (format, header, record, mib) in [
        (Format::Evt3, &evt3_header[..], &evt3[..], 8),
        (Format::Evt21, evt21_header, evt21, 8),
        (Format::NMnist, b"", b"\x01\x02\x80\x00\x09\x03\x04\x00\x00\x09", 80),
    ] {
        let open = || {
            let len = header.len() + (mib << 20) / record.len() * record.len();
            Chunks::open(Made { header, record, at: 0, len }, len as u64, Some(format))
        };
        let mut events = 0;
        let summary = peak_mib(|| events = Summary::read(open().unwrap()).unwrap().events);
        // at once they would take 13 bytes an event, and 16 more to find duplicates
        assert!(events > 14_000_000, "{format:?}: {events} events");
        let overview = peak_mib(|| {
            Overview::read(open, 8).unwrap();
        });
        println!("{format:?}: {events} events, {summary} MiB and {overview} MiB");
        assert!(summary < 120, "{format:?}: {summary} MiB for a summary of {events} events");
        assert!(overview < 120, "{format:?}: {overview} MiB for frames of {events} events");
    }
}
