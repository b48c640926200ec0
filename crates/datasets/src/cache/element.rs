use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The type of a cached value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// Counts up to 255, or pixels.
    U8,
    /// Counts up to 65535.
    U16,
    /// Analogue features.
    F32,
}

impl Dtype {
    /// Bytes of one value.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::F32 => 4,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::F32 => "f32",
        })
    }
}

impl FromStr for Dtype {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::U8, Self::U16, Self::F32]
            .into_iter()
            .find(|dtype| dtype.to_string() == text)
            .ok_or_else(|| format!("expected u8, u16 or f32, found \"{text}\""))
    }
}

/// A value that a cache holds: `u8`, `u16` or `f32`, little-endian on disk.
pub trait Element: Copy + Send + Sync + sealed::Sealed + 'static {
    /// Its type.
    const DTYPE: Dtype;

    /// Little-endian bytes.
    fn to_bytes(values: &[Self]) -> Vec<u8>;

    /// Values of little-endian bytes; bytes left over after the last whole value are dropped.
    fn of_bytes(bytes: Vec<u8>) -> Vec<Self>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for u8 {}
    impl Sealed for u16 {}
    impl Sealed for f32 {}
}

impl Element for u8 {
    const DTYPE: Dtype = Dtype::U8;

    fn to_bytes(values: &[Self]) -> Vec<u8> {
        values.to_vec()
    }

    fn of_bytes(bytes: Vec<u8>) -> Vec<Self> {
        bytes
    }
}

impl Element for u16 {
    const DTYPE: Dtype = Dtype::U16;

    fn to_bytes(values: &[Self]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn of_bytes(bytes: Vec<u8>) -> Vec<Self> {
        bytes.as_chunks().0.iter().map(|&value| Self::from_le_bytes(value)).collect()
    }
}

impl Element for f32 {
    const DTYPE: Dtype = Dtype::F32;

    fn to_bytes(values: &[Self]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn of_bytes(bytes: Vec<u8>) -> Vec<Self> {
        bytes.as_chunks().0.iter().map(|&value| Self::from_le_bytes(value)).collect()
    }
}
