//! Recordings as public writers and cameras make them, each of which was once read wrong. The
//! inputs are made here; where this machine has the stored cases, those are read too.
// Long: one test for each case, with the bytes that make it.
#![allow(clippy::unwrap_used)]

use std::io::Cursor;
use std::path::PathBuf;

use events::formats::{self, Chunks, Format};
use events::{Error, FirstRow, Overview, Sensor, Summary};

/// A stored file of a case, or `None` (said aloud) where this machine has none.
fn stored(file: &str) -> Option<Vec<u8>> {
    let shared = std::env::var_os("SPIKEGRAD_SHARED").map(PathBuf::from);
    let file = shared
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").into())
        .join("cases")
        .join(file);
    let bytes = std::fs::read(&file);
    bytes.inspect_err(|_| eprintln!("SKIPPED: no {}", file.display())).ok()
}

/// What was made here, and what is stored under that name.
fn both(made: Vec<u8>, file: &str) -> Vec<Vec<u8>> {
    [Some(made), stored(file)].into_iter().flatten().collect()
}

fn read(bytes: &[u8]) -> Result<Summary, Error> {
    Summary::read(Chunks::open(Cursor::new(bytes), bytes.len() as u64, None)?)
}

fn refusal(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

/// AEDAT 2.0 records behind header lines.
fn aedat(lines: &[&str], records: &[(u32, u32)]) -> Vec<u8> {
    let header = lines.iter().flat_map(|line| [line, "\r\n"]).collect::<String>();
    let data = records.iter().flat_map(|&(address, t_us)| [address, t_us]);
    header.into_bytes().into_iter().chain(data.flat_map(u32::to_be_bytes)).collect()
}

const AEDAT2: &str = "#!AER-DAT2.0";
const DVS128: &str = "# AEChip: ch.unizh.ini.jaer.chip.retina.DVS128";
const DAVIS240: &str = "# AEChip: eu.seebetter.ini.chips.davis.DAVIS240C";
const DAVIS346: &str = "# AEChip: eu.seebetter.ini.chips.davis.Davis346blue";

fn davis(x: u32, y: u32, on: u32) -> u32 {
    y << 22 | x << 12 | on << 11
}

fn dvs(x: u32, y: u32, p: u32) -> u32 {
    y << 8 | x << 1 | p
}

#[test]
fn addresses_of_a_davis_tell_it_where_the_header_names_no_camera() {
    let events = [(1000, 0, 0, 1), (2000, 345, 259, 0), (3000, 200, 20, 1), (4000, 17, 250, 0)];
    let records = events.map(|(t_us, x, y, on)| (davis(x, y, on), t_us));
    for bytes in both(aedat(&[AEDAT2], &records), "01-aedat2-davis-no-chip/davis_no_chip.aedat") {
        let summary = read(&bytes).unwrap();
        assert_eq!((summary.format, summary.sensor), (Format::Davis, None));
        assert_eq!((summary.sum_x, summary.sum_y, summary.on), (562, 529, 2));
        assert_eq!(summary.first_row, FirstRow::Bottom, "nothing tells the height");
        // a picture is upright all the same
        let open = || Chunks::open(Cursor::new(&bytes), bytes.len() as u64, None);
        let overview = Overview::read(open, 1).unwrap();
        let Sensor { width, height } = overview.sensor;
        assert_eq!((width, height), (346, 260));
        let pixel = |x: usize, y: usize, on: usize| (y * usize::from(width) + x) * 2 + on;
        assert_eq!(overview.frames.values()[pixel(345, 0, 0)], 1);
        assert_eq!(overview.frames.values()[pixel(0, 259, 1)], 1);
        // and it is nothing else by name
        let named = formats::decode(Format::Aedat2, &bytes).unwrap_err().to_string();
        assert!(named.contains("no bits above 15") && named.contains("--format"), "{named}");
    }
}

#[test]
fn addresses_that_are_no_cameras_are_refused_whatever_the_header_says() {
    // the layout of a simulator for 640x480: y << 11, x << 1
    let wide: Vec<(u32, u32)> =
        (0..100).map(|i| ((i * 4) << 11 | (i * 6 + 5) << 1 | i & 1, 10 * i)).collect();
    let bits = |lines: &[&str]| refusal(&aedat(lines, &wide));
    assert!(bits(&[AEDAT2]).contains("expected addresses of a DVS128, which use no bits above 15"));
    assert!(bits(&[AEDAT2, DVS128]).contains("name the camera's format"));
    assert!(bits(&[AEDAT2, DAVIS240]).contains("expected addresses of a DAVIS"));
    assert!(bits(&["# made by hand"]).contains("expected a recording in one of the formats"));
    // two noisy addresses in 200 do not change the camera, and are no pixels of it
    let mut noisy: Vec<(u32, u32)> = (0..200).map(|i| (dvs(i % 128, 3, 0), i)).collect();
    (noisy[7].0, noisy[90].0) = (1 << 30, dvs(5, 7, 0) | 1 << 16);
    for lines in [&[AEDAT2][..], &[AEDAT2, DVS128]] {
        let summary = read(&aedat(lines, &noisy)).unwrap();
        assert_eq!((summary.format, summary.outside_sensor), (Format::Aedat2, Some(2)));
    }
    // RAW whose header names another encoding
    let evt3 = [[0x01, 0x80], [0x11, 0x00], [0x22, 0x65], [0x05, 0x20]].repeat(20).concat();
    let evt2 = [b"% evt 2.0\n% end\n", &evt3[..]].concat();
    assert!(refusal(&evt2).contains("EVT 2.0, byte 16: expected words of its types"));
}

#[test]
fn the_end_mark_ends_the_header_whatever_follows() {
    let events = |times: [u32; 6]| {
        let record = |(i, t_us): (usize, u32)| {
            let (i, y) = (i as u32, if i == 0 { 142 } else { 20 + i as u32 });
            (davis(11 + i, y, i & 1), t_us)
        };
        times.into_iter().enumerate().map(record).collect::<Vec<_>>()
    };
    let refused = events([1000, 1100, 1200, 1300, 1400, 1500]);
    let lost = events([700, 750, 778, 800, 850, 900]);
    for mark in ["#End Of ASCII Header", "# End Of ASCII Header", "#end of ascii header "] {
        for (records, file) in [(&refused, "refused"), (&lost, "lost")] {
            let made = aedat(&[AEDAT2, DAVIS240, mark], records);
            for bytes in both(made, &format!("02-aedat2-hash-after-end-mark/{file}.aedat")) {
                let summary = read(&bytes).unwrap();
                assert_eq!((summary.events, summary.sum_x), (6, 81), "{mark}, {file}");
            }
        }
    }
    // older files have no such line: what is no text is no header line
    let unmarked = read(&aedat(&[AEDAT2, DAVIS240], &lost)).unwrap();
    assert_eq!(unmarked.events, 6);
    // a line of text behind the mark is data too: these 16 bytes are two events
    let text = [&aedat(&[AEDAT2, DVS128, "#End Of ASCII Header"], &[])[..], b"# is no header\r\n"];
    assert!(refusal(&text.concat()).contains("2 of the first 2 with such bits"));
    for mark in ["#!END-HEADER\r\n", "#!end-header\n", "#! END-HEADER \n"] {
        let bytes = format!("#!AER-DAT3.1\r\n{mark}").into_bytes();
        assert_eq!(read(&bytes).unwrap().events, 0, "{mark}");
    }
    // behind the mark of RAW and DAT a word may begin as a header line does
    let word = 0x2025_u16.to_le_bytes();
    for mark in ["% end\n", "% end\r\n", "% END \n"] {
        let header = format!("% evt 3.0\n{mark}").into_bytes();
        let bytes = [&header[..], &[0x00, 0x80], &word, b"A\n"].concat();
        assert_eq!(read(&bytes).unwrap().sum_x, 0x25, "{mark}");
    }
}

/// Times 500 µs apart around the turn of a clock of so many bits.
fn around(bits: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..40).map(move |i| (i, ((1_u64 << bits) - 10_000 + 500 * u64::from(i)) as u32))
}

fn five_bytes(x: u32, y: u8, on: u32, t_us: u32) -> [u8; 5] {
    let [a, b, c, d] = (on << 23 | t_us & 0x7f_ffff).to_be_bytes();
    [x as u8, y + a, b, c, d]
}

#[test]
fn clocks_that_turn_over_go_on() {
    let dvs_records = |bits| around(bits).map(|(i, t)| (dvs(i, 9, i & 1), t)).collect::<Vec<_>>();
    let dat = around(32).flat_map(|(i, t)| [t, (i & 1) << 28 | 7 << 14 | i]);
    let dat: Vec<u8> = b"% Data file containing CD events.\n% Version 2\n\x0c\x08"
        .iter()
        .copied()
        .chain(dat.flat_map(u32::to_le_bytes))
        .collect();
    let bin = around(23).flat_map(|(i, t)| five_bytes(i % 34, 5, i & 1, t)).collect();
    let of_davis: Vec<(u32, u32)> = around(32).map(|(i, t)| (davis(i, 9, 0), t)).collect();
    for (made, file) in [
        (bin, "turns.bin"),
        (aedat(&[AEDAT2, DVS128], &dvs_records(32)), "turns.aedat"),
        (aedat(&[AEDAT2], &dvs_records(31)), "turns_signed.aedat"),
        (dat, "turns.dat"),
        (aedat(&[AEDAT2, DAVIS346], &of_davis), "(of a DAVIS)"),
    ] {
        for bytes in both(made, &format!("03-clock-turns-over/{file}")) {
            let summary = read(&bytes).unwrap();
            assert_eq!((summary.events, summary.out_of_order), (40, 0), "{file}");
            let span = summary.t_last_us.unwrap() - summary.t_first_us.unwrap();
            assert_eq!(span, 19_500, "{file}");
            // the first of two frames holds the first half of the file
            let open = || Chunks::open(Cursor::new(&bytes), bytes.len() as u64, None);
            let spans = Overview::read(open, 2).unwrap().spans_us;
            assert_eq!(spans[0].0, summary.t_first_us.unwrap(), "{file}");
            assert_eq!(spans[1].1, summary.t_last_us.unwrap(), "{file}");
        }
    }
}

#[test]
fn disorder_is_no_turn_and_a_late_event_turns_nothing() {
    let bin = |times: &[u32]| {
        let events = times.iter().enumerate();
        let bytes = events.flat_map(|(x, &t)| five_bytes(x as u32, 1, 1, t)).collect::<Vec<_>>();
        formats::decode(Format::NMnist, &bytes).unwrap().t_us
    };
    let turn = 1 << 23;
    assert_eq!(bin(&[5_000_000, 4_999_000, 5_000_100]), [5_000_000, 4_999_000, 5_000_100]);
    assert_eq!(bin(&[0, 6_000_000, 6_000_001]), [0, 6_000_000, 6_000_001], "a pause");
    let late = bin(&[turn - 10, 3, turn - 7, 5]);
    assert_eq!(late, [turn - 10, turn + 3, turn - 7, turn + 5].map(i64::from));
    assert_eq!(bin(&[turn - 1, 0, turn - 1, 0]).last(), Some(&i64::from(turn)));
}

#[test]
fn dat_is_told_by_the_bytes_behind_its_header() {
    let events = [(5, 1, 2, 1), (9, 303, 239, 0), (12, 40, 50, 1)];
    let words = events.map(|(t, x, y, on): (u32, u32, u32, u32)| [t, on << 28 | y << 14 | x]);
    let body: Vec<u8> = words.as_flattened().iter().flat_map(|word| word.to_le_bytes()).collect();
    let sizes = "% Height 240\n% Width 304\n";
    let headers = [
        ("fields_only", format!("% Date 2024-05-06 07:08:09\n{sizes}% Version 2\n% end\n"), 0),
        ("event_cd", format!("% Data file containing EventCD events.\n% Version 2\n{sizes}"), 12),
        (
            "camera_name",
            "% Data file containing A9Sensor7Event2dE events.\n% Version 2\n".to_owned(),
            0,
        ),
        (
            "comment_first",
            format!("% made by a converter\n% Data file containing CD events\n{sizes}"),
            0,
        ),
        ("event2d", format!("% Data file containing Event2D events.\n% Version 2\n{sizes}"), 0),
        ("no_space", format!("% Version 2\r\n%\r\n{sizes}%end\r\n"), 12),
        ("only_a_comment", "% recorded by nobody\n".to_owned(), 12),
    ];
    for (file, header, kind) in headers {
        let made = [header.as_bytes(), &[kind, 8], &body].concat();
        for bytes in both(made, &format!("04-dat-headers/{file}.dat")) {
            let summary = read(&bytes).unwrap();
            assert_eq!((summary.format, summary.events), (Format::Dat, 3), "{file}");
            assert_eq!((summary.sum_x, summary.sum_y), (344, 291), "{file}");
        }
    }
    let triggers = [&b"% Version 2\n% end\n\x0e\x08"[..], &body].concat();
    assert!(refusal(&triggers).contains("expected CD events, or evt 2.0, 2.1 or 3.0"));
}

#[test]
fn raw_headers_tell_the_sensor_by_what_they_name() {
    for (lines, width, height) in [
        ("% evt 3.0\n% plugin_name hal_plugin_gen31_fx3\n", 640, 480),
        ("% evt 2.0\n% system_ID 28\n% integrator_name Prophesee\n", 640, 480),
        ("% evt 3.0\n% system_ID 49\n", 1280, 720),
        ("% evt 3.0\n% sensor_generation 4.1\n", 1280, 720),
        ("% evt 2.1\n% sensor_name GenX320\n", 320, 320),
        ("% format EVT3;height=720;width=1280\n% plugin_name hal_plugin_gen31_fx3\n", 1280, 720),
        ("% evt 3.0\n% geometry 320x240\n% system_ID 49\n", 320, 240),
    ] {
        let summary = read(format!("{lines}% end\n").as_bytes()).unwrap();
        assert_eq!(summary.sensor, Some(Sensor { width, height }), "{lines}");
    }
    let unknown = read(b"% evt 3.0\n% plugin_name mine\n% system_ID 9\n% end\n").unwrap();
    assert_eq!((unknown.sensor, unknown.outside_sensor), (None, None));
}

#[test]
fn noise_is_counted_and_left_out() {
    let records: Vec<(u32, u32)> = (0..2000)
        .map(|i| {
            let (x, y) = if i == 1234 { (345, 306) } else { (i * 7 % 346, i * 11 % 260) };
            (davis(x, y, i & 1), 100 * i)
        })
        .collect();
    let dat: Vec<u8> = b"% Height 240\n% Width 304\n% end\n\x00\x08"
        .iter()
        .copied()
        .chain(
            (0..2000_u32)
                .flat_map(|i| [i, if i == 9 { 300 << 14 } else { i % 304 }])
                .flat_map(u32::to_le_bytes),
        )
        .collect();
    let bin = (0..2000).flat_map(|i| five_bytes(if i == 77 { 250 } else { i % 34 }, 3, 1, i));
    for (made, file, sensor) in [
        (aedat(&[AEDAT2, DAVIS346], &records), "noise.aedat", (346, 260)),
        (dat, "(DAT)", (304, 240)),
        (bin.collect(), "(without a header)", (34, 34)),
    ] {
        for bytes in both(made, &format!("05-noise-address/{file}")) {
            let summary = read(&bytes).unwrap();
            assert_eq!((summary.events, summary.outside_sensor), (2000, Some(1)), "{file}");
            let open = || Chunks::open(Cursor::new(&bytes), bytes.len() as u64, None);
            let overview = Overview::read(open, 8).unwrap();
            assert_eq!((overview.events, overview.left_out), (1999, 1), "{file}");
            assert_eq!((overview.sensor.width, overview.sensor.height), sensor, "{file}");
        }
    }
    // nothing but noise is no picture
    let bytes = aedat(&[AEDAT2, DAVIS346], &[(davis(400, 300, 1), 5)]);
    let open = || Chunks::open(Cursor::new(&bytes), bytes.len() as u64, None);
    assert!(matches!(Overview::read(open, 8), Err(Error::NoEvents)));
}

#[test]
fn pulses_at_the_connector_are_no_pixels() {
    let mut records = Vec::new();
    for i in 0..6 {
        records.push((dvs(50 + i, 60, i & 1), 1000 * i));
        if i % 2 == 1 {
            records.push((0x8000, 1000 * i + 500));
        }
    }
    for bytes in both(aedat(&[AEDAT2, DVS128], &records), "06-dvs128-special/sync.aedat") {
        let summary = read(&bytes).unwrap();
        assert_eq!((summary.events, summary.on, summary.off), (6, 3, 3));
    }
}

#[test]
fn up_is_up() {
    let dot = |address: fn(u32, u32) -> u32| -> Vec<(u32, u32)> {
        (0..9).map(|i| (address(i % 3, i / 3), 100 * i)).collect()
    };
    // column 40 + c and row r of the picture, r downwards
    let of_dvs = dot(|c, r| dvs(127 - c - 40, 127 - r, 0));
    let of_240 = dot(|c, r| davis(c + 40, 179 - r, 1));
    let of_346 = dot(|c, r| davis(c + 40, 259 - r, 1));
    for (made, file) in [
        (aedat(&[AEDAT2, DVS128], &of_dvs), "dvs128.aedat"),
        (aedat(&[AEDAT2], &of_dvs), "(without a camera)"),
        (aedat(&[AEDAT2, DAVIS240], &of_240), "davis.aedat"),
        (aedat(&[AEDAT2, DAVIS346], &of_346), "(DAVIS346)"),
        (aedat(&[AEDAT2, "#AEChip:  davis.DAVIS346B"], &of_346), "(other spacing)"),
    ] {
        for bytes in both(made, &format!("07-orientation/{file}")) {
            let summary = read(&bytes).unwrap();
            assert_eq!((summary.sum_x, summary.sum_y), (369, 9), "{file}");
            assert_eq!(summary.first_row, FirstRow::Top, "{file}");
        }
    }
}

#[test]
fn marks_of_the_atis_clock_add_up() {
    let event = |i: u32, y: u8| five_bytes(i, y, i & 1, 100 * i);
    let bytes: Vec<u8> = (0..20)
        .map(|i| event(i, 3))
        .chain([[0, 240, 0, 0, 0]])
        .chain((0..20).map(|i| event(i, 4)))
        .flatten()
        .collect();
    for bytes in both(bytes, "17-atis-overflow/marked.bin") {
        let summary = read(&bytes).unwrap();
        assert_eq!((summary.events, summary.out_of_order), (40, 0));
        assert_eq!(summary.t_last_us, Some(1900 + 8192));
        assert_eq!(summary.sensor, Some(Sensor { width: 34, height: 34 }));
    }
    // a clock of 13 bits that runs over after every third event is a recording all the same
    let often: Vec<u8> = (0..60)
        .flat_map(|i| {
            let mark = (i % 3 == 0 && i > 0).then_some([0, 240, 0, 0, 0]);
            mark.into_iter().chain([five_bytes(i % 34, 1, 1, 2700 * (i % 3))])
        })
        .flatten()
        .collect();
    let summary = read(&often).unwrap();
    assert_eq!((summary.events, summary.out_of_order), (60, 0));
}

#[test]
fn headers_alone_are_recordings_without_events_and_cut_records_are_refused() {
    for (format, header) in [
        (Format::Aedat2, "#!AER-DAT2.0\r\n"),
        (Format::Davis, "#!AER-DAT2.0\r\n# AEChip: a.DAVIS240C\r\n"),
        (Format::Aedat31, "#!AER-DAT3.1\r\n#!END-HEADER\r\n"),
        (Format::Evt2, "% evt 2.0\n% end\n"),
        (Format::Evt21, "% evt 2.1\n% end\n"),
        (Format::Evt3, "% evt 3.0\n% end\n"),
        (Format::Dat, "% Version 2\n% end\n\u{c}\u{8}"),
    ] {
        let summary = read(header.as_bytes()).unwrap();
        assert_eq!((summary.format, summary.events), (format, 0));
        let cut = [header.as_bytes(), &[0]].concat();
        let said = refusal(&cut);
        assert!(said.contains(&format!("byte {}", header.len())), "{said}");
        assert!(said.contains("found 1 at the end of the file"), "{said}");
    }
    assert!(refusal(b"").contains("found an empty file"));
    for (bytes, name) in [
        (&b"Event Stream\x02\x00\x00\x01"[..], "an Event Stream (.es) file"),
        (b"\x89HDF\r\n\x1a\n\0\0", "an HDF5 file"),
        (b"#ROSBAG V2.0\n\0\0", "a ROS bag"),
        (b"#!AER-DAT4.0\r\n", "version \"4.0\""),
    ] {
        assert!(refusal(bytes).contains(name), "{name}");
    }
}

#[test]
fn a_clock_that_is_set_back_is_counted() {
    let twice =
        |begin: u64| (0..60).map(move |i| (i, (500 * (i % 40) + if i < 40 { begin } else { 0 })));
    for begin in [0_u64, 3_000_000, 2_890_000_000, 3_820_000_000] {
        let times: Vec<(u32, u32)> =
            twice(begin).map(|(i, t)| (i as u32, u32::try_from(t).unwrap())).collect();
        let dvs: Vec<(u32, u32)> = times.iter().map(|&(i, t)| (dvs(i, 9, i & 1), t)).collect();
        let of_davis: Vec<(u32, u32)> = times.iter().map(|&(i, t)| (davis(i, 9, 0), t)).collect();
        let dat = times.iter().flat_map(|&(i, t)| [t, 7 << 14 | i]).flat_map(u32::to_le_bytes);
        let bin = times.iter().flat_map(|&(i, t)| five_bytes(i % 34, 5, 1, t));
        let mut files = vec![
            aedat(&[AEDAT2, DVS128], &dvs),
            aedat(&[AEDAT2, DAVIS346], &of_davis),
            [&b"% Version 2\n\x0c\x08"[..], &dat.collect::<Vec<u8>>()].concat(),
        ];
        // a clock of 23 bits cannot tell more than 4.2 s from a turn
        if begin < 1 << 22 {
            files.push(bin.collect());
        }
        for bytes in files {
            let summary = read(&bytes).unwrap();
            assert_eq!(
                (summary.out_of_order, summary.clock_restarts),
                (1, 1),
                "{begin}: {summary:?}"
            );
            assert_eq!(summary.t_last_us, Some(9_500), "{begin}: {:?}", summary.format);
            let open = || Chunks::open(Cursor::new(&bytes), bytes.len() as u64, None);
            assert_eq!(Overview::read(open, 2).unwrap().clock_restarts, 1);
        }
    }
}

#[test]
fn special_records_are_left_out_and_counted() {
    let special = |i: u32, high: u32| (1 << 31 | high << 16 | 3 << 8 | i, 10 * i + 5);
    for high in [0, 0x7fff] {
        let mut records = Vec::new();
        for i in 0..60 {
            records.extend([(dvs(i, 60, i & 1), 10 * i), special(i, high)]);
        }
        records.push((0x8000, 600));
        // a camera's name, the format's mark, and without either the pixels alone
        let headers: [&[&str]; 3] = [&[AEDAT2, DVS128], &[AEDAT2], &[]];
        for lines in &headers[..if high == 0 { 3 } else { 2 }] {
            let bytes = aedat(lines, &records);
            let summary = read(&bytes).unwrap();
            assert_eq!(summary.format, Format::Aedat2, "{lines:?}");
            assert_eq!((summary.events, summary.outside_sensor), (60, Some(0)), "{lines:?}");
            assert_eq!(summary.left_out, Some(61), "{lines:?}");
            let keep = formats::aedat2::Options { keep_sync: true };
            assert_eq!(formats::aedat2::decode_with(&bytes, keep).unwrap().x.len(), 61);
        }
    }
    // samples of a frame are no DVS128's
    let frames: Vec<(u32, u32)> = (0..60).map(|i| special(i, 0x7abc)).collect();
    assert_eq!(read(&aedat(&[AEDAT2], &frames)).unwrap().format, Format::Davis);
}

#[test]
fn rows_beyond_the_marks_make_row_240_a_row() {
    let records: Vec<[u8; 5]> = (0..30_000_u32)
        .map(|i| five_bytes(i % 34, if i % 50 == 7 { 240 } else { 9 }, 1, i))
        .collect();
    let marked = read(records.as_flattened()).unwrap();
    assert_eq!((marked.events, marked.left_out), (29_400, Some(600)));
    // in the first piece, in the last, and in between
    for at in [0, 15_000, 29_999] {
        let mut records = records.clone();
        records[at][1] = 241;
        let bytes = records.as_flattened();
        let summary = read(bytes).unwrap();
        assert_eq!((summary.events, summary.left_out), (30_000, Some(0)), "{at}");
        assert_eq!((summary.t_last_us, summary.out_of_order), (Some(29_999), 0), "{at}");
        let whole = formats::decode(Format::NMnist, bytes).unwrap();
        assert_eq!((whole.t_us.len(), whole.t_us[29_999]), (30_000, 29_999), "{at}");
    }
}
