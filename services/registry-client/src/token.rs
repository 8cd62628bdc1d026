//! Digests of applications' tokens.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// SHA-256 of an application's token.
///
/// Tokens are found by a hash lookup of their digest, so no comparison depends on a token's bytes
/// and timing reveals nothing about them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of a token as an application sends it.
    pub fn of_token(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// A digest from the registry; none when it is not 64 hexadecimal digits.
    pub(crate) fn from_hex(digest: &str) -> Option<Self> {
        let mut sha256 = [0; 32];
        hex::decode_to_slice(digest, &mut sha256).ok()?;
        Some(Self(sha256))
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenDigest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_a_token_is_the_one_that_the_registry_holds_and_is_not_printed() {
        let digest = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";
        let parsed = TokenDigest::from_hex(digest).unwrap();
        assert_eq!(parsed, TokenDigest::of_token("hello world"));
        assert_eq!(format!("{parsed:?}"), "TokenDigest(…)");
        for wrong in ["", "b94d", "zz"] {
            assert_eq!(TokenDigest::from_hex(wrong), None, "{wrong}");
        }
    }
}
