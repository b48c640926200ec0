//! Files of every pickle protocol that `torch.save` offers, plain and inside a checkpoint of
//! Lightning, and what is refused in one sentence. `tests/data/make.py` made them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use pth::{Error, File, LARGEST_PICKLE, described};

const FILES: [(&str, &[u8]); 8] = [
    ("plain-2", include_bytes!("data/plain-2.pth")),
    ("plain-3", include_bytes!("data/plain-3.pth")),
    ("plain-4", include_bytes!("data/plain-4.pth")),
    ("plain-5", include_bytes!("data/plain-5.pth")),
    ("lightning-2", include_bytes!("data/lightning-2.pth")),
    ("lightning-3", include_bytes!("data/lightning-3.pth")),
    ("lightning-4", include_bytes!("data/lightning-4.pth")),
    ("lightning-5", include_bytes!("data/lightning-5.pth")),
];

/// A pickle of protocol 4 from its opcodes.
fn pickle(opcodes: &[&[u8]]) -> Vec<u8> {
    [b"\x80\x04", &opcodes.concat()[..], b"."].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&[0x8c, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

/// What makes the tensor `[2, 3]` of a storage of six.
fn tensor() -> Vec<u8> {
    [
        &b"ctorch._utils\n_rebuild_tensor_v2\n(("[..],
        &text("storage"),
        b"ctorch\nFloatStorage\n",
        &text("0"),
        &text("cpu"),
        b"K\x06tQK\0K\x02K\x03\x86K\x03K\x01\x86\x89ccollections\nOrderedDict\n)RtR",
    ]
    .concat()
}

#[track_caller]
fn sentence(error: &Error) -> String {
    let said = error.to_string();
    assert!(!said.contains(['\n', '\t', '\u{1b}']), "{said:?}");
    assert!(said.len() < 600, "{said}");
    said
}

#[track_caller]
fn refused(bytes: &[u8]) -> String {
    sentence(&described(bytes).unwrap_err())
}

#[test]
fn every_protocol_plain_and_in_a_checkpoint_of_lightning() {
    for (name, bytes) in FILES {
        let mut file = File::read(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let names: Vec<String> = file.tensors().keys().cloned().collect();
        assert_eq!(names.len(), 16, "{name}: {names:?}");
        assert!(names.iter().all(|name| name.starts_with("fun.")), "{names:?}");
        assert_eq!(file.tensors()["fun.4.weight"].shape, [2, 2, 3, 3]);
        let counted = |from: u32, n: u32| -> Vec<f64> {
            (from..from + n).map(|i| f64::from(i) / 8.0).collect()
        };
        assert_eq!(file.values("fun.0.weight").unwrap(), counted(0, 18), "{name}");
        assert_eq!(file.values("fun.5.running_var").unwrap(), counted(102, 2), "{name}");
        let whole = file.values("fun.1.num_batches_tracked").unwrap_err().to_string();
        assert!(whole.contains("is of LongStorage, expected floating-point numbers"), "{whole}");
        assert!(file.values("best_model_score").is_err(), "what stands beside the state dict");
    }
}

#[test]
fn an_object_in_place_of_a_tensor_is_named_and_one_elsewhere_is_not_made() {
    let call = |global: &str| [global.as_bytes(), &text("touch /tmp/x"), b"\x85R"].concat();
    let system = call("cposix\nsystem\n");
    let dict = |entries: &[&[u8]]| pickle(&[b"}(", &entries.concat(), b"u"]);
    let said = refused(&dict(&[&text("a.weight"), &tensor(), &text("b.weight"), &system]));
    assert!(said.contains("under b.weight, found what posix.system makes"), "{said}");
    let said = refused(&pickle(&[&system]));
    assert!(said.contains("made by posix.system; save model.state_dict() instead"), "{said}");
    let said = refused(&pickle(&[b"cmodels\nNet\n)\x81"]));
    assert!(said.contains("made by models.Net"), "{said}");
    let nested = [&b"}("[..], &text("a"), &tensor(), b"u"].concat();
    let all = dict(&[&text("hyper_parameters"), &system, &text("state_dict"), &nested]);
    assert_eq!(described(&all).unwrap().len(), 1);
    for global in ["ctorch._utils\n_rebuild_sparse_tensor\n", "ctorch._utils\n_rebuild_qtensor\n"] {
        let said = refused(&dict(&[&text("a"), &call(global)]));
        assert!(said.contains("_tensor makes; save dense") || said.contains("qtensor makes"));
    }
}

#[test]
fn what_is_there_twice_or_lies_oddly_is_refused_by_name() {
    let two = |first: &str, second: &str| {
        pickle(&[b"}(", &text(first), &tensor(), &text(second), &tensor(), b"u"])
    };
    assert_eq!(described(&two("module.a", "net.b")).unwrap().len(), 2);
    for (first, second) in [("a", "a"), ("a", "module.a"), ("net.a", "model.a")] {
        assert!(refused(&two(first, second)).starts_with("a is there twice"), "{first} {second}");
    }
    let nested = [&b"}("[..], &text("a"), &tensor(), b"u"].concat();
    let state = text("state_dict");
    let twice = pickle(&[b"}(", &state, &nested, &state, &nested, b"u"]);
    assert!(refused(&twice).starts_with("state_dict is there twice"));
    assert!(refused(&two("a", "b\u{1b}[31m")).contains("has a name that no layer has"));
    let with = |from: &[u8], to: &[u8]| {
        let tensor = tensor();
        let at = tensor.windows(from.len()).position(|part| part == from).unwrap();
        let changed = [&tensor[..at], to, &tensor[at + from.len()..]].concat();
        pickle(&[b"}", &text("a"), &changed, b"s"])
    };
    for (from, to) in [
        (&b"K\x02K\x03\x86"[..], &b"J\xff\xff\xff\xffK\x03\x86"[..]),
        (b"ctorch\nFloatStorage\n", b"cos\nFloatStorage\n"),
        (b"K\x06tQ", b"NtQ"),
        (b"K\x06tQ", b"K\x06t"),
    ] {
        assert!(refused(&with(from, to)).starts_with("a "), "{:?}", String::from_utf8_lossy(to));
    }
}

#[test]
fn pickles_that_are_none_say_where() {
    for (bytes, words) in [
        (&b""[..], "byte 0: expected 1 bytes more, found the end"),
        (b"\x80\x01.", "expected the pickle protocols 2 to 5, found 1"),
        (b"\x80\x06.", "found 6"),
        (b"\x80\x02", "byte 2: expected 1 bytes more"),
        (b"\x80\x02.", "byte 2: an opcode that takes what is not there"),
        (b"\x80\x02V1\n.", "found 0x56"),
        (b"\x80\x02}h\x05.", "number 5 of a memo without it"),
        (b"\x80\x04\x95\xff\0\0\0\0\0\0\0.", "a frame of 255 bytes, more than there are"),
        (b"\x80\x02X\xff\xff\xff\xffabc.", "expected 4294967295 bytes more, found the end after 4"),
        (b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xffab.", "found the end after 3"),
        (b"\x80\x02}K\x01u.", "takes all since a mark, without one"),
        (b"\x80\x02](K\x01K\x02u.", "entries for what is no dict"),
        (b"\x80\x02}(K\x01u.", "a key without a value"),
        (b"\x80\x02K\x01.", "expected a state dict, found a number"),
        (b"\x80\x02].", "expected a state dict, found a list"),
        (b"\x80\x02}.", "found nothing; save"),
    ] {
        let said = refused(bytes);
        assert!(said.contains(words), "{words}: {said}");
    }
    let large = described(&vec![b'('; LARGEST_PICKLE + 1]).unwrap_err();
    assert_eq!(large, Error::LargePickle { found: LARGEST_PICKLE + 1 });
}
