//! Conversation ids and content digests.

use proto::canonical::v1::{
    Blob, Change, DocumentNumber, Moment, NamedMoment, OrganisationId, Relation, Trace,
};

use super::*;

fn organisation(code: &str, key: &str) -> Organisation {
    Organisation {
        ids: vec![OrganisationId { value: code.into(), ..OrganisationId::default() }],
        directory_key: key.into(),
        ..Organisation::default()
    }
}

fn document(id: &str) -> Document {
    Document {
        id: id.into(),
        number: Some(DocumentNumber { printed: "45-CV/TU".into(), ..DocumentNumber::default() }),
        subject: "V/v báo cáo".into(),
        sender: Some(organisation("A99.1", "tinhuy")),
        attachments: vec![Attachment {
            id: format!("file of {id}"),
            content: Some(Blob { r#ref: "sha256:aa".into(), size: 3, digests: vec![] }),
            ..Attachment::default()
        }],
        ..Document::default()
    }
}

fn message(body: impl Into<Body>) -> Canonical {
    Canonical { origin: None, body: Some(body.into()) }
}

fn of_document(document: Document) -> Canonical {
    message(Body::Document(document))
}

fn digest(canonical: &Canonical, recipients: &[&str]) -> [u8; 32] {
    let recipients: Vec<String> = recipients.iter().map(|it| (*it).to_owned()).collect();
    content_digest(canonical, "tinhuy", MessageType::Document, &recipients)
}

#[test]
fn the_same_content_with_another_packet_id_time_trace_or_code_has_the_same_digest() {
    let first = of_document(document("1"));
    let mut again = document("2");
    again.trace.push(Trace::default());
    let sent = Moment { day_only: true, ..Moment::default() };
    again.moments.push(NamedMoment { name: "sent".into(), moment: Some(sent) });
    again.sender = Some(organisation("000.00.01.A99", "tinhuy"));
    assert_eq!(digest(&first, &["a", "b"]), digest(&of_document(again), &["b", "a"]));
}

#[test]
fn other_content_recipients_sender_or_file_has_another_digest() {
    let first = digest(&of_document(document("1")), &["a"]);
    assert_ne!(first, digest(&of_document(document("1")), &["a", "b"]));
    let other = Document { subject: "V/v báo cáo khác".into(), ..document("1") };
    assert_ne!(first, digest(&of_document(other), &["a"]));
    let mut other = document("1");
    other.attachments[0].content = Some(Blob { r#ref: "sha256:bb".into(), ..Blob::default() });
    assert_ne!(first, digest(&of_document(other), &["a"]));
    let recipients = ["a".to_owned()];
    let message_type = MessageType::Document;
    assert_ne!(
        first,
        content_digest(&of_document(document("1")), "mttq", message_type, &recipients)
    );
}

#[test]
fn a_document_its_recall_and_its_statuses_are_one_conversation() {
    let number = document("").number;
    let reference = DocumentRef { id: "doc-1".into(), number, ..DocumentRef::default() };
    let sent = conversation_id(&of_document(document("doc-1")), "tinhuy", &[], b"");
    let mut recall = document("packet-2");
    recall.change = Some(Change {
        kind: change::Kind::Revoke.into(),
        target: Some(reference.clone()),
        ..Change::default()
    });
    assert_eq!(conversation_id(&of_document(recall), "tinhuy", &[], b""), sent);
    let status = Status {
        about: Some(reference),
        addressee: Some(organisation("A99.1", "tinhuy")),
        kind: status::Kind::Registered.into(),
        ..Status::default()
    };
    let arrived = message(Body::Status(status.clone()));
    assert_eq!(conversation_id(&arrived, "mttq", &[], b""), sent);
    let request = Status { kind: status::Kind::RecallRequested.into(), addressee: None, ..status };
    assert_eq!(conversation_id(&message(Body::Status(request)), "tinhuy", &[], b""), sent);
    assert_ne!(conversation_id(&of_document(document("doc-1")), "mttq", &[], b""), sent);
}

#[test]
fn a_reference_by_number_and_one_by_id_lead_to_the_same_conversation() {
    let number = |number: &str, notation: &str, printed: &str| {
        Some(DocumentNumber {
            number: number.into(),
            notation: notation.into(),
            printed: printed.into(),
            ..DocumentNumber::default()
        })
    };
    let reference = |id: &str, printed: &str| {
        Some(DocumentRef {
            id: id.into(),
            number: (!printed.is_empty()).then(|| number("", "", printed)).flatten(),
            ..DocumentRef::default()
        })
    };
    const ID: &str = "000.00.00.G22,2015/09/30,7816/VPCP-TTĐT";
    for id in [ID, "8f1c-guid", ""] {
        let document =
            Document { id: id.into(), number: number("7816", "VPCP-TTĐT", ""), ..document("") };
        let of = |canonical: &Canonical| conversation_id(canonical, "tinhuy", &[], b"x");
        let sent = of(&of_document(document.clone()));
        let status = |about| {
            let addressee = Some(organisation("A99.1", "tinhuy"));
            message(Body::Status(Status { about, addressee, ..Status::default() }))
        };
        for about in
            [reference("", "7816/vpcp-ttđt"), reference(ID, ""), reference(id, "7816-VPCP-TTĐT")]
        {
            assert_eq!(of(&status(about.clone())), sent, "{id} {about:?}");
        }
        let changed = |kind: change::Kind, target| {
            let change = Change { kind: kind.into(), target, ..Change::default() };
            Document { id: "other".into(), change: Some(change), ..document.clone() }
        };
        for target in
            [reference(ID, ""), reference("8f1c-guid", ""), reference("", "7816/VPCP-TTĐT")]
        {
            for kind in [change::Kind::Revoke, change::Kind::Update] {
                let it = changed(kind, target.clone());
                assert_eq!(of(&of_document(it)), sent, "{id} {target:?}");
            }
        }
        // A packet with a number of its own that names the revoked document as the one it answers.
        let mut recall = changed(change::Kind::Revoke, None);
        recall.number = number("9", "VPCP-TTĐT", "");
        recall.relations = vec![Relation {
            kind: relation::Kind::Answers.into(),
            target: reference(ID, "7816/VPCP-TTĐT"),
            ..Relation::default()
        }];
        assert_eq!(of(&of_document(recall)), sent, "{id}");
    }
}

#[test]
fn without_an_id_the_number_identifies_the_document_in_any_spelling() {
    let number = |number: &str, notation: &str, printed: &str| {
        of_document(Document {
            number: Some(DocumentNumber {
                number: number.into(),
                notation: notation.into(),
                printed: printed.into(),
                ..DocumentNumber::default()
            }),
            ..document("")
        })
    };
    let names =
        [number("45", "CV/TU", ""), number("", "", "45-cv/TU"), number("", "", "045 –CV/TU ")]
            .map(|it| conversation_id(&it, "tinhuy", &[], b"x"));
    assert_eq!(names[0], names[1]);
    assert_eq!(names[0], names[2]);
    let nameless = of_document(Document { number: None, ..document("") });
    assert_ne!(
        conversation_id(&nameless, "tinhuy", &[], b"x"),
        conversation_id(&nameless, "tinhuy", &[], b"y")
    );
}
