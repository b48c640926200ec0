//! Downloads from a server that misbehaves: what ends under a file's name is the published file, or
//! nothing is.
// Long: what a server can do, one test each, against the same misbehaving server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod server;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use datasets::{
    Unpack,
    fetch::{Error, Item, Limits, Options, Progress, Sums, check, fetch, has_begun},
};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use server::{Fault, Server};
use tempfile::TempDir;

fn content(bytes: usize, seed: u64) -> Vec<u8> {
    let mut content = vec![0; bytes];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut content);
    content
}

fn sums(content: &[u8]) -> Sums {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x"), content).unwrap();
    Sums::of(&dir.path().join("x"), &mut ()).unwrap()
}

/// Quick retries.
fn quick() -> Options {
    Options {
        pause: Duration::from_millis(1),
        silence: Duration::from_millis(300),
        ..Options::default()
    }
}

/// A data root, its set's folder, and a file of 100 000 bytes that is to come there.
struct Set {
    root: TempDir,
    content: Vec<u8>,
    sums: Sums,
}

impl Set {
    fn new() -> Self {
        let content = content(100_000, 1);
        Self { root: tempfile::tempdir().unwrap(), sums: sums(&content), content }
    }

    fn folder(&self) -> std::path::PathBuf {
        self.root.path().join("set")
    }

    fn item<'a>(&'a self, urls: &'a [&'a str]) -> Item<'a> {
        let Sums { bytes, md5, sha256 } = &self.sums;
        Item {
            file: "file.bin",
            urls,
            bytes: Some(*bytes),
            md5: Some(md5),
            sha256: Some(sha256),
            unpack: Unpack::Keep,
        }
    }

    /// With its checksums only, as most publishers leave it.
    fn item_without_length<'a>(&'a self, urls: &'a [&'a str]) -> Item<'a> {
        Item { bytes: None, sha256: None, ..self.item(urls) }
    }

    fn begin(&self, part: &[u8]) {
        fs::create_dir_all(self.folder()).unwrap();
        fs::write(self.folder().join("file.bin.part"), part).unwrap();
    }

    fn fetch(&self, item: Item<'_>) -> Result<(), Error> {
        fetch(&[item], &self.folder(), &quick(), &mut ())
    }

    /// The published file under its name, and nothing else anywhere.
    #[track_caller]
    fn is_whole(&self) {
        assert_eq!(names(self.root.path()), ["set"]);
        assert_eq!(names(&self.folder()), ["file.bin"]);
        assert!(fs::read(self.folder().join("file.bin")).unwrap() == self.content);
    }

    /// As if nothing had been tried.
    #[track_caller]
    fn is_untouched(&self) {
        assert_eq!(names(self.root.path()), [""; 0]);
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Serves the set's file with `faults`, fetches it with and without a published length, and returns
/// the ranges asked for.
#[track_caller]
fn survives(faults: &[Fault]) -> Vec<Option<String>> {
    let mut ranges = Vec::new();
    for with_length in [true, false] {
        let (set, server) = (Set::new(), Server::start());
        let url = server.serve("file.bin", &set.content, faults);
        let urls = [url.as_str()];
        let item = if with_length { set.item(&urls) } else { set.item_without_length(&urls) };
        set.fetch(item).unwrap();
        set.is_whole();
        ranges = server.ranges();
    }
    ranges
}

fn from(start: usize) -> Option<String> {
    Some(format!("bytes={start}-"))
}

#[test]
fn a_connection_that_drops_is_taken_up_where_it_dropped() {
    let drops = [0, 1, 10_000, 30_000].map(Fault::Drop);
    assert_eq!(survives(&drops), [None, None, from(1), from(10_001), from(40_001)]);
}

#[test]
fn a_server_without_ranges_sends_it_all_again() {
    assert_eq!(survives(&[Fault::Drop(10_000), Fault::IgnoreRange]), [None, from(10_000)]);
}

#[test]
fn another_range_than_asked_for_is_not_appended() {
    assert_eq!(survives(&[Fault::Drop(10_000), Fault::OtherRange]), [None, from(10_000), None]);
}

#[test]
fn a_passing_status_is_tried_again() {
    assert_eq!(survives(&[Fault::Status(503), Fault::Status(429), Fault::Drop(7)]).len(), 4);
}

#[test]
fn a_silent_server_counts_as_dropped() {
    assert_eq!(survives(&[Fault::Stall(1_000)]), [None, from(1_000)]);
}

#[test]
fn slow_chunked_and_redirected_answers_are_answers() {
    let (set, server) = (Set::new(), Server::start());
    let target = server.serve(
        "elsewhere",
        &set.content,
        &[Fault::Drop(500), Fault::Trickle(9_000, Duration::from_millis(20))],
    );
    let url = server.serve_always("file.bin", &[], &[], Fault::Redirect(target));
    set.fetch(set.item(&[&url])).unwrap();
    set.is_whole();
    let asked: Vec<_> = server.requests().into_iter().map(|r| (r.path, r.range)).collect();
    let expected = [
        ("/file.bin", None),
        ("/elsewhere", None),
        ("/file.bin", from(500)),
        ("/elsewhere", from(500)),
    ];
    assert_eq!(asked, expected.map(|(path, range)| (path.to_owned(), range)));
    assert_eq!(survives(&[Fault::Chunked]), [None]);
    // a range in chunks
    assert_eq!(survives(&[Fault::Drop(500), Fault::Chunked]), [None, from(500)]);
}

#[test]
fn more_is_announced_than_comes() {
    let (set, server) = (Set::new(), Server::start());
    let url = server.serve("file.bin", &set.content, &[Fault::Length(50)]);
    set.fetch(set.item_without_length(&[&url])).unwrap();
    set.is_whole();
}

#[test]
fn a_wrong_byte_is_named_with_both_checksums_and_nothing_is_kept() {
    let (set, server) = (Set::new(), Server::start());
    let url = server.serve_always("file.bin", &set.content, &[], Fault::WrongByte(77_777));
    let mut wrong = set.content.clone();
    wrong[77_777] ^= 1;
    let said = set.fetch(set.item(&[&url])).unwrap_err().to_string();
    for word in [
        &url,
        &format!("expected MD5 {}", set.sums.md5),
        &format!("found MD5 {}", sums(&wrong).md5),
    ] {
        assert_eq!(said.matches(word.as_str()).count(), 1, "{word} in {said}");
    }
    assert_eq!((server.requests().len(), said.lines().count()), (1, 1), "{said}");
    set.is_untouched();
}

#[test]
fn the_next_mirror_is_tried_after_a_wrong_one() {
    let (set, server) = (Set::new(), Server::start());
    let cut = &set.content[..50_000];
    let wrong = [
        server.serve_always("wrong", &set.content, &[], Fault::WrongByte(5)),
        server.serve_always("page", &set.content, &[], Fault::Page),
        server.serve_always("longer", &[&set.content[..], b"more"].concat(), &[], Fault::None),
        server.serve_always("shorter", cut, &[], Fault::None),
        server.serve_always("announces-less", &set.content, &[], Fault::Length(-9)),
        server.serve_always("broken", &set.content, &[], Fault::Status(500)),
        server.serve_always("forbidden", &set.content, &[], Fault::Status(403)),
        server.serve_always("drops", &set.content, &[], Fault::Drop(10)),
        format!("{}/missing", server.address()),
        "http://127.0.0.1:1/refuses".to_owned(),
        "not an address".to_owned(),
    ];
    let right = server.serve("right", &set.content, &[]);
    for item in [Set::item, Set::item_without_length] {
        let set = Set::new();
        let urls: Vec<&str> = wrong.iter().chain([&right]).map(String::as_str).collect();
        set.fetch(item(&set, &urls)).unwrap();
        set.is_whole();
        assert_eq!(server.requests().last().unwrap().path, "/right");
    }
    // without the right one, each is named once with its reason
    let urls: Vec<&str> = wrong.iter().map(String::as_str).collect();
    let said = set.fetch(set.item(&urls)).unwrap_err().to_string();
    for url in urls {
        assert_eq!(said.matches(&format!("{url}: ")).count(), 1, "{url} in {said}");
    }
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn an_endless_body_ends_where_the_file_should() {
    let (set, server) = (Set::new(), Server::start());
    let url = server.serve_always("file.bin", &set.content, &[], Fault::Endless);
    let said = set.fetch(set.item(&[&url])).unwrap_err().to_string();
    assert!(said.contains("expected at most 100000 bytes, found more"), "{said}");
    set.is_untouched();
}

#[test]
fn a_mirror_that_always_drops_is_given_up_and_what_came_is_kept() {
    let (set, server) = (Set::new(), Server::start());
    let url = server.serve("file.bin", &set.content, &vec![Fault::Drop(10); 6]);
    let said = set.fetch(set.item(&[&url])).unwrap_err().to_string();
    assert!(
        said.contains("after 60 ") && said.contains("an interrupted part goes on where it stopped"),
        "{said}"
    );
    assert_eq!(server.requests().len(), 6);
    assert!(has_begun(&[set.item(&[])], &set.folder()));
    set.fetch(set.item(&[&url])).unwrap();
    assert_eq!(server.ranges().last().unwrap(), &from(60));
    set.is_whole();
}

#[test]
fn what_comes_again_from_a_server_without_ranges_is_no_progress() {
    let (content, listener) = (content(4 << 20, 5), TcpListener::bind("127.0.0.1:0").unwrap());
    let mirror = format!("http://{}", listener.local_addr().unwrap());
    let (sums, root) = (sums(&content), tempfile::tempdir().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let head = BufReader::new(connection.try_clone().unwrap()).lines();
            head.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            // early and late by turns; the fortieth would come through
            let n = match counter.fetch_add(1, Ordering::SeqCst) {
                40.. => content.len(),
                i if i % 2 == 0 => 2 << 20,
                _ => 100,
            };
            write!(
                connection,
                "HTTP/1.1 200 X\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                content.len()
            )
            .and_then(|()| connection.write_all(&content[..n]))
            .unwrap();
        }
    });
    let item = Item {
        file: "big",
        urls: &[],
        bytes: None,
        md5: Some(&sums.md5),
        sha256: None,
        unpack: Unpack::Keep,
    };
    let options = Options { mirror: Some(mirror), ..quick() };
    let said = fetch(&[item], &root.path().join("set"), &options, &mut ()).unwrap_err();
    assert!(matches!(said, Error::Download { .. }), "{said}");
    // the first brought 2 MiB, which counts anew
    assert_eq!(requests.load(Ordering::SeqCst), 6, "{said}");
}

#[test]
fn a_part_of_another_file_costs_one_new_beginning() {
    for (length, requests) in
        [(10, vec![from(10), None]), (99_999, vec![from(99_999), None]), (100_000, vec![None])]
    {
        let (set, server) = (Set::new(), Server::start());
        let url = server.serve("file.bin", &set.content, &[]);
        set.begin(&content(length, 2));
        set.fetch(set.item(&[&url])).unwrap();
        assert_eq!(server.ranges(), requests);
        set.is_whole();
    }
    // longer than the file, with its length known and not
    for (item, requests) in [
        (Set::item as fn(&'static Set, &'static [&'static str]) -> Item<'static>, vec![None]),
        (Set::item_without_length, vec![from(100_001), None]),
    ] {
        let (set, server): (&'static Set, _) = (Box::leak(Box::new(Set::new())), Server::start());
        let urls: &'static [&'static str] =
            vec![&*server.serve("file.bin", &set.content, &[]).leak()].leak();
        set.begin(&content(100_001, 2));
        set.fetch(item(set, urls)).unwrap();
        assert_eq!(server.ranges(), requests);
        set.is_whole();
    }
}

#[test]
fn a_whole_part_needs_no_server() {
    let set = Set::new();
    set.begin(&set.content);
    set.fetch(set.item(&["http://127.0.0.1:1/"])).unwrap();
    set.is_whole();
    // with its length unknown the server is asked, and has nothing more
    let (set, server) = (Set::new(), Server::start());
    let url = server.serve("file.bin", &set.content, &[]);
    set.begin(&set.content);
    set.fetch(set.item_without_length(&[&url])).unwrap();
    assert_eq!(server.ranges(), [from(100_000)]);
    set.is_whole();
}

#[test]
fn what_is_there_is_taken_and_what_is_wrong_there_is_left_alone() {
    let set = Set::new();
    fs::create_dir(set.folder()).unwrap();
    let there = set.folder().join("File.BIN");
    fs::write(&there, &set.content).unwrap();
    set.fetch(set.item(&[])).unwrap();
    assert_eq!(check(&set.item(&[]), &set.folder(), &mut ()).unwrap(), Some(set.sums.clone()));
    assert_eq!(names(&set.folder()), ["File.BIN"]);

    fs::write(&there, b"something else").unwrap();
    let said = set.fetch(set.item(&["http://127.0.0.1:1/"])).unwrap_err().to_string();
    let expected = format!(
        "{}: expected 100000 bytes, found 14 bytes; move it away and fetch again",
        there.display()
    );
    assert_eq!(said, expected);
    assert_eq!(fs::read(&there).unwrap(), b"something else");
}

#[test]
fn a_file_without_an_address_asks_for_a_person() {
    let set = Set::new();
    let said = set.fetch(set.item(&[])).unwrap_err();
    assert!(matches!(&said, Error::Manual { file, .. } if file == "file.bin"), "{said}");
    set.is_untouched();
    let server = Server::start();
    server.serve("file.bin", &set.content, &[]);
    let options = Options { mirror: Some(format!("{}/", server.address())), ..quick() };
    fetch(&[set.item(&[])], &set.folder(), &options, &mut ()).unwrap();
    set.is_whole();
}

#[test]
fn two_at_once_end_in_one_file() {
    #[derive(Default)]
    struct Notes(Vec<String>);
    impl Progress for Notes {
        fn note(&mut self, line: &str) {
            self.0.push(line.to_owned());
        }
    }
    let (set, server) = (Set::new(), Server::start());
    let url = server.serve_always(
        "file.bin",
        &set.content,
        &[],
        Fault::Trickle(10_000, Duration::from_millis(20)),
    );
    let notes: Vec<String> = thread::scope(|scope| {
        let calls: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut notes = Notes::default();
                    fetch(&[set.item(&[&url])], &set.folder(), &quick(), &mut notes).unwrap();
                    notes.0
                })
            })
            .collect();
        calls.into_iter().flat_map(|call| call.join().unwrap()).collect()
    });
    assert_eq!(server.requests().len(), 1);
    assert!(notes.iter().all(|note| note.contains("another fetch is under way")), "{notes:?}");
    set.is_whole();
}

/// A disk of one MiB for as long as this lives.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(dir.path())
            .output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self(dir));
        }
        eprintln!("skipped: this user may not mount a tmpfs, so no disk is small enough to fill");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0.path()).status();
        assert!(
            unmounted.is_ok_and(|status| status.success()),
            "{} stays mounted",
            self.0.path().display()
        );
    }
}

#[test]
fn a_full_disk_is_one_sentence_and_nothing_half_written() {
    let Some(disk) = SmallDisk::mount() else { return };
    let (big, server) = (content(2 << 20, 3), Server::start());
    let sums = sums(&big);
    let folder = disk.0.path().join("set");
    let item = Item {
        file: "big",
        urls: &[],
        bytes: None,
        md5: Some(&sums.md5),
        sha256: None,
        unpack: Unpack::Keep,
    };
    for (fault, room) in
        [(Fault::None, "room for 2097152 more bytes"), (Fault::Chunked, "room for more bytes")]
    {
        server.serve_always("big", &big, &[], fault);
        let options = Options { mirror: Some(server.address().to_owned()), ..quick() };
        let said = fetch(&[item], &folder, &options, &mut ()).unwrap_err();
        let Error::Space { available: Some(available), .. } = said else { panic!("{said}") };
        assert!(available <= 1 << 20, "{said}");
        let said = said.to_string();
        assert!(said.contains(folder.to_str().unwrap()) && said.contains(room), "{said}");
        assert_eq!((said.lines().count(), names(disk.0.path())), (1, vec![]), "{said}");
    }
}

// ---- kill -9

/// Runs as the process that is killed: fetches the archive of [`Killed`].
#[test]
#[ignore = "it is the process that the tests of kill -9 start and kill"]
fn process_to_kill() {
    let variable =
        |name: &str| std::env::var(name).expect("this test is started by other tests only");
    let (file, folder) = (variable("FETCH_FILE"), variable("FETCH_FOLDER"));
    let (md5, mirror) = (variable("FETCH_MD5"), variable("FETCH_MIRROR"));
    let unpack = match file.as_str() {
        "Train.zip" => Unpack::Zip,
        "files.tar.gz" => Unpack::TarGz,
        _ => Unpack::Keep,
    };
    let item = Item { file: &file, urls: &[], bytes: None, md5: Some(&md5), sha256: None, unpack };
    let options = Options { mirror: Some(mirror), limits: Limits::default(), ..quick() };
    fetch(&[item], Path::new(&folder), &options, &mut ()).unwrap();
}

/// A process that fetches, as often as it takes.
struct Killed {
    server: Server,
    file: &'static str,
    md5: String,
}

impl Killed {
    fn start(&self, folder: &Path) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process_to_kill", "--ignored"])
            .env("FETCH_FILE", self.file)
            .env("FETCH_FOLDER", folder)
            .env("FETCH_MD5", &self.md5)
            .env("FETCH_MIRROR", self.server.address())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Kills at `moments` random moments of the time that an undisturbed call takes; each time the
    /// next call must end as that did.
    fn survives(&self, moments: usize, seed: u64) {
        let undisturbed = tempfile::tempdir().unwrap();
        let begin = Instant::now();
        assert!(self.start(&undisturbed.path().join("set")).wait().unwrap().success());
        let mut whole = begin.elapsed();
        let expected = tree(undisturbed.path());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut killed = 0;
        while killed < moments {
            let root = tempfile::tempdir().unwrap();
            let folder = root.path().join("set");
            let mut child = self.start(&folder);
            thread::sleep(whole.mul_f64(rng.random()));
            child.kill().unwrap();
            let status = child.wait().unwrap();
            if status.signal() != Some(9) {
                assert!(status.success(), "{status}");
                // a kill after the end tests nothing; the machine is quicker now
                whole = whole.mul_f64(0.9);
                continue;
            }
            killed += 1;
            assert!(self.start(&folder).wait().unwrap().success());
            assert!(tree(root.path()) == expected, "{:?}", names(&folder));
        }
    }
}

/// Every file below a folder with its content, in order.
fn tree(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for name in names(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            found.push((format!("{name}/"), Vec::new()));
            found.extend(
                tree(&path)
                    .into_iter()
                    .map(|(below, content)| (format!("{name}/{below}"), content)),
            );
        } else {
            found.push((name, fs::read(path).unwrap()));
        }
    }
    found
}

/// Files as of a small data set: (name, content).
fn recordings() -> Vec<(String, Vec<u8>)> {
    (0..400)
        .map(|i| (format!("Train/{}/{i:05}.bin", i % 10), content(1_000 + 37 * i, i as u64)))
        .collect()
}

#[test]
fn kill_9_while_downloading() {
    let (content, server) = (content(3 << 20, 4), Server::start());
    server.serve_always(
        "file.bin",
        &content,
        &[],
        Fault::Trickle(60_000, Duration::from_millis(4)),
    );
    Killed { server, file: "file.bin", md5: sums(&content).md5 }.survives(50, 1);
}

#[test]
fn kill_9_while_unpacking_a_zip() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in recordings() {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&content).unwrap();
    }
    let (archive, server) = (zip.finish().unwrap().into_inner(), Server::start());
    server.serve("Train.zip", &archive, &[]);
    Killed { server, file: "Train.zip", md5: sums(&archive).md5 }.survives(50, 2);
}

#[test]
fn kill_9_while_unpacking_a_tar() {
    let gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gz);
    for (name, content) in recordings() {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, &content[..]).unwrap();
    }
    let (archive, server) = (tar.into_inner().unwrap().finish().unwrap(), Server::start());
    server.serve("files.tar.gz", &archive, &[]);
    Killed { server, file: "files.tar.gz", md5: sums(&archive).md5 }.survives(50, 3);
}
