//! Archives that no honest publisher makes: refused in one sentence, with nothing outside touched
//! and nothing half-written kept.
// Long: what an archive can hold, one test each, made by the same few functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    io::{Cursor, Write},
    path::{Path, PathBuf},
    process::Command,
};

use datasets::{
    Unpack,
    fetch::{Error, Item, Limits, Options, Sums, fetch, has_begun, unpack},
};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use tempfile::TempDir;
use zip::{ZipWriter, write::SimpleFileOptions};

/// A folder with a neighbour that must stay as it is.
struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("set")).unwrap();
        fs::write(root.path().join("neighbour"), "untouched").unwrap();
        Self { root }
    }

    fn folder(&self) -> PathBuf {
        self.root.path().join("set")
    }

    fn unpack(&self, archive: &Archive, limits: &Limits) -> Result<(), Error> {
        let path = self.folder().join(archive.name);
        fs::write(&path, &archive.bytes).unwrap();
        let sums = Sums::of(&path, &mut ()).unwrap();
        let item = Item {
            file: archive.name,
            urls: &[],
            bytes: None,
            md5: None,
            sha256: None,
            unpack: archive.how,
        };
        unpack(&item, &path, &sums, &self.folder(), limits, &mut ())
    }

    /// The refusal in one sentence, and no trace of it but the archive.
    #[track_caller]
    fn refuses(&self, archive: &Archive, limits: &Limits, word: &str) {
        let said = self.unpack(archive, limits).unwrap_err().to_string();
        assert!(said.contains(word) && said.lines().count() == 1, "expected \"{word}\" in: {said}");
        assert!(said.starts_with(self.folder().join(archive.name).to_str().unwrap()), "{said}");
        self.is_untouched_but_for(&[archive.name]);
    }

    #[track_caller]
    fn is_untouched_but_for(&self, names: &[&str]) {
        assert_eq!(
            tree(self.root.path()),
            ["neighbour".to_owned(), "set/".to_owned()]
                .into_iter()
                .chain(names.iter().map(|name| format!("set/{name}")))
                .collect::<Vec<_>>()
        );
        assert_eq!(fs::read_to_string(self.root.path().join("neighbour")).unwrap(), "untouched");
    }

    /// What is visible in the folder.
    fn visible(&self) -> Vec<String> {
        tree(&self.folder()).into_iter().filter(|name| !name.starts_with('.')).collect()
    }
}

/// Every path below a folder, in order.
fn tree(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let below = |name: String| match folder.join(&name).is_dir() {
        true => {
            let inside = tree(&folder.join(&name))
                .into_iter()
                .map(|below| format!("{name}/{below}"))
                .collect::<Vec<_>>();
            [vec![format!("{name}/")], inside].concat()
        }
        false => vec![name],
    };
    names.into_iter().flat_map(below).collect()
}

#[derive(Clone)]
struct Archive {
    name: &'static str,
    how: Unpack,
    bytes: Vec<u8>,
}

fn zip_of(add: impl FnOnce(&mut ZipWriter<Cursor<Vec<u8>>>)) -> Archive {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    add(&mut writer);
    Archive { name: "Train.zip", how: Unpack::Zip, bytes: writer.finish().unwrap().into_inner() }
}

fn zipped(files: &[(&str, &[u8])]) -> Archive {
    zip_of(|zip| {
        for (name, content) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(content).unwrap();
        }
    })
}

type Tar = tar::Builder<GzEncoder<Vec<u8>>>;

fn tar_of(add: impl FnOnce(&mut Tar)) -> Archive {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    add(&mut builder);
    Archive {
        name: "files.tar.gz",
        how: Unpack::TarGz,
        bytes: builder.into_inner().unwrap().finish().unwrap(),
    }
}

/// An entry whose name is written as it is: the builder itself refuses bad ones.
fn add(tar: &mut Tar, kind: tar::EntryType, name: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    if kind.is_symlink() || kind.is_hard_link() {
        header.set_link_name("../neighbour").unwrap();
    }
    header.set_cksum();
    tar.append(&header, content).unwrap();
}

fn tarred(files: &[(&str, &[u8])]) -> Archive {
    tar_of(|tar| {
        files.iter().for_each(|(name, content)| add(tar, tar::EntryType::Regular, name, content))
    })
}

/// Both kinds of archive with the same files.
fn both(files: &[(&str, &[u8])]) -> [Archive; 2] {
    [zipped(files), tarred(files)]
}

#[test]
fn an_honest_archive_comes_out_whole_and_once() {
    let files: [(&str, &[u8]); 5] = [
        ("./Train/0/00001.bin", b"one"),
        ("Train/1/00002.bin", b""),
        ("Train/.DS_Store", b"x"),
        ("__MACOSX/Train/._0", b"x"),
        ("list.txt", b"names"),
    ];
    for archive in both(&files) {
        let place = Place::new();
        place.unpack(&archive, &Limits::default()).unwrap();
        let expected = [
            "Train/",
            "Train/0/",
            "Train/0/00001.bin",
            "Train/1/",
            "Train/1/00002.bin",
            archive.name,
            "list.txt",
        ];
        let mut visible = place.visible();
        visible.sort_by_key(|name| (name == "list.txt", name == archive.name));
        assert_eq!(visible, expected);
        assert_eq!(fs::read(place.folder().join("Train/0/00001.bin")).unwrap(), b"one");
        let hidden: Vec<_> =
            tree(&place.folder()).into_iter().filter(|name| name.starts_with('.')).collect();
        assert_eq!(hidden, [format!(".{}.unpacked.json", archive.name)]);
    }
}

#[test]
fn loose_files_get_a_folder_of_the_archives_name() {
    let place = Place::new();
    place.unpack(&zipped(&[("a.bin", b"a"), ("Train", b"t")]), &Limits::default()).unwrap();
    assert_eq!(place.visible(), ["Train/", "Train/Train", "Train/a.bin", "Train.zip"]);
}

#[test]
fn an_unpacked_archive_is_not_needed_again() {
    let archive = zipped(&[("Train/0/1.bin", b"one")]);
    let place = Place::new();
    let path = place.folder().join(archive.name);
    fs::write(&path, &archive.bytes).unwrap();
    let sums = Sums::of(&path, &mut ()).unwrap();
    let item = Item {
        file: "Train.zip",
        urls: &[],
        bytes: None,
        md5: Some(&sums.md5),
        sha256: None,
        unpack: Unpack::Zip,
    };
    let fetch = |item| fetch(&[item], &place.folder(), &Options::default(), &mut ());
    fetch(item).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(place.folder().join("Train/0/1.bin"), "one of mine").unwrap();
    fetch(item).unwrap();
    assert_eq!(fs::read_to_string(place.folder().join("Train/0/1.bin")).unwrap(), "one of mine");
    // another archive of that name is, and so is one whose files are gone
    let other = Item { md5: Some("0123"), ..item };
    assert!(matches!(fetch(other), Err(Error::Manual { .. })));
    fs::remove_dir_all(place.folder().join("Train")).unwrap();
    assert!(matches!(fetch(item), Err(Error::Manual { .. })));
    fs::write(&path, &archive.bytes).unwrap();
    fetch(item).unwrap();
    assert_eq!(place.visible(), ["Train/", "Train/0/", "Train/0/1.bin", "Train.zip"]);
}

#[test]
fn an_archive_of_another_case_is_taken_up_as_any() {
    for (files, out) in [
        ([("Train/0/1.bin", b"one")], &["Train/", "Train/0/", "Train/0/1.bin"][..]),
        ([("1.bin", b"one")], &["Train/", "Train/1.bin"]),
    ] {
        let (place, files) = (Place::new(), files.map(|(name, content)| (name, &content[..])));
        let train = zipped(&files);
        let path = place.folder().join("train.zip");
        fs::write(&path, &train.bytes).unwrap();
        let sums = Sums::of(&path, &mut ()).unwrap();
        let first = Item {
            file: "Train.zip",
            urls: &[],
            bytes: None,
            md5: Some(&sums.md5),
            sha256: None,
            unpack: Unpack::Zip,
        };
        let second = Item { file: "list.txt", md5: None, unpack: Unpack::Keep, ..first };
        let fetch = || fetch(&[first, second], &place.folder(), &Options::default(), &mut ());
        assert!(matches!(fetch(), Err(Error::Manual { file, .. }) if file == "list.txt"));
        assert!(has_begun(&[first], &place.folder()));
        // the first is not unpacked again, nor in its own way
        fs::write(place.folder().join(out.last().unwrap()), "mine").unwrap();
        fs::write(place.folder().join("list.txt"), "names").unwrap();
        fetch().unwrap();
        assert_eq!(fs::read_to_string(place.folder().join(out.last().unwrap())).unwrap(), "mine");
        let mut expected = [&[".Train.zip.unpacked.json", "list.txt", "train.zip"], out].concat();
        expected.sort_unstable();
        assert_eq!(tree(&place.folder()), expected);
    }
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    for (name, word) in [
        ("../neighbour", "leaves its folder"),
        ("Train/../../neighbour", "leaves its folder"),
        ("/tmp/spikegrad-absolute", "absolute"),
        ("C:/neighbour", "drive letter"),
        ("Train\\..\\neighbour", "backslash"),
        ("Train/a\u{7}", "control character"),
    ] {
        for archive in both(&[("Train/0/1.bin", b"good"), (name, b"bad")]) {
            Place::new().refuses(&archive, &Limits::default(), word);
        }
    }
    assert!(!Path::new("/tmp/spikegrad-absolute").exists());
}

#[test]
fn links_and_devices_are_refused() {
    use tar::EntryType as Kind;
    for kind in [Kind::Symlink, Kind::Link, Kind::Char, Kind::Block, Kind::Fifo, Kind::GNUSparse] {
        let archive = tar_of(|tar| {
            add(tar, Kind::Regular, "Train/1.bin", b"good");
            add(tar, kind, "Train/2.bin", b"");
            add(tar, Kind::Regular, "Train/2.bin", b"through it");
        });
        Place::new().refuses(
            &archive,
            &Limits::default(),
            if kind == Kind::GNUSparse { "do not unpack" } else { "a link or a device" },
        );
    }
    let link = zip_of(|zip| {
        zip.add_symlink("Train/link", "../../neighbour", SimpleFileOptions::default()).unwrap()
    });
    Place::new().refuses(&link, &Limits::default(), "a link or a device");
    // the mode of a device, behind the last 0o100 of the central directory
    let mut device = zip_of(|zip| zip.start_file("Train/1", SimpleFileOptions::default()).unwrap());
    let directory = find(&device.bytes, b"PK\x01\x02");
    device.bytes[directory + 40..directory + 42].copy_from_slice(&0o020_644_u16.to_le_bytes());
    Place::new().refuses(&device, &Limits::default(), "a link or a device");
}

fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|window| window == what).unwrap()
}

#[test]
fn a_name_twice_is_refused() {
    let cases: [[(&str, &[u8]); 2]; 4] = [
        [("Train/a.bin", b"1"), ("Train/A.bin", b"2")],
        [("Train/a", b"1"), ("Train/a/b", b"2")],
        [("Train/a/b", b"1"), ("train/A", b"2")],
        [("Train/a.bin", b"1"), ("Train//./a.bin", b"2")],
    ];
    for archive in cases.iter().flat_map(|files| both(files)) {
        Place::new().refuses(&archive, &Limits::default(), "twice");
    }
    Place::new().refuses(
        &tarred(&[("Train/a.bin", b"1"), ("Train/a.bin", b"2")]),
        &Limits::default(),
        "twice",
    );
    // the writer refuses a name twice, so one is made into the other afterwards
    let mut archive = zipped(&[("Train/a.bin", b"1"), ("Train/b.bin", b"2")]);
    while let Some(at) = archive.bytes.windows(11).position(|window| window == b"Train/b.bin") {
        archive.bytes[at + 6] = b'a';
    }
    Place::new().refuses(&archive, &Limits::default(), "twice");
}

#[test]
fn bombs_are_refused_by_what_they_unpack_to() {
    let zeros = vec![0; 3 << 20];
    let limits = |bytes, entries, ratio, ratio_from_bytes| Limits {
        bytes,
        entries,
        ratio,
        ratio_from_bytes,
    };
    for archive in both(&[("Train/0", &zeros), ("Train/1", b"small")]) {
        Place::new().refuses(
            &archive,
            &limits(1 << 20, 100, 100_000, 1 << 30),
            "at most 1048576 bytes",
        );
        Place::new().refuses(
            &archive,
            &limits(1 << 30, 100, 50, 1 << 20),
            "at most 50 times as large",
        );
        Place::new().refuses(
            &archive,
            &limits(1 << 30, 1, 100_000, 1 << 30),
            "at most 1 files and folders",
        );
        // two files, and the folder that no entry names
        Place::new().refuses(
            &archive,
            &limits(1 << 30, 2, 50, 4 << 20),
            "at most 2 files and folders",
        );
        Place::new().unpack(&archive, &limits(1 << 30, 3, 50, 4 << 20)).unwrap();
    }
    // a header that says less than comes
    let mut liar = zipped(&[("Train/0", &zeros)]);
    for (record, place) in [(&b"PK\x03\x04"[..], 22), (&b"PK\x01\x02"[..], 24)] {
        let at = find(&liar.bytes, record) + place;
        liar.bytes[at..at + 4].copy_from_slice(&5_u32.to_le_bytes());
    }
    let small = limits(1 << 20, 100, 100_000, 1 << 30);
    Place::new().refuses(&liar, &small, "read to its end");
    // an archive that announces more than any disk has
    let mut boaster = zipped(&[("Train/0", b"small")]);
    for (record, place) in [(&b"PK\x03\x04"[..], 22), (&b"PK\x01\x02"[..], 24)] {
        let at = find(&boaster.bytes, record) + place;
        boaster.bytes[at..at + 4].copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
    }
    Place::new().refuses(&boaster, &small, "4294967280 bytes");
}

#[test]
fn a_long_name_is_no_way_into_memory() {
    let archive = tar_of(|tar| {
        add(tar, tar::EntryType::GNULongName, "././@LongLink", &vec![b'a'; 2 << 20]);
        add(tar, tar::EntryType::Regular, "Train/1.bin", b"good");
    });
    Place::new().refuses(&archive, &Limits::default(), "more than a MiB between two files");
    let honest = "Train/".to_owned() + &"a".repeat(200);
    let long = tar_of(|tar| {
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        tar.append_data(&mut header, &honest, &b"good"[..]).unwrap();
    });
    let place = Place::new();
    place.unpack(&long, &Limits::default()).unwrap();
    assert_eq!(place.visible(), ["Train/".to_owned(), honest, "files.tar.gz".to_owned()]);
}

/// An entry with a name of any length, as GNU tar writes it.
fn long(tar: &mut Tar, name: &str) {
    add(tar, tar::EntryType::GNULongName, "././@LongLink", name.as_bytes());
    add(tar, tar::EntryType::Regular, "x", b"bad");
}

#[test]
fn deep_and_long_names_are_refused_before_they_cost_anything() {
    let (deepest, longest) = ("a/".repeat(31), "b".repeat(255));
    let cases = [
        ("a/".repeat(500_000), "a longer name"),
        // about the longest that a zip can say
        ("a/".repeat(32_700) + "a", "a longer name"),
        (format!("Train/a/{deepest}a"), "a name of more parts"),
        (format!("Train/{longest}b"), "a longer part"),
    ];
    for (name, word) in &cases {
        let gz = tar_of(|tar| long(tar, name));
        let zip =
            (name.len() < 65_500).then(|| zipped(&[("Train/0/1.bin", b"good"), (name, b"bad")]));
        for archive in zip.iter().chain([&gz]) {
            let place = Place::new();
            place.refuses(archive, &Limits::default(), word);
            let said = place.unpack(archive, &Limits::default()).unwrap_err().to_string();
            assert!(
                said.contains("at most 4,096 bytes and 32 parts") && said.len() < 600,
                "{said}"
            );
        }
    }
    for name in [format!("{deepest}a"), format!("Train/{longest}")] {
        for archive in [tar_of(|tar| long(tar, &name)), zipped(&[(&name, b"good")])] {
            Place::new().unpack(&archive, &Limits::default()).unwrap();
        }
    }
    // folders that no entry names count
    let names: Vec<String> = (0..10).map(|i| format!("{i}/a/b/c/d/e/f/g/h/x")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    for archive in both(&files) {
        Place::new().refuses(
            &archive,
            &Limits { entries: 99, ..Limits::default() },
            "at most 99 files and folders",
        );
        Place::new().unpack(&archive, &Limits { entries: 100, ..Limits::default() }).unwrap();
    }
}

#[test]
fn what_a_mac_adds_is_left_out_whatever_its_length() {
    let large: Vec<u8> =
        (0..2 << 20_u32).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for added in ["Train/0/._1.bin", "Train/.DS_Store", "__MACOSX/Train/1.bin", "._Train"] {
        for archive in both(&[(added, &large), ("Train/0/1.bin", b"one")]) {
            let place = Place::new();
            place.unpack(&archive, &Limits::default()).unwrap();
            let marker = format!(".{}.unpacked.json", archive.name);
            assert_eq!(
                tree(&place.folder()),
                [&*marker, "Train/", "Train/0/", "Train/0/1.bin", archive.name]
            );
            // it counts as what it unpacks to
            let limits = Limits { bytes: 1 << 20, ..Limits::default() };
            Place::new().refuses(&archive, &limits, "at most 1048576 bytes");
        }
    }
}

#[test]
fn names_of_our_own_stages_are_refused() {
    for name in [
        ".Train.zip.whole/x",
        ".Test.zip.unpacked.json",
        "./.files.tar.gz.unpacked.json",
        ".own",
        ".own/x",
        ".hidden",
    ] {
        for archive in both(&[("Train/0/1.bin", b"good"), (name, b"bad")]) {
            Place::new().refuses(&archive, &Limits::default(), "no hidden names at its top");
        }
    }
    Place::new().unpack(&zipped(&[("Train/.hidden", b"good")]), &Limits::default()).unwrap();
}

#[test]
fn broken_archives_are_refused_wherever_they_break() {
    let content: Vec<u8> =
        (0..40_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for archive in both(&[("Train/0/1.bin", &content), ("Train/0/2.bin", &content)]) {
        let length = archive.bytes.len();
        for cut in [0, 1, 10, length / 3, length / 2, length - 30, length - 9, length - 1] {
            let cut = Archive { bytes: archive.bytes[..cut].to_vec(), ..archive.clone() };
            Place::new().refuses(&cut, &Limits::default(), "read to its end");
        }
        let mut flipped = archive.clone();
        flipped.bytes[length / 3] ^= 0x10;
        Place::new().refuses(&flipped, &Limits::default(), "read to its end");
    }
    // the tar ends within a file, in a gzip file that is well
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    let mut header = tar::Header::new_gnu();
    header.set_path("Train/1.bin").unwrap();
    header.set_size(5_000);
    header.set_cksum();
    gz.write_all(header.as_bytes()).unwrap();
    gz.write_all(&content[..3_000]).unwrap();
    let archive = Archive { name: "files.tar.gz", how: Unpack::TarGz, bytes: gz.finish().unwrap() };
    Place::new().refuses(&archive, &Limits::default(), "read to its end");
    for archive in both(&[]) {
        Place::new().refuses(&archive, &Limits::default(), "files in it");
    }
}

#[test]
fn what_is_in_the_way_is_left_alone() {
    for archive in both(&[("Train/0/1.bin", b"published"), ("a.txt", b"published")]) {
        let place = Place::new();
        fs::create_dir_all(place.folder().join("Train/0")).unwrap();
        fs::write(place.folder().join("Train/0/1.bin"), "mine").unwrap();
        let said = place.unpack(&archive, &Limits::default()).unwrap_err().to_string();
        let path = place.folder().join("Train");
        let expected = format!(
            "{}: expected no such name before {} is unpacked, found one; move it away and fetch again",
            path.display(),
            archive.name
        );
        assert_eq!(said, expected);
        assert_eq!(fs::read_to_string(path.join("0/1.bin")).unwrap(), "mine");
        place.is_untouched_but_for(&["Train/", "Train/0/", "Train/0/1.bin", archive.name]);
    }
}

#[test]
fn a_full_disk_keeps_the_archive_and_nothing_half_written() {
    let place = Place::new();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(place.folder())
        .output();
    if !mount.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this user may not mount a tmpfs, so no disk is small enough to fill");
        return;
    }
    let said: Vec<_> = both(&[("Train/0", &[b'a'; 400_000]), ("Train/1", &[b'b'; 900_000])])
        .map(|archive| {
            let said = place.unpack(&archive, &Limits::default());
            let left = tree(&place.folder());
            // so that the next has the whole disk
            fs::remove_file(place.folder().join(archive.name)).unwrap();
            (said, left, archive.name)
        })
        .into();
    let unmounted = Command::new("umount").arg(place.folder()).status();
    assert!(unmounted.unwrap().success());
    for ((said, left, name), room) in
        said.into_iter().zip(["room for 1300000 more bytes", "room for more bytes"])
    {
        let said = said.unwrap_err();
        assert!(matches!(said, Error::Space { available: Some(_), .. }), "{said}");
        assert!(said.to_string().contains(room), "{said}");
        assert_eq!(left, [name]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is done to an archive's bytes, nothing outside its folder changes, and a refusal
    /// leaves nothing behind.
    #[test]
    fn mutated_archives_stay_in_their_folder(
        tar in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let files: [(&str, &[u8]); 3] = [("Train/0/1.bin", b"one"), ("Train/0/2.bin", &[7; 300]), ("a.txt", b"")];
        let mut archive = both(&files)[usize::from(tar)].clone();
        for (at, value) in changes {
            let at = at.index(archive.bytes.len());
            archive.bytes[at] = value;
        }
        let place = Place::new();
        let limits = Limits { bytes: 1 << 20, ..Limits::default() };
        if place.unpack(&archive, &limits).is_err() {
            place.is_untouched_but_for(&[archive.name]);
        }
        prop_assert_eq!(fs::read_to_string(place.root.path().join("neighbour")).unwrap(), "untouched");
        prop_assert_eq!(fs::read_dir(place.root.path()).unwrap().count(), 2);
    }
}
