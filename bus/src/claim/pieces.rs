//! The digests of the pieces of stored bytes, by which a part is checked without the rest.
//!
//! They are stored beside the bytes when these are stored. They can be computed anew from bytes that
//! have the digest of their claim, so they are no promise of durability.

use sha2::{Digest, Sha256};

use super::reference::Claim;

/// Bytes of one piece; the last one may be shorter. A reader holds one piece in memory.
pub(super) const PIECE_BYTES: u64 = 1 << 20;

const DIGEST_BYTES: usize = 32;

/// The SHA-256 of each piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pieces(Vec<[u8; DIGEST_BYTES]>);

impl Pieces {
    /// The digests of bytes that are one piece: the claim's own. None for other sizes.
    pub(super) fn of_small(claim: &Claim) -> Option<Self> {
        (claim.size > 0 && claim.size <= PIECE_BYTES).then(|| Self(vec![claim.sha256]))
    }

    /// Whether the piece that begins at `begin` has these bytes.
    pub(super) fn has(&self, begin: u64, bytes: &[u8]) -> bool {
        let index = usize::try_from(begin / PIECE_BYTES).unwrap_or(usize::MAX);
        let digest: [u8; DIGEST_BYTES] = Sha256::digest(bytes).into();
        self.0.get(index) == Some(&digest)
    }

    /// The stored form: the digests, and one over them and the claim, by which damage shows.
    pub(super) fn encode(&self, claim: &Claim) -> Vec<u8> {
        let mut encoded = self.0.concat();
        let seal = seal(claim, &encoded);
        encoded.extend_from_slice(&seal);
        encoded
    }

    /// Reads the stored form; none when it is damaged or belongs to another claim.
    pub(super) fn decode(encoded: &[u8], claim: &Claim) -> Option<Self> {
        let (digests, found) = encoded.split_last_chunk::<DIGEST_BYTES>()?;
        let count = u64::try_from(digests.len() / DIGEST_BYTES).ok()?;
        let (digests_whole, rest) = digests.as_chunks::<DIGEST_BYTES>();
        let is_whole = rest.is_empty() && count == claim.size.div_ceil(PIECE_BYTES);
        (is_whole && seal(claim, digests) == *found).then(|| Self(digests_whole.to_vec()))
    }
}

fn seal(claim: &Claim, digests: &[u8]) -> [u8; DIGEST_BYTES] {
    Sha256::new().chain_update(claim.sha256).chain_update(digests).finalize().into()
}

/// Computes the digests of pieces while bytes are appended.
#[derive(Clone, Debug, Default)]
pub(super) struct PieceHasher {
    whole: Vec<[u8; DIGEST_BYTES]>,
    current: Sha256,
    /// Bytes of the piece that is not whole yet.
    filled: usize,
}

impl PieceHasher {
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        let piece_bytes = usize::try_from(PIECE_BYTES).unwrap_or(usize::MAX);
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at(bytes.len().min(piece_bytes - self.filled));
            self.current.update(part);
            self.filled += part.len();
            if self.filled == piece_bytes {
                self.whole.push(self.current.finalize_reset().into());
                self.filled = 0;
            }
            bytes = rest;
        }
    }

    pub(super) fn finish(&self) -> Pieces {
        let mut digests = self.whole.clone();
        if self.filled > 0 {
            digests.push(self.current.clone().finalize().into());
        }
        Pieces(digests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(bytes: &[u8], chunk: usize) -> Pieces {
        let mut hasher = PieceHasher::default();
        bytes.chunks(chunk).for_each(|it| hasher.update(it));
        hasher.finish()
    }

    #[test]
    fn the_digests_do_not_depend_on_how_the_bytes_came() {
        let bytes: Vec<u8> =
            (0..2_500_000_usize).map(|it| (it ^ (it >> 8)).to_le_bytes()[0]).collect();
        let found = pieces(&bytes, 65_521);
        assert_eq!(found, pieces(&bytes, 2_500_000));
        for (begin, end) in [(0, 1 << 20), (1 << 20, 2 << 20), (2 << 20, bytes.len())] {
            let begin_at = u64::try_from(begin).unwrap();
            assert!(found.has(begin_at, &bytes[begin..end]));
            assert!(!found.has(begin_at, &bytes[begin..end - 1]));
        }
        assert!(!found.has(3 << 20, b""));
    }

    #[test]
    fn a_damaged_or_foreign_list_of_digests_is_not_used() {
        let bytes = vec![7; 1_500_000];
        let (claim, found) = (Claim::from_content(&bytes), pieces(&bytes, 1_000));
        let encoded = found.encode(&claim);
        assert_eq!(Pieces::decode(&encoded, &claim), Some(found));
        for index in [0, 40, encoded.len() - 1] {
            let mut damaged = encoded.clone();
            damaged[index] ^= 1;
            assert_eq!(Pieces::decode(&damaged, &claim), None);
        }
        assert_eq!(Pieces::decode(&encoded[32..], &claim), None);
        assert_eq!(Pieces::decode(b"", &claim), None);
        assert_eq!(Pieces::decode(&encoded, &Claim::from_content(b"another")), None);
    }

    #[test]
    fn bytes_of_one_piece_have_the_digest_of_their_claim() {
        let claim = Claim::from_content(b"than");
        assert!(Pieces::of_small(&claim).unwrap().has(0, b"than"));
        assert_eq!(Pieces::of_small(&Claim::from_content(b"")), None);
        assert_eq!(Pieces::of_small(&Claim { size: PIECE_BYTES + 1, ..claim }), None);
    }
}
