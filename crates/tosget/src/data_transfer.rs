//! How far a download is, as the official SDKs tell it to a listener.

/// One call of a data transfer listener.
///
/// After [`Started`](DataTransferType::Started) come any number of [`Rw`](DataTransferType::Rw) and then one
/// [`Succeed`](DataTransferType::Succeed), whose `consumed_bytes` is exactly `total_bytes`, or one
/// [`Failed`](DataTransferType::Failed). `consumed_bytes` never goes back, and a byte that is fetched twice counts once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DataTransferStatus {
    /// Bytes that are there, those of earlier calls included.
    pub consumed_bytes: u64,
    /// Size of the object.
    pub total_bytes: u64,
    /// Bytes that came since the call of the listener before.
    pub rw_once_bytes: u64,
    /// What is told.
    pub data_transfer_type: DataTransferType,
}

/// What a call of a data transfer listener is about. The numbers are the official SDKs'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DataTransferType {
    /// The object is known; `consumed_bytes` is what an earlier call left.
    Started = 1,
    /// Bytes came.
    Rw = 2,
    /// All bytes are there; they are still to be verified and named.
    Succeed = 3,
    /// The call ends with an error.
    Failed = 4,
}

impl DataTransferType {
    /// The number that TOS users know.
    pub fn value(self) -> u32 {
        self as u32
    }
}
