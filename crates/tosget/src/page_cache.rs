//! What becomes of the system's copies of what was written.

/// Whether the system keeps what a download has written in its memory, where other programs keep what they need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageCache {
    /// As it likes: who reads the file right afterwards finds it there, and what was there before may have to go. The
    /// default.
    #[default]
    Keep,
    /// No more than a few hundred mebibytes at a time, and nothing at the end: for files that nobody reads soon, larger than
    /// the memory is. The disk is written to all the time instead of in bursts. Linux only; elsewhere it is as `Keep`.
    Drop,
}
