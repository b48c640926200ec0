//! Publishers' lists as editors and other systems leave them: every listed recording counts in the
//! half that lists it, or the line is named.
// Long: what editors do to three kinds of lists, on the same small data sets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{fs, path::Path};

use common::{aedat31, clip, found, proof, sentence, shared, write};
use datasets::{Name, find};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SPEECH: Name = Name::SpeechCommands;

/// Two words, six speakers each.
fn clips(root: &Path) {
    let clip = clip(0);
    for word in ["yes", "no"] {
        for speaker in 0..6 {
            write(root, &format!("speech-commands/{word}/0000000{speaker}_nohash_0.wav"), &clip);
        }
    }
    put(root, "validation_list.txt", b"");
}

fn put(root: &Path, list: &str, text: &[u8]) {
    write(root, &format!("speech-commands/{list}"), text);
}

/// The clips that test: the speakers 4 and 5.
const TEST: [&str; 4] = [
    "yes/00000004_nohash_0.wav",
    "yes/00000005_nohash_0.wav",
    "no/00000004_nohash_0.wav",
    "no/00000005_nohash_0.wav",
];

fn sizes(root: &Path) -> (usize, usize, usize) {
    let set = found(SPEECH, root);
    (set.train.len(), set.validation.len(), set.test.len())
}

/// What changes no name: each turns the lines into a file's bytes.
fn spellings() -> Vec<Vec<u8>> {
    let plain = TEST.join("\n");
    let each = |change: &dyn Fn(&str) -> String| TEST.map(change).join("\n").into_bytes();
    let mut texts = vec![
        plain.clone().into_bytes(),
        format!("{plain}\n").into_bytes(),
        format!("\u{feff}{plain}").into_bytes(),
        format!("\n\n{plain}\n\n \t\n").into_bytes(),
        TEST.join("\r\n").into_bytes(),
        TEST.join("\r").into_bytes(),
        format!("\u{feff}{}\r\n", TEST.join("\r\n")).into_bytes(),
        each(&|line| format!("./{line}")),
        each(&|line| format!("././{line}")),
        each(&|line| line.replace('/', "\\")),
        each(&|line| format!(".\\{}", line.replace('/', "\\"))),
        each(&|line| format!("{line}  \t")),
        each(&|line| format!("  {line}")),
    ];
    texts.push([b"\xef\xbb\xbf./", TEST.join("\r\n").as_bytes()].concat());
    // one line alone is spelled otherwise
    for at in 0..TEST.len() {
        let mut lines = TEST.map(str::to_owned);
        lines[at] = format!(".\\{} ", lines[at].replace('/', "\\"));
        texts.push(lines.join("\n").into_bytes());
    }
    texts
}

#[test]
fn another_spelling_is_the_same_split() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    clips(root);
    for text in spellings() {
        put(root, "testing_list.txt", &text);
        assert_eq!(sizes(root), (8, 0, 4), "{}", text.escape_ascii());
        assert_eq!(proof(SPEECH, root)[0], [""; 0], "{}", text.escape_ascii());
    }
}

/// A line of these is no `word/name.wav`.
const WRONG: [&[u8]; 30] = [
    b"yes",
    b"yes/",
    b"/yes/00000004_nohash_0.wav",
    b"yes//00000004_nohash_0.wav",
    b"../speech-commands/yes/00000004_nohash_0.wav",
    b"speech_commands/yes/00000004_nohash_0.wav",
    b"C:\\data\\yes\\00000004_nohash_0.wav",
    b"yes/00000004_nohash_0",
    b"yes/00000004_nohash_0.WAV",
    b"yes/00000004_nohash_0.wav.bak",
    b"yes/00000004_nohash_0.wav,4",
    b"yes/00000004_nohash_0.wav\tyes",
    b"yes/00000004_nohash_0.wav no/00000004_nohash_0.wav",
    b"\"yes/00000004_nohash_0.wav\"",
    b"Yes/00000004_nohash_0.wav",
    b"maybe/00000004_nohash_0.wav",
    b"_background_noise_/pink_noise.wav",
    b"# test clips",
    b"yes/.wav",
    b"yes/.hidden.wav",
    b"yes/..",
    b"00000004_nohash_0.wav",
    b"yes/a/b.wav",
    b"<html><body>404</body></html>",
    b"yes/\0\0\0\0.wav",
    b"yes/\x1b[31m.wav",
    b"\xff\xfe\xfd",
    b"yes/\xe9t\xe9.wav",
    b"\xef\xbb\xbfyes/00000004_nohash_0.wav",
    b"version https://git-lfs.github.com/spec/v1",
];

#[test]
fn a_line_of_another_form_is_named() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    clips(root);
    for wrong in WRONG {
        for at in 0..=2 {
            // a mark is one only at the beginning of a file
            if at == 0 && wrong.starts_with(b"\xef\xbb\xbf") {
                continue;
            }
            let mut lines: Vec<&[u8]> = TEST.iter().map(|line| line.as_bytes()).collect();
            lines.insert(at, wrong);
            put(root, "testing_list.txt", &lines.join(&b'\n'));
            let said = sentence(SPEECH, root);
            let expected = format!("in line {}, found ", at + 1);
            assert!(said.starts_with("ROOT/speech-commands/testing_list.txt: "), "{said}");
            let utf16 = at == 0 && wrong.starts_with(b"\xff\xfe");
            assert!(said.contains(&expected) || utf16 && said.contains("UTF-16"), "{said}");
            assert!(!said.contains(|c: char| c.is_control()), "{said:?}");
        }
    }
}

#[test]
fn a_clip_in_two_lists_or_twice_in_one_is_named() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    clips(root);
    put(
        root,
        "testing_list.txt",
        [TEST.join("\n"), TEST[0].replace('/', "\\")].join("\r\n").as_bytes(),
    );
    let said = sentence(SPEECH, root);
    assert!(
        said.contains(&format!("{} twice in testing_list.txt (lines 1 and 5)", TEST[0])),
        "{said}"
    );
    put(root, "testing_list.txt", TEST.join("\n").as_bytes());
    put(root, "validation_list.txt", format!("no/00000001_nohash_0.wav\n./{}", TEST[2]).as_bytes());
    let said = sentence(SPEECH, root);
    let both = "in testing_list.txt (line 3) and in validation_list.txt (line 2)";
    assert!(said.contains(&format!("{} {both}", TEST[2])), "{said}");
}

#[test]
fn listed_clips_that_are_not_here_are_counted() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    clips(root);
    put(root, "testing_list.txt", format!("{}\nno/absent.wav\n", TEST.join("\n")).as_bytes());
    put(root, "validation_list.txt", b"yes/also_absent.wav");
    assert_eq!(sizes(root), (8, 0, 4));
    let expected = [
        "testing_list.txt: 1 of 5 listed clips are not here",
        "validation_list.txt: 1 of 1 listed clip is not here",
    ];
    assert_eq!(found(SPEECH, root).notes, expected);
    assert_eq!(proof(SPEECH, root)[1][..2], expected);
    // a list of which nothing is here leaves nothing to test
    put(root, "testing_list.txt", b"no/absent.wav");
    assert!(sentence(SPEECH, root).contains("no test recordings"));
}

/// 300 lists, each the good one with up to four random changes: of bytes, of lines, of spelling.
/// Whatever they are, no line is dropped in silence.
#[test]
fn mutated_lists_lose_no_line() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    clips(root);
    let mut rng = ChaCha8Rng::seed_from_u64(10);
    let spellings = spellings();
    let (mut taken, mut refused) = (0, 0);
    for input in 0..300 {
        let mut text = spellings[input % spellings.len()].clone();
        for _ in 0..rng.random_range(1..=4) {
            mutate(&mut text, &mut rng);
        }
        put(root, "testing_list.txt", &text);
        let shown = text.escape_ascii();
        match find(SPEECH, root) {
            Ok(found) => {
                let set = common::recordings(found);
                let absent = set.notes.iter().filter_map(|note| {
                    let words: Vec<&str> = note.split(' ').collect();
                    note.starts_with("testing").then(|| words[1].parse::<usize>().unwrap())
                });
                let lines = text.split(|byte| matches!(byte, b'\n' | b'\r'));
                let blank = |line: &[u8]| String::from_utf8_lossy(line).trim().is_empty();
                let marked = text.strip_prefix(b"\xef\xbb\xbf").is_some_and(|text| {
                    blank(text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap())
                });
                let lines = lines.filter(|line| !blank(line)).count() - usize::from(marked);
                assert_eq!(set.test.len() + absent.sum::<usize>(), lines, "{shown}");
                assert_eq!(set.train.len() + set.test.len(), 12, "{shown}");
                taken += 1;
            }
            Err(error) => {
                let said = error.to_string();
                assert!(!said.contains(|c: char| c.is_control()), "{said:?}");
                let where_it_is = said.contains(" in line ")
                    || said.contains("twice in testing_list.txt (lines ")
                    || said.contains("no test recordings");
                assert!(where_it_is, "{said}");
                refused += 1;
            }
        }
    }
    println!("{taken} taken, {refused} refused");
    assert!(taken >= 20 && refused >= 100, "{taken} taken, {refused} refused");
}

fn mutate(text: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    let at = rng.random_range(0..text.len().max(1)).min(text.len());
    match rng.random_range(0..8) {
        0 if at < text.len() => text[at] = rng.random(),
        1 if at < text.len() => text[at] ^= 1 << rng.random_range(0..8),
        2 if at < text.len() => drop(text.remove(at)),
        3 => text.insert(at, rng.random()),
        4 => text.truncate(at),
        5 => {
            let wrong = WRONG[rng.random_range(0..WRONG.len())];
            text.splice(at..at, wrong.iter().copied());
        }
        6 => {
            // a line of the good list once more
            let line = format!("\n{}\n", TEST[rng.random_range(0..TEST.len())]);
            text.splice(at..at, line.bytes());
        }
        _ => text.extend(*b"\r\n \n"),
    }
}

const GESTURES: Name = Name::DvsGesture;
const LABELS: &str = "class,startTime_usec,endTime_usec\n1,0,200000\n2,200000,399000\n";

fn gestures(root: &Path, train: &str, test: &str) {
    for user in ["user01_led", "user02_led"] {
        write(root, &format!("dvs-gesture/{user}.aedat"), &aedat31(400));
        write(root, &format!("dvs-gesture/{user}_labels.csv"), LABELS.as_bytes());
    }
    write(root, "dvs-gesture/trials_to_train.txt", train.as_bytes());
    write(root, "dvs-gesture/trials_to_test.txt", test.as_bytes());
}

#[test]
fn lists_of_gestures_are_held_to_the_same() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for (train, test) in [
        ("user01_led.aedat\n", "user02_led.aedat\n"),
        ("\u{feff}user01_led.aedat\r\n\r\n", "./user02_led.aedat"),
        (".\\user01_led.aedat  \r", "\u{feff}.\\user02_led.aedat\t"),
    ] {
        gestures(root, train, test);
        let set = found(GESTURES, root);
        assert_eq!((set.train.len(), set.test.len()), (2, 2), "{train:?} {test:?}");
        let [failures, notes] = proof(GESTURES, root);
        assert_eq!(failures, [""; 0]);
        // the two recordings have the same events: that is told
        assert!(
            notes[0]
                .starts_with("1 file has the content of another one, 1 of them in another half"),
            "{notes:?}"
        );
    }
    gestures(root, "user01_led.aedat\nuser02_led.aedat\nuser01_led.aedat\n", "user02_led.aedat\n");
    let said = sentence(GESTURES, root);
    for part in [
        "user02_led.aedat in trials_to_train.txt (line 2) and in trials_to_test.txt (line 1)",
        "user01_led.aedat twice in trials_to_train.txt (lines 1 and 3)",
    ] {
        assert!(said.contains(part), "{said}");
    }
    for wrong in [
        "user02_led",
        "../user02_led.aedat",
        "a/user02_led.aedat",
        "user02_led.aedat,1",
        "user02 \0.aedat",
    ] {
        gestures(root, "user01_led.aedat\n", &format!("user02_led.aedat\n{wrong}\n"));
        let said = sentence(GESTURES, root);
        assert!(
            said.starts_with("ROOT/dvs-gesture/trials_to_test.txt: ") && said.contains("in line 2"),
            "{said}"
        );
    }
    gestures(root, "user02_led.aedat", "user03_led.aedat\nuser01_led.aedat");
    write(root, "dvs-gesture/user07_led.aedat", &aedat31(400));
    let expected = [
        "trials_to_test.txt: 1 of 2 listed files are not here",
        "in no list, and left out: user07_led.aedat",
    ];
    assert_eq!(found(GESTURES, root).notes, expected);
    fs::remove_file(root.join("dvs-gesture/user07_led.aedat")).unwrap();
    gestures(root, "user01_led.aedat\nuser03_led.aedat\n", "user02_led.aedat\n");
    let expected = "trials_to_train.txt: 1 of 2 listed files are not here";
    assert_eq!(found(GESTURES, root).notes, [expected]);
}

// Long: one table of labels and what is said of each.
#[test]
fn labels_lie_inside_their_recording() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let labels = |rows: &str| {
        gestures(root, "user01_led.aedat", "user02_led.aedat");
        let csv = format!("class,startTime_usec,endTime_usec\n{rows}");
        write(root, "dvs-gesture/user01_led_labels.csv", csv.as_bytes());
        proof(GESTURES, root)
    };
    for (rows, said) in [
        (
            "1,0,200000\n2,90000000,95000000\n",
            "expected events from 90000000 to 95000000 µs, as its label says, found none (its events lie from 0 to 399000 µs)",
        ),
        ("1,0,200000\n2,200000,800000\n", "found a label from 200000 to 800000 µs"),
    ] {
        let [failures, _] = labels(rows);
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert!(
            failures[0].starts_with("ROOT/dvs-gesture/user01_led.aedat: ")
                && failures[0].contains(said),
            "{failures:?}"
        );
    }
    // labels that share events: two in part, one within another, the same window twice, not side
    // by side, three; the rows are counted with the title
    for (rows, said) in [
        (
            "1,0,200000\n2,150000,399000\n3,390000,399500\n",
            "found row 2 (class 1, 0 to 200000 µs) and row 3 (class 2, 150000 to 399000 µs) with events in common, and 1 overlap more;",
        ),
        (
            "1,0,399000\n2,100000,200000\n",
            "row 2 (class 1, 0 to 399000 µs) and row 3 (class 2, 100000 to 200000 µs)",
        ),
        (
            "1,0,200000\n2,0,200000\n",
            "row 2 (class 1, 0 to 200000 µs) and row 3 (class 2, 0 to 200000 µs)",
        ),
        (
            "2,300000,399000\n1,0,200000\n3,100000,250000\n",
            "row 3 (class 1, 0 to 200000 µs) and row 4 (class 3, 100000 to 250000 µs)",
        ),
        ("1,0,399000\n2,1000,2000\n3,3000,4000\n4,5000,6000\n", ", and 2 overlaps more;"),
    ] {
        let [failures, notes] = labels(rows);
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert!(failures[0].starts_with("user01_led_labels.csv: expected labels one after"));
        assert!(failures[0].contains(said), "{failures:?}");
        assert!(!notes.contains(&failures[0]), "said once: {notes:?}");
        // whoever trains is told too
        assert_eq!(found(GESTURES, root).notes[0], failures[0]);
    }
    // as the publisher has it in one file
    gestures(root, "user22_led.aedat", "user02_led.aedat");
    write(root, "dvs-gesture/user22_led.aedat", &aedat31(400));
    let rows = b"class,startTime_usec,endTime_usec\n1,0,200000\n2,150000,399000\n";
    write(root, "dvs-gesture/user22_led_labels.csv", rows);
    assert_eq!(proof(GESTURES, root)[0], [""; 0]);
    labels("1,0,200000\n");
    for wrong in ["1,300,200", "1,5,5", "0,1,2", "12,1,2", "1;0;5", "1,-5,5", "1,0,1e5", "1,0"] {
        write(root, "dvs-gesture/user01_led_labels.csv", format!("{LABELS}{wrong}\n").as_bytes());
        let said = sentence(GESTURES, root);
        assert!(
            said.contains("user01_led_labels.csv: gesture labels csv, byte 61: ")
                && said.contains(wrong),
            "{said}"
        );
    }
    write(
        root,
        "dvs-gesture/user01_led_labels.csv",
        format!("\u{feff}{}", LABELS.replace('\n', "\r\n")).as_bytes(),
    );
    assert_eq!(found(GESTURES, root).train.len(), 2);
}

#[test]
fn converted_clips_are_held_to_their_table() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let table = |text: &str| write(root, "dvs-gesture/clips_bs2/labels.csv", text.as_bytes());
    write(root, "dvs-gesture/clips_bs2/1.bs2", &common::nmnist(1, 60));
    write(root, "dvs-gesture/clips_bs2/2.bs2", &common::nmnist(2, 60));
    for text in [
        "file,class,name\n1.bs2,1,a\n2.bs2,2,b\n",
        "\u{feff}file,class\r\n./1.bs2,1\r\n.\\2.bs2, 2\r\n",
    ] {
        table(text);
        assert_eq!(found(GESTURES, root).train.len(), 2, "{text:?}");
    }
    for (text, said) in [
        ("1.bs2,1,a\n2.bs2,2,b\n", "in line 1, found \"1.bs2,1,a\""),
        ("", "in line 1, found \"\""),
        ("file,class,name\n\n", "in line 2, found \"\""),
        ("file,class,name\n1.bs2,12,a\n", "in line 2"),
        ("file,class,name\n\n3.bs2,1,a\n", "in line 3, found \"3.bs2,1,a\""),
        ("file,class,name\n../1.bs2,1,a\n", "in line 2"),
        ("file,class,name\n1.bs2,1,a\n1.bs2,2,b\n", "1.bs2 twice in labels.csv (lines 2 and 3)"),
    ] {
        table(text);
        let found = sentence(GESTURES, root);
        assert!(found.contains(said), "{found}");
    }
}

/// Files among recordings that are none: one note with their number and the first of them.
#[test]
fn what_is_no_recording_is_counted() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let note = |name: Name| {
        let [failures, notes] = proof(name, root);
        assert_eq!(failures, [""; 0]);
        notes.into_iter().filter(|note| note.contains("left out")).collect::<Vec<_>>()
    };
    for digit in 0..10 {
        write(root, &format!("n-mnist/Train/{digit}/1.bin"), &common::nmnist(digit, 60));
        write(root, &format!("n-mnist/Test/{digit}/2.bin"), &common::nmnist(digit + 10, 60));
    }
    assert_eq!(note(Name::NMnist), [""; 0]);
    write(root, "n-mnist/Train/3/00014.BIN", &common::nmnist(44, 60));
    let said = "1 file is left out, for it is no recording (.bin) in a folder of a digit: Train/3/00014.BIN";
    assert_eq!(note(Name::NMnist), [said]);
    write(root, "n-mnist/Train/00001.bin", b"");
    write(root, "n-mnist/Test/7/notes.txt", b"");
    write(root, "n-mnist/Test/7/00014.bin.part", b"");
    write(root, "n-mnist/Test/7/.hidden", b"");
    let said = "4 files are left out, for they are no recording (.bin) in a folder of a digit; the first: Train/00001.bin";
    assert_eq!(note(Name::NMnist), [said]);
    for (label, class) in Name::Cifar10Dvs.info().classes.iter().enumerate() {
        for number in 0..10 {
            let seed = 10 * label as u32 + number;
            let file = format!("dvs-cifar10/{class}/cifar10_{class}_{number}.aedat");
            write(root, &file, &common::aedat2(seed, 50 + seed));
        }
    }
    assert_eq!(note(Name::Cifar10Dvs), [""; 0]);
    write(root, "dvs-cifar10/cat/cifar10_cat_3.aedat4", b"");
    write(root, "dvs-cifar10/cat.zip", b"");
    let said = note(Name::Cifar10Dvs);
    assert!(
        said[0].starts_with("1 file is left out") && said[0].ends_with("cat/cifar10_cat_3.aedat4")
    );
    clips(root);
    put(root, "testing_list.txt", TEST.join("\n").as_bytes());
    put(root, "validation_list.txt", b"");
    write(root, "speech-commands/yes/0a7c2a8d_nohash_0.mp3", b"");
    let said = note(SPEECH);
    assert!(said[0].starts_with("1 file is left out") && said[0].ends_with(".mp3"), "{said:?}");
    gestures(root, "user01_led.aedat", "user02_led.aedat");
    assert_eq!(note(GESTURES), [""; 0]);
    write(root, "dvs-gesture/README.txt", b"");
    write(root, "dvs-gesture/user03_led.AEDAT", b"");
    let said = note(GESTURES);
    assert!(said[0].ends_with(": user03_led.AEDAT"), "{said:?}");
}

#[test]
fn the_stored_cases_hold() {
    let Some(case) = shared("cases/10-lists-leak") else { return };
    for spelling in ["plain", "bom", "dot", "backslash"] {
        assert_eq!(sizes(&case.join(spelling)), (8, 0, 4), "{spelling}");
        assert_eq!(proof(SPEECH, &case.join(spelling))[0], [""; 0], "{spelling}");
    }
    let said = sentence(GESTURES, &case.join("both"));
    assert!(
        said.contains("user02_led.aedat in ") && said.contains("user01_led.aedat twice"),
        "{said}"
    );
}

#[test]
fn a_list_without_end_takes_no_memory() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    clips(root);
    put(root, "testing_list.txt", b"");
    let list = root.join("speech-commands/testing_list.txt");
    fs::File::options().write(true).open(&list).unwrap().set_len(1 << 40).unwrap();
    let said = sentence(SPEECH, root);
    assert!(
        said.contains(
            "testing_list.txt: expected at most 16777216 bytes, found 1099511627776 bytes"
        ),
        "{said}"
    );
}
