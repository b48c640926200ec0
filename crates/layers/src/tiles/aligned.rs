use std::ops::{Deref, DerefMut};

/// Bytes of a line of the cache: a row of a tile that lies on two takes twice as long to load, and
/// loading then takes longer than multiplying.
pub const LINE: usize = 64;

/// Numbers that start with a line of the cache.
pub struct Aligned<T> {
    all: Vec<T>,
    first: usize,
    len: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// Zeros.
    pub fn zeros(len: usize) -> Self {
        let mut new = Aligned { all: Vec::new(), first: 0, len: 0 };
        new.clear(len);
        new
    }

    /// So many zeros in place of what it held.
    pub fn clear(&mut self, len: usize) {
        self.all.clear();
        self.all.resize(len + LINE / size_of::<T>(), T::default());
        self.first = self.all.as_ptr().align_offset(LINE).min(LINE / size_of::<T>());
        self.len = len;
    }
}

impl<T> Default for Aligned<T> {
    fn default() -> Self {
        Aligned { all: Vec::new(), first: 0, len: 0 }
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.all[self.first..self.first + self.len]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.all[self.first..self.first + self.len]
    }
}

/// Sums of a block on their way to where they belong.
#[repr(align(64))]
pub struct Aside(pub [f32; super::BLOCK * super::BLOCK]);

impl Aside {
    pub fn new() -> Aside {
        Aside([0.0; super::BLOCK * super::BLOCK])
    }
}
