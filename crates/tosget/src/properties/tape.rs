//! Bytes read as choices, so that any bytes mean something that is well formed. Where they end, all choices are zero.

/// What is left of the bytes.
#[derive(Debug)]
pub(crate) struct Tape<'a>(&'a [u8]);

impl<'a> Tape<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or_default()
    }

    /// A number of up to eight bytes; small ones are as likely as large ones.
    pub(crate) fn number(&mut self) -> u64 {
        let len = usize::from(self.byte() % 9);
        self.bytes(len)
            .iter()
            .fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    /// A number below `limit`; 0 where there is none.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.number().checked_rem(limit).unwrap_or_default()
    }

    /// The next `len` bytes, or what there is.
    pub(crate) fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// Up to 255 bytes, whose number comes first.
    pub(crate) fn some_bytes(&mut self) -> &'a [u8] {
        let len = self.byte();
        self.bytes(usize::from(len))
    }

    /// Up to 255 bytes as text.
    pub(crate) fn text(&mut self) -> String {
        String::from_utf8_lossy(self.some_bytes()).into_owned()
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}
