//! Base64 of bytes that come piece by piece.

use std::io::{self, Write};

use base64_simd::STANDARD;

/// Appends base64 of the pushed bytes. Groups of three bytes are encoded at once; up to two bytes
/// wait for the next push.
pub(super) struct Base64Writer<'o> {
    out: &'o mut Vec<u8>,
    pending: Vec<u8>,
    /// Bytes that were pushed.
    size: u64,
}

impl<'o> Base64Writer<'o> {
    /// A writer that appends to `out`.
    pub(super) fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, pending: Vec::new(), size: 0 }
    }

    /// Appends the next bytes.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        self.size += bytes.len() as u64;
        if !self.pending.is_empty() {
            let missing = (3 - self.pending.len() % 3) % 3;
            let (first, rest) = bytes.split_at(missing.min(bytes.len()));
            self.pending.extend_from_slice(first);
            bytes = rest;
            if !self.pending.len().is_multiple_of(3) {
                return;
            }
            let whole = std::mem::take(&mut self.pending);
            STANDARD.encode_append(&whole, self.out);
        }
        let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % 3);
        STANDARD.encode_append(whole, self.out);
        self.pending.extend_from_slice(rest);
    }

    /// Number of bytes that were pushed.
    pub(super) fn pushed(&self) -> u64 {
        self.size
    }

    /// Appends the last group.
    pub(super) fn finish(self) -> &'o mut Vec<u8> {
        STANDARD.encode_append(&self.pending, self.out);
        self.out
    }
}

impl Write for Base64Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
