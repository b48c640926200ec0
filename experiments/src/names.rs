//! A run's name as a file has it: bounded, so that no file system refuses it after hours.

use sha2::{Digest, Sha256};

/// Bytes of a row in a file's name. With the longest seed and ending it stays below 120, where the
/// tightest file systems in use (eCryptfs) take 143.
const LONGEST: usize = 80;
/// Hex digits of the digest that takes the place of what is cut off.
const DIGITS: usize = 16;

/// A row's name as files have it: as it is, or where it is long its beginning and a digest of the
/// whole. So two rows have one name only if they are one row.
pub fn of_row(row: &str) -> String {
    if row.len() <= LONGEST {
        return row.to_owned();
    }
    let digest = sentence::hex(&Sha256::digest(row));
    let end = (0..=LONGEST - DIGITS - 1).rev().find(|&end| row.is_char_boundary(end));
    format!("{}-{}", &row[..end.unwrap_or(0)], &digest[..DIGITS])
}

/// Whether a name of a file may be the beginning of a longer row.
pub fn is_cut(name: &str) -> bool {
    let digest = name.rsplit_once('-').map_or("", |(_, digest)| digest);
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    name.len() > LONGEST - 4 && digest.len() == DIGITS && digest.bytes().all(hex)
}

/// The name of one run's files, without an ending.
pub fn of_run(row: &str, seed: u64) -> String {
    format!("{}-s{seed}", of_row(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_differ_where_rows_do() {
        let usual = "n-mnist-bpsa+bpta-short-sample";
        assert_eq!(of_row(usual), usual);
        let exactly = "x".repeat(LONGEST);
        assert_eq!(of_row(&exactly), exactly);
        let long = |end: &str| {
            format!("n-mnist-bpsa+bpta-short{}{end}", "+neuron.threshold-1".repeat(3000))
        };
        let (one, other) = (of_row(&long("a")), of_row(&long("b")));
        assert_eq!((one.len(), other.len()), (LONGEST, LONGEST));
        assert!(is_cut(&one) && !is_cut(usual) && !is_cut(&exactly));
        assert_ne!(one, other);
        assert!(one.starts_with("n-mnist-bpsa+bpta-short+neuron.threshold-1"), "{one}");
        let file = of_run(&long(""), u64::MAX) + ".safetensors";
        assert!(file.len() < 120, "{file}");
        assert!(of_row(&"ä".repeat(100)).len() <= LONGEST);
    }
}
