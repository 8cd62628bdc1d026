//! Reading again what a format wrote.

use proto::canonical::v1::Canonical;
use proto::mapping::v1::DeclaredAttachment;

use crate::content::{MemoryBlobs, digest_reference};
use crate::format::{EncodeContext, Format};

/// The message that the encoded bytes decode to. They refer to files by digest, so the declared
/// files are declared by digest too.
pub(super) fn decode_again(
    format: &Format,
    (native, declared): (&[u8], &[DeclaredAttachment]),
    files: &mut MemoryBlobs,
) -> Option<Canonical> {
    let by_digest = |it: &DeclaredAttachment| {
        let sha256 = it.claim.as_ref().map(|it| it.sha256.to_vec()).unwrap_or_default();
        DeclaredAttachment { reference: digest_reference(&sha256), ..it.clone() }
    };
    let declared: Vec<_> = declared.iter().map(by_digest).collect();
    let mut message = format.decode(native, &declared, files).ok()?.into_iter().next()?.canonical;
    message.origin = None;
    Some(message)
}

/// Cases are written at one fixed time, 2026-01-01 00:00 in Vietnam, so that they stay the same.
pub(super) fn written_at() -> EncodeContext {
    EncodeContext { now_us: 1_767_200_400_000_000, ..EncodeContext::default() }
}
