//! What to do about an object that is replaced while it is being downloaded.

/// What a download does when the object is replaced meanwhile. Parts of the old and the new one are never mixed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnChange {
    /// The call ends with [`ErrorKind::ObjectChanged`](crate::ErrorKind::ObjectChanged); the same call again brings the new
    /// object. The default, because what the caller meant was perhaps the old one.
    #[default]
    Fail,
    /// The download starts over on the new object, at most so many times in one call; then it fails as above.
    ///
    /// Nothing of the old object is used, and the progress begins again, save for what counts requests and bytes fetched. An
    /// object that was asked for by its version or its ETag (`if_match`) is not exchanged for another one: that fails at
    /// once.
    Restart(u32),
}

impl OnChange {
    /// How often a call may start over.
    pub(crate) fn most_restarts(self) -> u64 {
        match self {
            Self::Fail => 0,
            Self::Restart(times) => times.into(),
        }
    }
}
