//! Writes to stdout and stderr, without the buffers and locks of the standard library.

use std::io::{self, ErrorKind};
use std::thread;
use std::time::Duration;

/// How long to wait for room in a stream that does not block: another process that shares it may have made it so.
const ROOM: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    /// Writes all of it, however long that takes.
    pub(crate) fn write_all(self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(length) => bytes = &bytes[length..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(ROOM),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    #[cfg(unix)]
    fn write(self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self {
            Self::Stdout => rustix::io::write(io::stdout(), bytes),
            Self::Stderr => rustix::io::write(io::stderr(), bytes),
        };
        Ok(written?)
    }

    #[cfg(not(unix))]
    fn write(self, bytes: &[u8]) -> io::Result<usize> {
        use std::io::Write;
        match self {
            Self::Stdout => io::stdout()
                .write(bytes)
                .and_then(|length| io::stdout().flush().map(|()| length)),
            Self::Stderr => io::stderr().write(bytes),
        }
    }
}
