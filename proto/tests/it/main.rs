//! The contracts stay what they were, and the catalogue stays readable.

use std::collections::BTreeMap;
use std::path::Path;

use prost::Message as _;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};
use proto::envelope::InvalidEnvelope;
use proto::fault::v1::{Fault, Reason};
use proto::fault::{Lang, catalogue, code, find};
use proto::journal::v1::{Envelope, MessageType};

/// The set that was released; a new field is added to it by the command the failing test prints.
fn committed() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts.binpb")
}

/// Every field, value and method as one line; two sets are equal when their lines are.
fn lines(set: &FileDescriptorSet) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    for file in set.file.iter().filter(|it| it.package().starts_with("lienthong.")) {
        for message in &file.message_type {
            messages(&mut lines, file.package(), message);
        }
        enums(&mut lines, file);
        for service in &file.service {
            for it in &service.method {
                lines.insert(
                    format!("{}.{}.{}", file.package(), service.name(), it.name()),
                    format!(
                        "({} stream={}) -> {} stream={}",
                        it.input_type(),
                        it.client_streaming(),
                        it.output_type(),
                        it.server_streaming()
                    ),
                );
            }
        }
    }
    lines
}

fn enums(lines: &mut BTreeMap<String, String>, file: &FileDescriptorProto) {
    for of in &file.enum_type {
        for value in &of.value {
            let name = format!("{}.{}.{}", file.package(), of.name(), value.name());
            lines.insert(name, value.number().to_string());
        }
    }
}

fn messages(lines: &mut BTreeMap<String, String>, within: &str, message: &DescriptorProto) {
    let name = format!("{within}.{}", message.name());
    for field in &message.field {
        lines.insert(
            format!("{name}.{}", field.name()),
            format!(
                "{} {:?} {:?} {}",
                field.number(),
                field.r#type(),
                field.label(),
                field.type_name()
            ),
        );
    }
    for of in &message.enum_type {
        for value in &of.value {
            lines.insert(
                format!("{name}.{}.{}", of.name(), value.name()),
                value.number().to_string(),
            );
        }
    }
    for nested in &message.nested_type {
        messages(lines, &name, nested);
    }
}

#[test]
fn the_contracts_are_the_committed_ones() {
    let now = FileDescriptorSet::decode(proto::CONTRACTS).unwrap();
    let path = committed();
    if std::env::args().any(|it| it == "bless") {
        std::fs::write(&path, proto::CONTRACTS).unwrap();
    }
    let before = FileDescriptorSet::decode(std::fs::read(&path).unwrap().as_slice()).unwrap();
    let (now, before) = (lines(&now), lines(&before));
    let mut differences = Vec::new();
    for (name, line) in &before {
        match now.get(name) {
            None => differences.push(format!("BREAKS: {name} is gone (was {line})")),
            Some(other) if other != line => {
                differences.push(format!("BREAKS: {name} was {line}, is {other}"));
            }
            Some(_) => {}
        }
    }
    differences.extend(
        now.iter()
            .filter(|(name, _)| !before.contains_key(*name))
            .map(|(name, line)| format!("new: {name} = {line}")),
    );
    assert!(
        differences.is_empty(),
        "the contracts differ from proto/contracts.binpb; a break belongs in a v2 folder, an \
         addition is taken over with\n  cargo test -p lienthong-proto -- the_contracts bless\n{}",
        differences.join("\n")
    );
}

#[test]
fn vendors_need_unary_and_server_streaming_calls_only() {
    let set = FileDescriptorSet::decode(proto::CONTRACTS).unwrap();
    let streaming: Vec<_> = set
        .file
        .iter()
        .filter(|it| it.package() == "lienthong.exchange.v1")
        .flat_map(|it| &it.service)
        .flat_map(|it| &it.method)
        .filter(|it| it.client_streaming())
        .map(|it| it.name().to_owned())
        .collect();
    assert_eq!(streaming, Vec::<String>::new());
}

#[test]
fn every_page_of_the_catalogue_is_filled_in() {
    let mut seen = std::collections::BTreeSet::new();
    for page in catalogue() {
        let parts: Vec<_> = page.code.split('-').collect();
        assert!(
            parts.len() == 3 && parts[0] == "LT" && parts[2].len() == 3,
            "{} is not LT-<ROOM>-<nnn>",
            page.code
        );
        assert!(seen.insert(page.code), "{} stands twice", page.code);
        for words in [page.title, page.cause, page.remedy] {
            assert!(words.vi.len() > 5 && words.en.len() > 5, "{} lacks words", page.code);
            assert_ne!(words.vi, words.en, "{} is not translated", page.code);
        }
        assert!((400..600).contains(&page.http), "{} has HTTP status {}", page.code, page.http);
    }
}

#[test]
fn a_fault_survives_the_way_through_a_status() {
    let fault = Fault::new(&code::LT_SYS_001)
        .param("id", "7")
        .violation("a/b", "sai", "wrong")
        .retry_after(std::time::Duration::from_secs(3));
    let status = tonic::Status::from(fault.clone());
    assert_eq!(Fault::from_status(&status), Some(fault.clone()));
    assert_eq!(status.code(), tonic::Code::Internal);
    assert!(fault.title(Lang::En).contains("reference 7"));
    assert_eq!(find("lt-sys-001").unwrap().reason, Reason::Internal);
    assert_eq!(Fault::from_status(&tonic::Status::internal("other")), None);
}

#[test]
fn an_envelope_survives_the_way_through_its_attributes() {
    let envelope = Envelope {
        id: "7c1e".into(),
        source: "tinhuy-ioffice".into(),
        sender: "tinhuy".into(),
        r#type: MessageType::Status.into(),
        format: "edxml.status".into(),
        format_version: 1,
        conversation: "c".into(),
        recipients: vec!["a".into(), "b".into()],
        occurred_at_us: -5,
        sequence: u64::MAX,
        attempt: 2,
        ..Envelope::default()
    };
    let attributes = envelope.attributes();
    assert_eq!(attributes["specversion"], "1.0");
    assert_eq!(Envelope::from_attributes(&attributes).unwrap(), envelope);
    let mut broken = attributes;
    broken.insert("sequence".into(), "x".into());
    assert_eq!(Envelope::from_attributes(&broken), Err(InvalidEnvelope { attribute: "sequence" }));
}
