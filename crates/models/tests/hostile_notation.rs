//! Whatever a network's text says, reading it and building its outline ends in a network or in one
//! sentence, and takes no memory for weights.
#![allow(clippy::unwrap_used, clippy::panic)]

use models::{Network, Spec, StatisticsOver};
use neuron::Config;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

const SAMPLE: [usize; 3] = [34, 34, 2];

fn outline(text: &str) -> Result<Network, String> {
    let spec: Spec = text.parse().map_err(|e: models::ParseError| e.to_string())?;
    assert_eq!(spec.to_string(), text, "what is read is written again");
    let neuron = Config::bpsa_bpta().build().unwrap();
    Network::outline(&spec, SAMPLE, 10, neuron, StatisticsOver::Step)
        .map_err(|e| e.to_string().lines().next().unwrap_or_default().to_owned())
}

#[track_caller]
fn one_sentence(text: &str, error: &str) {
    assert!(error.starts_with("network"), "{text}: {error}");
    assert!(!error.contains('\n') && error.len() < 700, "{text}: {} bytes", error.len());
    for word in ["panicked", "invalid type", "ParseIntError", "candle"] {
        assert!(!error.contains(word), "{text}: {error}");
    }
}

#[test]
fn numbers_that_overflow_are_one_sentence() {
    let long = "MP1-".repeat(5000) + "10Voting";
    let many = "99*8RB3-".repeat(2000) + "10Voting";
    for text in [
        "99999999999999999999C3-10Voting",
        "8C99999999999999999999-10Voting",
        "18446744073709551616FC-10Voting",
        "18446744073709551615Voting",
        "4294967296MP4294967296",
        "MP4294967296-10Voting",
        "AP18446744073709551615-10Voting",
        "8S3/18446744073709551615-10Voting",
        "18446744073709551615*8RB3-10Voting",
        "1048576C31-1048576C31-10Voting",
        "1048576FC-1048576FC-1048576Voting",
        &long,
        &many,
        &"9".repeat(65_536),
    ] {
        one_sentence(text, &outline(text).err().unwrap_or_else(|| panic!("{text}: taken")));
    }
}

// Long: half of it is the lists that notations are made of.
#[test]
fn mutated_notations_are_networks_or_one_sentence() {
    const GOOD: [&str; 5] = [
        "128C3-MP2-128C3-256C3-AP2-2048FC(DP)-10Voting",
        "64S3-3*64RB3-128RB3/2-64RB3-64RB3-BN-GAP-10Voting",
        "7S5/3-12*9RB1/31(post)-8RB3(post)-2*MP2-2*8FC(DP)-3Voting",
        "16C3-MP2-16C3-MP2-32C3-AP2-64C3-AP4-DP-10Voting",
        "10Voting",
    ];
    const PIECES: [&str; 24] = [
        "-",
        "*",
        "/",
        "(",
        ")",
        "0",
        "9",
        "99999999",
        "4294967296",
        "18446744073709551615",
        "C3",
        "S3",
        "RB3",
        "MP2",
        "AP",
        "GAP",
        "BN",
        "DP",
        "FC",
        "Voting",
        " ",
        "\n",
        "Ä",
        "\0",
    ];
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut below = |n: usize| (random.next_u64() % n as u64) as usize;
    let (mut taken, mut refused) = (0, 0);
    for round in 0..2000 {
        let mut text: Vec<char> = GOOD[below(GOOD.len())].chars().collect();
        // a typing error or two in half of them, another digit in the others
        for _ in 0..=below(3) {
            let at = below(text.len().max(1));
            if round % 2 == 0 {
                let end = (at + below(4)).min(text.len());
                let piece: Vec<char> = PIECES[below(PIECES.len())].chars().collect();
                text.splice(at..end, piece);
            } else if text[at].is_ascii_digit() {
                text[at] = char::from(b'1' + below(9) as u8);
            }
        }
        let text: String = text.into_iter().collect();
        match outline(&text) {
            Ok(network) => {
                taken += 1;
                assert!(network.footprint(SAMPLE).weights > 0, "{text}");
            }
            Err(error) => {
                refused += 1;
                one_sentence(&text, &error);
            }
        }
    }
    println!("notations: {taken} taken, {refused} refused");
    assert!(taken > 50 && refused > 500, "{taken} networks, {refused} sentences");
}

#[test]
fn an_outline_has_the_sizes_of_the_network_and_none_of_its_memory() {
    let taken = outline("1000000FC-10Voting").unwrap().footprint(SAMPLE);
    let units = 1_000_000u128;
    assert_eq!(taken.weights, 34 * 34 * 2 * units + units + units * 100 + 100);
    assert_eq!(taken.behind_neurons, units);
    let taken = outline("4C3-AP2-8RB3/2-2FC-BN-10Voting").unwrap().footprint(SAMPLE);
    let found: Vec<(&str, [usize; 2])> =
        taken.norms.iter().map(|norm| (norm.name.as_str(), norm.map)).collect();
    let expected = [
        ("4C3-1", [34, 34]),
        ("8RB3/2-1.1", [17, 17]),
        ("8RB3/2-1.2", [9, 9]),
        ("8RB3/2-1.shortcut", [17, 17]),
        ("BN-1", [1, 1]),
    ];
    assert_eq!(found, expected);
    assert_eq!((taken.before_neurons, taken.behind_neurons), (34 * 34 * 4, 34 * 34 * 4));
}
