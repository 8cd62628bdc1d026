//! Every refusal of the normalizer, and what it writes into messages that pass.

use proto::canonical::v1::recipient::{Delta, Role};
use proto::canonical::v1::{
    Canonical, Code, Date, Document, DocumentNumber, Leftover, Leftovers, Organisation,
    OrganisationId, Recipient, Status,
};
use proto::message::v1::{MessageType, Organisation as RegisteredOrganisation, OrganisationCode};
use proto::registry::v1::{Application, Right, Snapshot, Takes};
use registry_client::Directory;

use super::*;

const DAY: &str = "2026-11-24";

fn directory() -> Directory {
    let organisation = |key: &str, codes: &[&str]| RegisteredOrganisation {
        key: key.into(),
        name: key.to_uppercase(),
        codes: codes
            .iter()
            .map(|it| OrganisationCode { value: (*it).into(), ..OrganisationCode::default() })
            .collect(),
        ..RegisteredOrganisation::default()
    };
    let takes = |message_type: MessageType| Takes {
        r#type: message_type.into(),
        format: "canonical".into(),
    };
    let application = |id: &str, organisation: &str| Application {
        id: id.into(),
        organisation: organisation.into(),
        takes: vec![takes(MessageType::Document), takes(MessageType::Status)],
        ..Application::default()
    };
    let mut old = organisation("xa-cu", &["H1"]);
    old.valid_to = "2025-06-30".into();
    old.successor = "xa-moi".into();
    let mut renamed = organisation("doi-ma", &["NEW", "OLD"]);
    renamed.codes[1].valid_to = "2022-01-01".into();
    Directory::new(Snapshot {
        revision: "1".into(),
        organisations: vec![
            organisation("tinhuy", &["A99.1", "000.00.01.A99"]),
            organisation("mttq", &["A99.2"]),
            organisation("cam", &["A99.3"]),
            organisation("vang", &["A99.4"]),
            organisation("hnd", &["A99.5"]),
            organisation("doi-1", &["TWIN"]),
            organisation("doi-2", &["twin"]),
            old,
            renamed,
        ],
        applications: vec![
            application("tinhuy-1", "tinhuy"),
            application("mttq-1", "mttq"),
            application("cam-1", "cam"),
            application("hnd-1", "hnd"),
        ],
        rights: ["tinhuy", "mttq", "vang", "xa-cu", "hnd"]
            .map(|to| Right {
                from: "*".into(),
                to: to.into(),
                types: vec![MessageType::Document.into(), MessageType::Status.into()],
                ..Right::default()
            })
            .into(),
        ..Snapshot::default()
    })
}

fn organisation(code: &str) -> Option<Organisation> {
    let id = OrganisationId { value: code.into(), ..OrganisationId::default() };
    Some(Organisation { ids: vec![id], ..Organisation::default() })
}

fn document(sender: &str, recipients: &[&str]) -> Document {
    Document {
        id: "1".into(),
        number: Some(DocumentNumber { number: "1".into(), ..DocumentNumber::default() }),
        subject: "V/v".into(),
        issued: Some(Date { year: 2026, month: 11, day: 20 }),
        sender: organisation(sender),
        recipients: recipients
            .iter()
            .map(|it| Recipient { organisation: organisation(it), ..Recipient::default() })
            .collect(),
        ..Document::default()
    }
}

fn decoded_document(normalized: Normalized) -> Document {
    let Ok(Canonical { body: Some(Body::Document(document)), .. }) =
        Canonical::decode(normalized.canonical)
    else {
        panic!("not a document")
    };
    document
}

fn normalize_body(body: Body, call_recipients: &[&str]) -> Result<Normalized, Fault> {
    let canonical = Canonical { origin: None, body: Some(body) };
    let recipients: Vec<String> = call_recipients.iter().map(|it| (*it).to_owned()).collect();
    let directory = directory();
    let context = NormalizeContext {
        sender: "tinhuy",
        recipients: &recipients,
        directory: &directory,
        day: DAY,
        native_path: &|path| format!("/native/{path}"),
        find_missing: &|_, _| None,
    };
    normalize(DecodedItem { canonical, ..DecodedItem::default() }, &context)
}

/// Code and first path of the refusal of a document.
fn refusal(sender: &str, recipients: &[&str]) -> (String, String) {
    let fault = normalize_body(Body::Document(document(sender, recipients)), &[]).unwrap_err();
    let path = fault.violations.first().map(|it| it.field.clone()).unwrap_or_default();
    (fault.code.trim_start_matches("LT-MAP-").to_owned(), path)
}

#[test]
fn a_sender_that_is_not_the_one_authenticated_is_refused_by_its_own_path() {
    for (code, expected) in [("A99.2", "202"), ("nobody", "201"), ("TWIN", "203"), ("H1", "202")] {
        let path = "/native/sender.ids[0].value".to_owned();
        assert_eq!(refusal(code, &["A99.2"]), (expected.to_owned(), path), "{code}");
    }
}

#[test]
fn a_recipient_that_cannot_or_may_not_receive_is_refused_by_its_own_path() {
    for (code, expected) in [
        ("nobody", "204"),
        ("TWIN", "205"),
        ("H1", "206"),
        ("A99.3", "207"),
        ("A99.4", "208"),
        ("OLD", "220"),
    ] {
        let path = "/native/recipients[1].organisation.ids[0].value".to_owned();
        assert_eq!(refusal("A99.1", &["A99.2", code]), (expected.to_owned(), path), "{code}");
    }
    assert_eq!(refusal("A99.1", &[]), ("209".to_owned(), "/native/recipients".to_owned()));
}

#[test]
fn all_wrong_recipients_are_reported_at_once() {
    let wrong = document("A99.1", &["nobody", "A99.2", "A99.3"]);
    let fault = normalize_body(Body::Document(wrong), &[]).unwrap_err();
    assert_eq!(fault.violations.len(), 2);
}

#[test]
fn the_refusal_of_an_ended_recipient_names_its_successor() {
    let fault = normalize_body(Body::Document(document("A99.1", &["H1"])), &[]).unwrap_err();
    assert_eq!(fault.params["successor"], "xa-moi");
}

#[test]
fn a_message_that_passes_has_directory_keys_and_each_recipient_once() {
    let input = document("000.00.01.A99", &["A99.2", "mttq"]);
    let normalized = normalize_body(Body::Document(input), &[]).unwrap();
    assert_eq!(normalized.recipients, ["mttq"]);
    assert_eq!(normalized.findings[0].code, "LT-MAP-227");
    assert_eq!(normalized.r#type(), MessageType::Document);
    let document = decoded_document(normalized);
    assert_eq!(document.sender.unwrap().directory_key, "tinhuy");
    assert_eq!(document.recipients[1].organisation.as_ref().unwrap().directory_key, "mttq");
}

#[test]
fn recipients_of_the_call_replace_those_in_the_message() {
    let normalized =
        normalize_body(Body::Document(document("A99.1", &["nobody"])), &["mttq"]).unwrap();
    assert_eq!(normalized.recipients, ["mttq"]);
    let fault =
        normalize_body(Body::Document(document("A99.1", &["A99.2"])), &["nobody"]).unwrap_err();
    assert_eq!(fault.violations[0].field, "recipients[0]");
}

#[test]
fn a_missing_sender_is_filled_in_with_a_finding() {
    let input = Document { sender: None, ..document("", &["A99.2"]) };
    let normalized = normalize_body(Body::Document(input), &[]).unwrap();
    assert_eq!(normalized.findings[0].code, "LT-MAP-222");
    let document = decoded_document(normalized);
    assert_eq!(document.sender.unwrap().ids[0].value, "A99.1");
}

#[test]
fn secrecy_is_refused_before_any_other_check() {
    let secrecy = Some(Code { code: "mat".into(), ..Code::default() });
    let input = Document { secrecy, ..document("nobody", &[]) };
    let fault = normalize_body(Body::Document(input), &[]).unwrap_err();
    assert_eq!(fault.code, "LT-MAP-210");
    assert_eq!(fault.violations[0].field, "/native/secrecy");
}

#[test]
fn a_status_is_sent_to_its_addressee_and_a_receipt_is_refused() {
    let status = Status {
        reporter: organisation("A99.1"),
        addressee: organisation("A99.2"),
        ..Status::default()
    };
    let normalized = normalize_body(Body::Status(status), &[]).unwrap();
    assert_eq!((normalized.recipients, normalized.r#type), (vec!["mttq".to_owned()], 2));
    let fault = normalize_body(Body::Receipt(Default::default()), &[]).unwrap_err();
    assert_eq!(fault.code, "LT-MAP-215");
    let fault = normalize_body(Body::DeliveryReport(Default::default()), &[]).unwrap_err();
    assert_eq!(fault.code, "LT-MAP-230", "only the bus writes reports");
}

#[test]
fn without_a_sender_the_issuer_must_be_the_authenticated_organisation() {
    let of = |issuer: &str| {
        let input =
            Document { sender: None, issuer: organisation(issuer), ..document("", &["A99.2"]) };
        normalize_body(Body::Document(input), &[])
    };
    for (code, expected) in [("A99.2", "LT-MAP-202"), ("nobody", "LT-MAP-201")] {
        let fault = of(code).unwrap_err();
        assert_eq!(
            (fault.code.as_str(), fault.violations[0].field.as_str()),
            (expected, "/native/issuer.ids[0].value")
        );
    }
    let normalized = of("000.00.01.A99").unwrap();
    assert!(normalized.findings.is_empty());
    assert_eq!(decoded_document(normalized).sender.unwrap().ids[0].value, "A99.1");
    // With a sender in the message, another organisation may be the issuer.
    let input = Document { issuer: organisation("A99.2"), ..document("A99.1", &["A99.2"]) };
    assert!(normalize_body(Body::Document(input), &[]).is_ok());
}

#[test]
fn an_update_is_sent_to_addressed_recipients_and_not_to_removed_ones() {
    // As in `edoc_update.edxml`: H41 is removed and not addressed, H14 is both.
    let listed = |code: &str, role: Role, delta: Delta| Recipient {
        organisation: organisation(code),
        role: role.into(),
        delta: delta.into(),
        ..Recipient::default()
    };
    let input = Document {
        recipients: vec![
            listed("A99.2", Role::Main, Delta::Added),
            listed("A99.1", Role::Unspecified, Delta::Added),
            listed("nobody", Role::Unspecified, Delta::Removed),
            listed("cam", Role::Main, Delta::Removed),
        ],
        ..document("A99.1", &[])
    };
    let normalized = normalize_body(Body::Document(input.clone()), &[]).unwrap();
    assert_eq!(normalized.recipients, ["mttq"]);
    let roles: Vec<_> =
        decoded_document(normalized).recipients.iter().map(|it| it.role()).collect();
    assert_eq!(roles, [Role::Main, Role::Unspecified, Role::Unspecified, Role::Main]);
}

#[test]
fn the_recipients_are_written_into_the_document() {
    let mut input = document("A99.1", &["A99.2", ""]);
    input.recipients.push(Recipient {
        organisation: organisation("hnd"),
        role: Role::Copy.into(),
        ..Recipient::default()
    });
    let normalized =
        decoded_document(normalize_body(Body::Document(input), &["mttq", "A99.5"]).unwrap());
    let found: Vec<_> = normalized
        .recipients
        .iter()
        .map(|it| (it.organisation.as_ref().unwrap().directory_key.as_str(), it.role()))
        .collect();
    assert_eq!(found, [("mttq", Role::Main), ("", Role::Unspecified), ("hnd", Role::Copy)]);

    let normalized = decoded_document(
        normalize_body(Body::Document(document("A99.1", &[])), &["mttq"]).unwrap(),
    );
    let [added] = &normalized.recipients[..] else { panic!("{:?}", normalized.recipients) };
    assert_eq!(added.role(), Role::Main);
    let organisation = added.organisation.as_ref().unwrap();
    assert_eq!((organisation.ids[0].value.as_str(), organisation.name.as_str()), ("A99.2", "MTTQ"));

    let status = Status { reporter: self::organisation("A99.1"), ..Status::default() };
    let normalized = normalize_body(Body::Status(status), &["mttq"]).unwrap();
    let Ok(Canonical { body: Some(Body::Status(status)), .. }) =
        Canonical::decode(normalized.canonical)
    else {
        panic!("not a status")
    };
    assert_eq!(status.addressee.unwrap().ids[0].value, "A99.2");
}

#[test]
fn a_document_without_subject_number_or_day_is_refused_with_all_of_them() {
    let input = Document {
        subject: " ".into(),
        number: None,
        issued: None,
        ..document("A99.1", &["A99.2"])
    };
    let fault = normalize_body(Body::Document(input), &[]).unwrap_err();
    assert_eq!(fault.code, "LT-MAP-014");
    let fields: Vec<_> = fault.violations.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(fields, ["/native/subject", "/native/number", "/native/issued"]);
    for (year, month, day, is_real) in [
        (2026, 2, 30, false),
        (2026, 13, 1, false),
        (2026, 0, 5, false),
        (2028, 2, 29, true),
        (2026, 2, 0, true),
        (2026, 0, 0, true),
    ] {
        let issued = Some(Date { year, month, day });
        let input = Document { issued, ..document("A99.1", &["A99.2"]) };
        assert_eq!(
            normalize_body(Body::Document(input), &[]).is_ok(),
            is_real,
            "{year}-{month}-{day}"
        );
    }
}

#[test]
fn a_refusal_for_secrecy_quotes_nothing_of_the_item() {
    const WORDS: &str = "Kế hoạch Alpha";
    let item = Leftover { at: "Data[0]/DoMat".into(), raw: WORDS.into(), ..Leftover::default() };
    let left_over = Leftovers { items: vec![item], ..Leftovers::default() };
    for input in [
        Document { subject: format!("TUYỆT MẬT: {WORDS}"), ..document(WORDS, &[WORDS]) },
        Document { leftovers: vec![left_over], ..document("A99.1", &["A99.2"]) },
    ] {
        let fault = normalize_body(Body::Document(input), &[]).unwrap_err();
        assert_eq!(fault.code, "LT-MAP-210");
        assert!(fault.params.is_empty() && fault.detail.is_empty());
        assert!(!format!("{fault:?}").contains("Alpha"), "{fault:?}");
    }
}
