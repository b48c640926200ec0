//! What stands where a folder or a file is expected: links that lead nowhere, files, pipes,
//! sockets, devices. Each is one sentence at once: never an absent data set, never a wait.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use common::{aedat31, clip, nmnist, sentence, shared, write};
use datasets::{Found, Name, cache::Cache, check_folder, fetch, find, open_file};

/// `work` in a thread of its own: a hang is a failure and not a test without end.
fn at_once<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || send.send(work()));
    receive.recv_timeout(Duration::from_secs(60)).expect("this hangs, or panicked")
}

fn pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// Small data sets of every layout that can be written by hand.
fn sets(root: &Path) {
    for half in ["Train", "Test"] {
        for digit in 0..2 {
            let seed = digit + 10 * u8::from(half == "Test");
            write(root, &format!("n-mnist/{half}/{digit}/0000{digit}.bin"), &nmnist(seed, 60));
        }
    }
    for number in 0..10 {
        let file = format!("dvs-cifar10/cat/cifar10_cat_{number}.aedat");
        write(root, &file, &common::aedat2(number, 50));
    }
    for (user, list) in
        [("user01_led", "trials_to_train.txt"), ("user02_led", "trials_to_test.txt")]
    {
        write(root, &format!("dvs-gesture/{list}"), format!("{user}.aedat").as_bytes());
        write(root, &format!("dvs-gesture/{user}.aedat"), &aedat31(400));
        let labels = b"class,startTime_usec,endTime_usec\n1,0,399000\n";
        write(root, &format!("dvs-gesture/{user}_labels.csv"), labels);
    }
    for speaker in 0..3 {
        let file = format!("speech-commands/yes/0000000{speaker}_nohash_0.wav");
        write(root, &file, &clip(speaker));
    }
    write(root, "speech-commands/testing_list.txt", b"yes/00000002_nohash_0.wav");
    write(root, "speech-commands/validation_list.txt", b"");
    for file in ["data_batch_1.bin", "test_batch.bin"] {
        write(root, &format!("cifar10/{file}"), &[7; 3_073]);
    }
    for file in ["train.bin", "test.bin"] {
        write(root, &format!("cifar100/{file}"), &[7; 3_074]);
    }
}

/// Names of the layouts: of each data set, its folder, and of what is in it.
const PLACES: [(Name, &str); 21] = [
    (Name::NMnist, "n-mnist"),
    (Name::NMnist, "n-mnist/Train"),
    (Name::NMnist, "n-mnist/Test"),
    (Name::NMnist, "n-mnist/Test/1"),
    (Name::NMnist, "n-mnist/Test/1/00001.bin"),
    (Name::Cifar10Dvs, "dvs-cifar10"),
    (Name::Cifar10Dvs, "dvs-cifar10/cat/cifar10_cat_3.aedat"),
    (Name::DvsGesture, "dvs-gesture"),
    (Name::DvsGesture, "dvs-gesture/trials_to_test.txt"),
    (Name::DvsGesture, "dvs-gesture/user01_led.aedat"),
    (Name::DvsGesture, "dvs-gesture/user01_led_labels.csv"),
    (Name::SpeechCommands, "speech-commands"),
    (Name::SpeechCommands, "speech-commands/testing_list.txt"),
    (Name::SpeechCommands, "speech-commands/validation_list.txt"),
    (Name::SpeechCommands, "speech-commands/yes/00000001_nohash_0.wav"),
    (Name::Cifar10, "cifar10"),
    (Name::Cifar10, "cifar10/data_batch_1.bin"),
    (Name::Cifar10, "cifar10/test_batch.bin"),
    (Name::Cifar100, "cifar100"),
    (Name::Cifar100, "cifar100/train.bin"),
    (Name::Mnist, "mnist"),
];

/// Puts something in place of each of [`PLACES`] in turn, and gives what is then said.
fn in_every_place(put: impl Fn(&Path), check: impl Fn(&str, &str)) {
    for (name, place) in PLACES {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().to_owned();
        sets(&root);
        let path = root.join(place);
        let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        put(&path);
        let said = at_once(move || sentence(name, &root));
        assert!(said.starts_with("ROOT/") && !said.contains('\n'), "{said}");
        check(place, &said);
    }
}

#[test]
fn a_link_that_leads_nowhere_says_where() {
    let put = |path: &Path| symlink("/mnt/not-mounted/some-set", path).unwrap();
    in_every_place(put, |place, said| {
        let sentence = format!(
            "ROOT/{place}: expected a file or folder, found a link to /mnt/not-mounted/some-set, \
             which is not there; mount the disk that it leads to, or correct the link"
        );
        assert_eq!(said, sentence);
    });
}

#[test]
fn a_chain_of_links_says_where_it_ends() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    symlink("two", at("n-mnist")).unwrap();
    symlink("three", at("two")).unwrap();
    symlink("/mnt/not-mounted/nmnist", at("three")).unwrap();
    let said = sentence(Name::NMnist, root.path());
    assert!(said.contains("found a link to /mnt/not-mounted/nmnist, which is not there"), "{said}");
    fs::remove_file(at("three")).unwrap();
    symlink("n-mnist", at("three")).unwrap();
    let said = sentence(Name::NMnist, root.path());
    assert!(said.contains("which cannot be followed"), "{said}");
    // the other data sets are absent, and not at fault
    assert!(matches!(find(Name::Mnist, root.path()).unwrap(), Found::Absent));
}

#[test]
fn a_file_in_place_of_a_folder_is_named() {
    for name in ["n-mnist", "DVS_Gesture", "cifar10", "mnist"] {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), name, b"not a folder");
        write(root.path(), "elsewhere", b"not a folder");
        let set = match name {
            "n-mnist" => Name::NMnist,
            "DVS_Gesture" => Name::DvsGesture,
            "cifar10" => Name::Cifar10,
            _ => Name::Mnist,
        };
        let expected = format!(
            "ROOT/{name}: expected a folder, found a file; move it away, or unpack the data set there"
        );
        assert_eq!(sentence(set, root.path()), expected);
        fs::remove_file(root.path().join(name)).unwrap();
        symlink("elsewhere", root.path().join(name)).unwrap();
        assert_eq!(sentence(set, root.path()), expected);
        assert!(fetch::folder(set, root.path()).is_err());
    }
}

#[test]
fn a_folder_in_place_of_a_file_is_named() {
    let put = |path: &Path| fs::create_dir(path).unwrap();
    for (name, place) in PLACES.into_iter().filter(|(_, place)| place.contains('.')) {
        let root = tempfile::tempdir().unwrap();
        sets(root.path());
        fs::remove_file(root.path().join(place)).unwrap();
        put(&root.path().join(place));
        let said = sentence(name, root.path());
        assert!(
            said.starts_with(&format!("ROOT/{place}: expected a file, found a folder")),
            "{said}"
        );
    }
}

#[test]
fn a_pipe_or_socket_is_named_at_once() {
    in_every_place(pipe, |place, said| {
        let is_said =
            said.starts_with(&format!("ROOT/{place}: ")) && said.contains("found a named pipe");
        assert!(is_said, "{said}");
    });
    let put = |path: &Path| drop(UnixListener::bind(path).unwrap());
    in_every_place(put, |place, said| {
        let is_said =
            said.starts_with(&format!("ROOT/{place}: ")) && said.contains("found a socket");
        assert!(is_said, "{said}");
    });
}

#[test]
fn a_device_is_named_at_once() {
    let put = |path: &Path| symlink("/dev/zero", path).unwrap();
    in_every_place(put, |place, said| {
        let is_said =
            said.starts_with(&format!("ROOT/{place}: ")) && said.contains("found a device");
        assert!(is_said, "{said}");
    });
}

#[test]
fn every_reader_of_a_file_refuses_what_is_none() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    pipe(&at("pipe"));
    let _listener = UnixListener::bind(at("socket")).unwrap();
    symlink("/dev/zero", at("device")).unwrap();
    fs::create_dir(at("folder")).unwrap();
    symlink("/mnt/not-mounted", at("link")).unwrap();
    for name in ["pipe", "socket", "device", "folder", "link"] {
        let path = at(name);
        let said = at_once(move || {
            let opened = sentence::cause(&open_file(&path).unwrap_err());
            let cache = Cache::open(&path).unwrap_err().to_string();
            let images = datasets::synthetic::idx::images(&path, 1).unwrap_err().to_string();
            let sums = fetch::Sums::of(&path, &mut ()).unwrap_err().to_string();
            [opened, cache, images, sums]
        });
        for said in said {
            assert!(!said.contains('\n'), "{said}");
            let kinds = [
                "a named pipe",
                "a socket",
                "a device",
                "a folder",
                "nothing of that name",
                "a link",
            ];
            assert!(kinds.iter().any(|kind| said.contains(kind)), "{said}");
        }
        let folder = check_folder(&at(name));
        assert_eq!(folder.is_ok(), name == "folder", "{folder:?}");
    }
    let said = check_folder(&at("nowhere")).unwrap_err().to_string();
    assert!(said.contains("nowhere: expected a folder, found nothing of that name"), "{said}");
    // a disk that is not mounted is told of what lies below it too
    let said = check_folder(&at("link/data/sets")).unwrap_err().to_string();
    assert!(said.contains("link, a link to /mnt/not-mounted, which is not there"), "{said}");
}

#[test]
fn a_folder_that_may_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    sets(root.path());
    let folder = root.path().join("n-mnist/Train");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o000)).unwrap();
    // root reads everything
    if fs::read_dir(&folder).is_err() {
        let said = sentence(Name::NMnist, root.path());
        assert!(said.starts_with("ROOT/n-mnist/Train: expected to read it"), "{said}");
    } else {
        eprintln!("SKIPPED: this user may read every folder");
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_huge_file_takes_no_memory_and_no_time() {
    for (name, place) in PLACES.into_iter().filter(|(_, place)| place.contains('.')) {
        let root = tempfile::tempdir().unwrap();
        sets(root.path());
        let path = root.path().join(place);
        fs::File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
        let said = sentence(name, root.path());
        assert!(said.starts_with(&format!("ROOT/{place}: expected ")), "{said}");
        assert!(said.contains("found 1099511627776 bytes"), "{said}");
    }
}

#[test]
fn a_link_to_a_data_set_is_one() {
    let Some(data) = shared("data/nmnist") else { return };
    let root = tempfile::tempdir().unwrap();
    symlink(data, root.path().join("n-mnist")).unwrap();
    assert_eq!(common::found(Name::NMnist, root.path()).train.len(), 1_000);
}
