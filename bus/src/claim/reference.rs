//! The reference to stored bytes.

use std::fmt;

use sha2::{Digest, Sha256};

/// A reference to stored bytes: their digest and their size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// The number of bytes.
    pub size: u64,
}

impl Claim {
    /// The claim of `bytes`.
    pub fn from_content(bytes: &[u8]) -> Self {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self { sha256: Sha256::digest(bytes).into(), size }
    }

    /// The claim of `size` bytes with a digest of 64 lower-case hexadecimal digits. Upper case is
    /// rejected, so that every digest has one spelling.
    pub fn from_hex(digest: &str, size: u64) -> Option<Self> {
        let mut sha256 = [0; 32];
        hex::decode_to_slice(digest, &mut sha256).ok()?;
        let has_upper_case = digest.bytes().any(|it| it.is_ascii_uppercase());
        (!has_upper_case).then_some(Self { sha256, size })
    }

    /// The claim of `size` bytes from a text `sha256:<hex>`, as [`Display`](fmt::Display) prints it.
    pub fn from_reference(reference: &str, size: u64) -> Option<Self> {
        Self::from_hex(reference.strip_prefix("sha256:")?, size)
    }

    /// The digest as 64 lower-case hexadecimal digits.
    pub fn sha256_hex(&self) -> String {
        hex::encode(self.sha256)
    }

    /// The folder and the file name in a store. The first byte of the digest is the folder, so that
    /// folders stay small.
    pub(super) fn path(&self) -> (String, String) {
        let name = self.sha256_hex();
        (name.chars().take(2).collect(), name)
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", self.sha256_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_has_one_spelling() {
        let claim = Claim::from_content(b"abc");
        let written = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(claim.to_string(), written);
        assert_eq!(Claim::from_reference(written, 3), Some(claim));
        assert_eq!(Claim::from_reference(&written.to_uppercase(), 3), None);
        assert_eq!(Claim::from_reference(written.trim_end_matches("5ad"), 3), None);
        assert_eq!(Claim::from_hex(written, 3), None);
    }
}
