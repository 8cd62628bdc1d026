//! Positions of secrecy marks in messages.

use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use proto::canonical::v1::{
    Attachment, Code, Document, DocumentNumber, DocumentRef, Extra, Relation, Restriction, Status,
    status::Reason,
};

use super::document::is_secret;

use super::*;

fn find_in(document: Document) -> Option<MarkPosition> {
    find_mark(&Canonical { origin: None, body: Some(Body::Document(document)) })
        .map(|it| it.position)
}

fn at(path: &str) -> Option<MarkPosition> {
    Some(MarkPosition::Canonical(path.to_owned()))
}

fn number(number: &str) -> Option<DocumentNumber> {
    Some(DocumentNumber { number: number.into(), ..DocumentNumber::default() })
}

/// Texts of the model that nobody reads as words: codes of standards, addresses of machines, digests.
const NOT_SEARCHED: [&str; 17] = [
    "algorithm",
    "certificate_serial",
    "directory_key",
    "email",
    "fax",
    "format",
    "language",
    "list",
    "media_type",
    "of",
    "phone",
    "ref",
    "scheme",
    "secrecy",
    "website",
    "leftovers",
    "extras",
];

/// Each text below a message's type, as the fields that lead to it.
fn texts_below(descriptor: &MessageDescriptor, depth: usize) -> Vec<Vec<FieldDescriptor>> {
    let mut paths = Vec::new();
    for field in descriptor.fields().filter(|it| !NOT_SEARCHED.contains(&it.name())) {
        if field.kind() == Kind::String {
            paths.push(vec![field]);
        } else if let (Some(inner), true) = (field.kind().as_message(), depth > 0) {
            let below = texts_below(inner, depth - 1).into_iter();
            paths.extend(below.map(|it| [vec![field.clone()], it].concat()));
        }
    }
    paths
}

/// A message in which only the text at this path is set.
fn with_text(
    descriptor: &MessageDescriptor,
    path: &[FieldDescriptor],
    text: &str,
) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    let [field, rest @ ..] = path else { return message };
    let value = match field.kind().as_message() {
        Some(inner) => Value::Message(with_text(inner, rest, text)),
        None => Value::String(text.to_owned()),
    };
    message.set_field(field, if field.is_list() { Value::List(vec![value]) } else { value });
    message
}

#[test]
fn every_text_of_the_model_is_searched() {
    const DEPTH: usize = 4;
    let (mut missed, mut count) = (Vec::new(), 0);
    for kind in ["document", "status"] {
        let descriptors = proto::descriptors();
        let canonical =
            descriptors.get_message_by_name("lienthong.canonical.v1.Canonical").unwrap();
        let body = canonical.get_field_by_name(kind).unwrap();
        let Kind::Message(inner) = body.kind() else { panic!("{kind} is no message") };
        for path in texts_below(&inner, DEPTH) {
            let path = [vec![body.clone()], path].concat();
            let dynamic = with_text(&canonical, &path, "TUYỆT MẬT");
            let message = Canonical::decode(dynamic.encode_to_vec().as_slice()).unwrap();
            count += 1;
            if find_mark(&message).is_none() {
                missed
                    .push(path.iter().map(|it| it.name().to_owned()).collect::<Vec<_>>().join("."));
            }
        }
    }
    assert!(count > 250, "{count}");
    assert!(missed.is_empty(), "{} of {count}: {missed:#?}", missed.len());
}

#[test]
fn every_text_of_a_document_is_searched() {
    let mark = || "Tối mật: Kế hoạch".to_owned();
    let of =
        |subject: &str| Some(DocumentRef { subject: subject.into(), ..DocumentRef::default() });
    let plain = Document { subject: "Kế hoạch bảo mật".into(), ..Document::default() };
    assert_eq!(find_in(plain), None);
    let attachment = |name: &str, description: &str| {
        let (file_name, description) = (name.to_owned(), description.to_owned());
        vec![Attachment::default(), Attachment { file_name, description, ..Attachment::default() }]
    };
    let cases = [
        ("subject", Document { subject: mark(), ..Document::default() }),
        ("summary", Document { summary: mark(), ..Document::default() }),
        ("note", Document { note: mark(), ..Document::default() }),
        ("number.number", Document { number: number("12 (M)"), ..Document::default() }),
        ("annex_titles[0]", Document { annex_titles: vec![mark()], ..Document::default() }),
        (
            "attachments[1].file_name",
            Document { attachments: attachment("Mật.pdf", ""), ..Document::default() },
        ),
        (
            "attachments[1].description",
            Document { attachments: attachment("a.pdf", "Mật.pdf"), ..Document::default() },
        ),
        (
            "relations[0].target.subject",
            Document {
                relations: vec![Relation { target: of("MẬT: x"), ..Relation::default() }],
                ..Document::default()
            },
        ),
        (
            "restrictions[0].basis",
            Document {
                restrictions: vec![Restriction { basis: "MẬT".into(), ..Restriction::default() }],
                ..Document::default()
            },
        ),
    ];
    for (expected, document) in cases {
        assert_eq!(find_in(document), at(expected));
    }
}

#[test]
fn every_text_of_a_status_is_searched() {
    let of = |status: Status| {
        let canonical = Canonical { origin: None, body: Some(Body::Status(status)) };
        find_mark(&canonical).map(|it| it.position)
    };
    assert_eq!(of(Status { text: "Đã đến".into(), ..Status::default() }), None);
    assert_eq!(of(Status { text: "MẬT: đã đến".into(), ..Status::default() }), at("text"));
    let about = DocumentRef { number: number("5-BC/TU (M)"), ..DocumentRef::default() };
    let status = Status { about: Some(about), ..Status::default() };
    assert_eq!(of(status), at("about.number.number"));
    let reason = Reason { text: "Tuyệt mật".into(), ..Reason::default() };
    assert_eq!(of(Status { reasons: vec![reason], ..Status::default() }), at("reasons[0].text"));
}

#[test]
fn native_fields_that_the_model_does_not_have_are_searched_by_name_and_by_text() {
    let of = |at: &str, raw: &str| {
        let item = Leftover { at: at.into(), raw: raw.into(), ..Leftover::default() };
        let leftovers = Leftovers { items: vec![item], ..Leftovers::default() };
        find_in(Document { leftovers: vec![leftovers], ..Document::default() })
    };
    for (at, raw) in [
        ("Value/Data[0]/DoMat", "2"),
        ("Value/Data[0]/DoMat/Id", "2"),
        ("edXMLEnvelope/OtherInfo/Secret", "1"),
        ("intMat", "Tối mật"),
        ("GhiChuRieng", "MẬT: không phát hành"),
    ] {
        assert_eq!(of(at, raw), Some(MarkPosition::Native(at.to_owned())), "{at} {raw}");
    }
    for (at, raw) in [
        ("Value/Data[0]/DoMat", "0"),
        ("Value/Data[0]/TenDoMat", "Thường"),
        ("SecretKey", "abc"),
        ("MatTran", "1"),
        ("GhiChuRieng", "Mật độ"),
    ] {
        assert_eq!(of(at, raw), None, "{at} {raw}");
    }
    let extra = Extra { name: "DoMat".into(), value: "1".into(), ..Extra::default() };
    let document = Document { extras: vec![extra], ..Document::default() };
    assert_eq!(find_in(document), at("extras[0].value"));
}

#[test]
fn only_codes_that_mean_no_secrecy_pass() {
    let code = |code: &str, name: &str| Code {
        list: "secrecy".into(),
        code: code.into(),
        name: name.into(),
    };
    for plain in [code("none", ""), code("", "Thường"), code("0", "Không"), code("", "Thường")]
    {
        assert!(!is_secret(&plain), "{plain:?}");
    }
    for secret in [code("mat", ""), code("", "Tuyệt mật"), code("none", "Mật")] {
        assert!(is_secret(&secret), "{secret:?}");
    }
}

#[test]
fn a_fault_about_an_undecodable_body_with_a_mark_quotes_nothing_of_it() {
    let quoting = || Fault::new(&code::LT_MAP_008).param("name", "kehoach.pdf");
    for marked in ["<Subject>TUYỆT MẬT: phương án</Subject", "{\"TrichYeu\": \"Báo cáo (Mật)\""]
    {
        let fault = redact_decode_fault(marked.as_bytes(), quoting());
        assert_eq!((fault.code.as_str(), fault.params.len()), ("LT-MAP-210", 0), "{marked}");
    }
    for plain in ["<Subject>Luật Bảo vệ bí mật nhà nước</Subject", "{\"DoMat\":\"0\",\"MatKhau\":1"]
    {
        assert_eq!(redact_decode_fault(plain.as_bytes(), quoting()), quoting(), "{plain}");
    }
}
