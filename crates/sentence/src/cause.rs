use std::io::{Error, ErrorKind};

/// What a system's error is, in words that follow "found": `nothing of that name`. No number of
/// the system is among them.
pub fn cause(error: &Error) -> String {
    match known(error.kind()) {
        Some(words) => words.to_owned(),
        // a sentence of our own, or a rare error in the system's words
        None => without_number(&error.to_string()).to_owned(),
    }
}

fn known(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::NotFound => "nothing of that name",
        ErrorKind::PermissionDenied => "no permission for it",
        ErrorKind::AlreadyExists => "something of that name",
        ErrorKind::NotADirectory => "a file where a folder should be",
        ErrorKind::IsADirectory => "a folder where a file should be",
        ErrorKind::DirectoryNotEmpty => "a folder that is not empty",
        ErrorKind::ReadOnlyFilesystem => "a read-only file system",
        ErrorKind::StorageFull => "no space left on the disk",
        ErrorKind::QuotaExceeded => "no space left of this user's share of the disk",
        ErrorKind::FileTooLarge => "a file too large for its disk",
        ErrorKind::InvalidFilename => "a name that the file system does not take",
        ErrorKind::ExecutableFileBusy => "a program that runs",
        ErrorKind::ResourceBusy => "a file or disk in use",
        ErrorKind::StaleNetworkFileHandle => "a file that is gone from its server",
        ErrorKind::OutOfMemory => "too little memory",
        ErrorKind::BrokenPipe => "a reader that left",
        ErrorKind::TimedOut => "no answer in time",
        ErrorKind::ConnectionRefused => "a refused connection",
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => "a broken connection",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "no way to that machine",
        ErrorKind::NetworkDown => "no network",
        _ => return None,
    })
}

/// A system's sentence without the number at its end: `Input/output error (os error 5)`.
fn without_number(said: &str) -> &str {
    said.split_once(" (os error ").map_or(said, |(words, _)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_system_error_has_its_number() {
        for number in 1..200 {
            let said = cause(&Error::from_raw_os_error(number));
            assert!(!said.contains("os error") && !said.is_empty(), "{number}: {said}");
        }
        // another crate's words around the system's
        let inner = Error::from_raw_os_error(5);
        let outer = Error::other(format!("{inner} at path \"/x\""));
        assert!(!cause(&outer).contains("os error"));
        assert_eq!(cause(&Error::other("it is a device")), "it is a device");
        assert_eq!(cause(&ErrorKind::NotFound.into()), "nothing of that name");
    }
}
