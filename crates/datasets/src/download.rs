/// A file that a publisher offers, with what is known to identify it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Download {
    /// Its name on disk: the publisher's, whatever the URL ends in.
    pub file: &'static str,
    /// Where it is to be had, in the order to try; none where the publisher has no direct link (see
    /// [`crate::Info::manual`]).
    pub urls: &'static [&'static str],
    /// Its length, where published.
    pub bytes: Option<u64>,
    /// Its MD5 in lower-case hexadecimal, where published.
    pub md5: Option<&'static str>,
    /// Its SHA-256 in lower-case hexadecimal, where published.
    pub sha256: Option<&'static str>,
    /// What is done with it once it is here and checked.
    pub unpack: Unpack,
}

/// What is done with a [`Download`] below the data set's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpack {
    /// Nothing: it is read as it is.
    Keep,
    /// A zip archive.
    Zip,
    /// A tar archive compressed by gzip.
    TarGz,
}
