//! Losses that need the receiver's consent, and losses that do not.

use formats::EncodeContext;
use proto::canonical::v1::{Change, Document};
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::Claim;

use super::*;
use crate::codec::Codec;
use crate::files::{ExtractedFiles, StoredFiles};

fn loss(kind: loss::Kind, path: &str) -> Loss {
    Loss { kind: kind.into(), path: path.into(), reason: "no-place".into(), value: "x".into() }
}

fn document(kind: change::Kind) -> Canonical {
    let number = DocumentNumber {
        number: "45".into(),
        notation: "CV/TU".into(),
        printed: "45-CV/TU".into(),
        ..DocumentNumber::default()
    };
    let document = Document {
        number: Some(number),
        change: Some(Change { kind: kind.into(), ..Change::default() }),
        ..Document::default()
    };
    Canonical { origin: None, body: Some(Body::Document(document)) }
}

#[test]
fn the_loss_of_a_consent_field_is_refused() {
    use loss::Kind::{Added, Changed, Lost};
    for (kind, path, is_refused) in [
        (Lost, "subject", true),
        (Changed, "subject", true),
        (Added, "subject", false),
        (Lost, "due.year", true),
        (Changed, "issued.day", true),
        (Lost, "attachments[1].content.ref", true),
        (Changed, "attachments[0].file_name", true),
        (Lost, "attachments[0].description", false),
        (Changed, "number.notation", true),
        (Lost, "number.sub_number", true),
        (Lost, "number.printed", false),
        (Lost, "change.kind", true),
        (Lost, "change.reason", true),
        (Lost, "summary", false),
        (Lost, "recipients[0].due.year", false),
    ] {
        let fault = refuse_losses(&document(change::Kind::Revoke), &[loss(kind, path)], &[]);
        assert_eq!(fault.is_some(), is_refused, "{kind:?} {path}");
    }
}

#[test]
fn a_new_document_may_lose_its_kind_of_change() {
    let lost = [loss(loss::Kind::Lost, "change.kind")];
    assert_eq!(refuse_losses(&document(change::Kind::New), &lost, &[]), None);
}

#[test]
fn the_printed_number_may_be_lost_when_its_parts_are_kept() {
    let new = document(change::Kind::New);
    let printed = loss(loss::Kind::Lost, "number.printed");
    assert_eq!(refuse_losses(&new, std::slice::from_ref(&printed), &[]), None);
    let parts = [printed, loss(loss::Kind::Changed, "number.notation")];
    let fault = refuse_losses(&new, &parts, &[]).unwrap();
    assert_eq!(fault.params["losses"], "number.printed, number.notation");
}

#[test]
fn accepting_one_loss_accepts_no_other() {
    let losses = [loss(loss::Kind::Lost, "change.kind"), loss(loss::Kind::Lost, "due.year")];
    let accepted = |fields: &[&str]| fields.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let revocation = document(change::Kind::Revoke);
    assert_eq!(refuse_losses(&revocation, &losses, &accepted(&["change", "due"])), None);
    let fault = refuse_losses(&revocation, &losses, &accepted(&["change"])).unwrap();
    assert_eq!(fault.code, "LT-MAP-224");
    assert_eq!(fault.violations.len(), 1);
    assert_eq!(fault.violations[0].field, "due.year");
    assert!(!fault.is_retryable(), "a copy with this fault waits for an operator");
    assert!(!format!("{fault:?}").contains("\"x\""), "no content in a fault");
}

/// Decodes a shipped case, encodes it in another format, and returns the refusal of its losses.
fn translate_case(case: &str, to: &str, store: &bus::ClaimStore) -> Option<Fault> {
    let from = case.split('/').next().unwrap();
    let name = case.rsplit('/').next().unwrap();
    let end = if from == "ioffice.portal" { "json" } else { "xml" };
    let cases = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("formats").join(from);
    let cases = cases.join("cases").join(name);
    let native = std::fs::read(cases.join(format!("native.{end}"))).unwrap();
    let runtime = tokio::runtime::Handle::current();
    let declared = std::fs::read(cases.join("files/12-CV.pdf")).ok().map(|bytes| {
        let claim = runtime.block_on(store.put(bytes.into())).unwrap();
        DeclaredAttachment {
            reference: "12-CV.pdf".into(),
            file_name: "12-CV.pdf".into(),
            claim: Some(Claim { sha256: claim.sha256.to_vec().into(), size: claim.size }),
            ..DeclaredAttachment::default()
        }
    });
    let declared: Vec<_> = declared.into_iter().collect();
    let mut extracted = ExtractedFiles::default();
    let codec = Codec::with_shipped_formats().unwrap();
    let mut canonical = codec
        .decode(from, &native, &declared, &mut extracted)
        .unwrap()
        .remove(0)
        .outcome
        .unwrap()
        .canonical;
    for index in 0..extracted.len() {
        extracted.rewind(index).unwrap();
        runtime.block_on(store.put(extracted.read_chunk(index, 1 << 20).unwrap())).unwrap();
    }
    let Some(Body::Document(document)) = &mut canonical.body else { panic!("{case}") };
    if document.sender.is_none() {
        document.sender = document.issuer.clone();
    }
    let stored = StoredFiles::new(store.clone(), runtime);
    let bytes = prost::Message::encode_to_vec(&canonical);
    match codec.encode(to, &bytes, EncodeContext::default(), &stored) {
        Ok(encoded) => refuse_losses(&canonical, &encoded.losses, &[]),
        Err(fault) => Some(fault),
    }
}

#[tokio::test]
async fn documents_are_translated_between_the_shipped_formats_without_refused_losses() {
    let folder = tempfile::tempdir().unwrap();
    let store = bus::ClaimStore::folder(folder.path()).await.unwrap();
    for (case, to) in [
        ("edxml.document/new", "ioffice.portal"),
        ("edxml.document/new", "edxml.document"),
        ("edxml.document/new", "canonical.json"),
        ("edxml.document/raw-content", "ioffice.portal"),
        ("edxml.document/answer", "ioffice.portal"),
        ("edxml.document/revoke", "edxml.document"),
        ("edxml.document/update", "edxml.document"),
        ("edxml.document/replace", "canonical.json"),
        ("ioffice.portal/plain", "edxml.document"),
        ("ioffice.portal/plain", "ioffice.portal"),
        ("ioffice.portal/plain", "canonical.json"),
    ] {
        let store = store.clone();
        let outcome = tokio::task::spawn_blocking(move || translate_case(case, to, &store));
        let outcome = outcome.await.unwrap();
        assert_eq!(outcome, None, "{case} to {to}");
    }
}
