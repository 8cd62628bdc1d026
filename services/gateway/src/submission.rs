//! What a sender said in a submit, as digests: neither the registry nor a format description changes
//! them, so a retry is recognised whatever happened meanwhile.
//!
//! The format is no part of them, because the same bytes that are once said to be `auto` and once by
//! the name of the detected format are the same item; the journal compares it beside the digest. Nor
//! are the names of uploads, which are others in each try, or media types, which the content decides.

use proto::exchange::v1::SubmitRequest;
use proto::exchange::v1::submit_request::Body as SubmittedBody;
use sha2::{Digest as _, Sha256};

/// A SHA-256.
pub(crate) type Sha256Bytes = [u8; 32];

/// The digests of a submission.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SubmissionDigests {
    /// Of all that was said; none while the bytes of an upload are not known.
    pub(crate) submission: Option<Sha256Bytes>,
    /// Of the same without the bytes of uploads.
    pub(crate) outline: Sha256Bytes,
}

impl SubmissionDigests {
    /// The digests of one record of a body of several.
    pub(crate) fn of_record(self, index: usize) -> Self {
        let digest = |of: Sha256Bytes| record_digest(&of, index);
        Self { submission: self.submission.map(digest), outline: digest(self.outline) }
    }
}

/// The digest of a record of a body, derived from that of the body: the same in every try.
pub(crate) fn record_digest(body: &Sha256Bytes, index: usize) -> Sha256Bytes {
    let mut digest = Sha256::new();
    add(&mut digest, b"record");
    add(&mut digest, &u64::try_from(index).unwrap_or(u64::MAX).to_be_bytes());
    add(&mut digest, body);
    digest.finalize().into()
}

/// The digests of what `sender` said in a request. `body` and `files` are the digests of the bytes,
/// the files in the order of the request.
pub(crate) fn digest_submission(
    (sender, request): (&str, &SubmitRequest),
    body: Option<Sha256Bytes>,
    files: &[Option<Sha256Bytes>],
) -> SubmissionDigests {
    let is_known = body.is_some() && files.iter().all(Option::is_some);
    let is_inline = matches!(request.body, Some(SubmittedBody::Inline(_)));
    let body_outline = body.filter(|_| is_inline);
    let no_files = vec![None; files.len()];
    let digest = |body: Option<Sha256Bytes>, files: &[Option<Sha256Bytes>]| {
        let mut digest = Sha256::new();
        add(&mut digest, sender.as_bytes());
        let mut recipients: Vec<&str> = request.recipients.iter().map(String::as_str).collect();
        recipients.sort_unstable();
        add(&mut digest, &recipients.len().to_be_bytes());
        for it in recipients {
            add(&mut digest, it.as_bytes());
        }
        add(&mut digest, body.as_ref().map_or(&[], <[u8; 32]>::as_slice));
        let mut files: Vec<_> = request.attachments.iter().zip(files).collect();
        files.sort_unstable_by_key(|(it, _)| &it.reference);
        for (file, sha256) in files {
            add(&mut digest, file.reference.as_bytes());
            add(&mut digest, file.file_name.as_bytes());
            add(&mut digest, sha256.as_ref().map_or(&[], <[u8; 32]>::as_slice));
        }
        Sha256Bytes::from(digest.finalize())
    };
    SubmissionDigests {
        submission: is_known.then(|| digest(body, files)),
        outline: digest(body_outline, &no_files),
    }
}

/// Adds a part, preceded by its length, so that no two inputs have the same concatenation.
fn add(digest: &mut Sha256, part: &[u8]) {
    digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
    digest.update(part);
}

#[cfg(test)]
mod tests {
    use proto::exchange::v1::SubmittedAttachment;

    use super::*;

    fn request() -> SubmitRequest {
        let file = |reference: &str, part: &str| SubmittedAttachment {
            reference: reference.to_owned(),
            part: part.to_owned(),
            file_name: format!("{reference}.pdf"),
            ..SubmittedAttachment::default()
        };
        SubmitRequest {
            body: Some(SubmittedBody::Inline("x".into())),
            attachments: vec![file("a", "1"), file("b", "2")],
            recipients: vec!["B".to_owned(), "C".to_owned()],
            ..SubmitRequest::default()
        }
    }

    const FILES: [Option<Sha256Bytes>; 2] = [Some([1; 32]), Some([2; 32])];

    fn digests(request: &SubmitRequest, files: &[Option<Sha256Bytes>]) -> SubmissionDigests {
        digest_submission(("sender", request), Some([9; 32]), files)
    }

    #[test]
    fn order_upload_names_formats_and_media_types_do_not_count() {
        let mut other = request();
        other.attachments.reverse();
        other.recipients.reverse();
        for it in &mut other.attachments {
            it.part.push('x');
            it.media_type = "text/plain".to_owned();
        }
        other.format = "auto".to_owned();
        other.key = "another".to_owned();
        let reversed = [FILES[1], FILES[0]];
        assert_eq!(digests(&other, &reversed), digests(&request(), &FILES));
    }

    #[test]
    fn whatever_else_was_said_counts() {
        let first = digests(&request(), &FILES);
        let changes: [fn(&mut SubmitRequest); 4] = [
            |it| it.recipients.push("D".to_owned()),
            |it| it.recipients.clear(),
            |it| it.attachments[0].file_name.push('x'),
            |it| it.attachments[1].reference.push('x'),
        ];
        for change in changes {
            let mut other = request();
            change(&mut other);
            let other = digests(&other, &FILES);
            assert_ne!(other.submission, first.submission);
            assert_ne!(other.outline, first.outline);
        }
        let other = digests(&request(), &[FILES[0], Some([3; 32])]);
        assert_ne!(other.submission, first.submission);
        assert_eq!(other.outline, first.outline, "the bytes of uploads are no part of it");
        let body = digest_submission(("sender", &request()), Some([8; 32]), &FILES);
        assert_ne!((body.submission, body.outline), (first.submission, first.outline));
        assert_ne!(digest_submission(("x", &request()), Some([9; 32]), &FILES), first);
        assert_eq!(digests(&request(), &[None, FILES[1]]).submission, None);
    }
}
