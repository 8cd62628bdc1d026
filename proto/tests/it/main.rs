//! The contracts stay what they were, and they and the catalogue stay readable.

mod words;

use std::collections::BTreeMap;
use std::path::Path;

use prost::Message as _;
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use proto::envelope::InvalidEnvelope;
use proto::fault::v1::{Fault, Reason};
use proto::fault::{Lang, catalogue, code, find};
use proto::journal::v1::Envelope;
use proto::message::v1::MessageType;
use tonic_types::StatusExt as _;

/// The set that was released; a new field is added to it by the command the failing test prints.
fn committed() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts.binpb")
}

/// Every part of the contracts as one line; two sets are equal when their lines are.
fn lines(set: &FileDescriptorSet) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    for file in set.file.iter().filter(|it| it.package().starts_with("lienthong.")) {
        for message in &file.message_type {
            messages(&mut lines, file.package(), message);
        }
        for of in &file.enum_type {
            values(&mut lines, file.package(), of);
        }
        for service in &file.service {
            let name = format!("{}.{}", file.package(), service.name());
            for it in &service.method {
                lines.insert(
                    format!("{name}.{}", it.name()),
                    format!(
                        "({} stream={}) -> {} stream={}",
                        it.input_type(),
                        it.client_streaming(),
                        it.output_type(),
                        it.server_streaming()
                    ),
                );
            }
            lines.insert(name, "service".to_owned());
        }
    }
    lines
}

fn values(lines: &mut BTreeMap<String, String>, within: &str, of: &EnumDescriptorProto) {
    let name = format!("{within}.{}", of.name());
    for value in &of.value {
        lines.insert(format!("{name}.{}", value.name()), value.number().to_string());
    }
    lines.insert(name, "enum".to_owned());
}

fn messages(lines: &mut BTreeMap<String, String>, within: &str, message: &DescriptorProto) {
    let name = format!("{within}.{}", message.name());
    for it in &message.field {
        lines.insert(format!("{name}.{}", it.name()), field(message, it));
    }
    for of in &message.enum_type {
        values(lines, &name, of);
    }
    for nested in &message.nested_type {
        messages(lines, &name, nested);
    }
    lines.insert(name, "message".to_owned());
}

/// A field as it is on the wire and in JSON, and as generated code offers it.
fn field(message: &DescriptorProto, it: &FieldDescriptorProto) -> String {
    let one_of = it.oneof_index.map_or("", |at| message.oneof_decl[at as usize].name());
    format!(
        "{} {:?} {:?} {} json={} oneof={one_of} optional={}",
        it.number(),
        it.r#type(),
        it.label(),
        it.type_name(),
        it.json_name(),
        it.proto3_optional()
    )
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

/// A contract with one change; each must be seen.
#[test]
fn a_break_of_any_kind_shows() {
    let set = FileDescriptorSet::decode(proto::CONTRACTS).unwrap();
    let before = lines(&set);
    let file = set.file.iter().position(|it| it.package() == "lienthong.exchange.v1").unwrap();
    let of =
        |name: &str| set.file[file].message_type.iter().position(|it| it.name() == name).unwrap();
    let (submit, track) = (of("SubmitRequest"), of("TrackRequest"));
    let mut changed = Vec::new();
    for change in 0..6 {
        let mut set = set.clone();
        let file = &mut set.file[file];
        match change {
            0 => file.message_type[submit].field[2].oneof_index = None,
            1 => file.message_type[submit].oneof_decl[0].name = Some("other".to_owned()),
            2 => file.message_type[submit].field[0].json_name = Some("other".to_owned()),
            3 => file.message_type[submit].field[0].proto3_optional = Some(true),
            4 => drop(file.message_type.remove(track)),
            _ => file.service.clear(),
        }
        changed.push(lines(&set) != before);
    }
    assert_eq!(changed, [true; 6]);
}

#[test]
fn vendors_need_unary_and_server_streaming_calls_only() {
    let set = FileDescriptorSet::decode(proto::CONTRACTS).unwrap();
    let exchange = set
        .file
        .iter()
        .filter(|it| it.package() == "lienthong.exchange.v1")
        .flat_map(|it| &it.service)
        .find(|it| it.name() == "Exchange")
        .expect("the contract is there");
    assert!(exchange.method.len() >= 8, "{exchange:?}");
    let streaming: Vec<_> = exchange
        .method
        .iter()
        .filter(|it| it.client_streaming())
        .map(|it| it.name().to_owned())
        .collect();
    assert_eq!(streaming, Vec::<String>::new());
}

/// Lines of a contract that name something and have no comment over them.
fn unexplained(contract: &str) -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(contract));
    let text = text.unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let names = |line: &str| {
        let opens = ["message ", "enum ", "service ", "rpc ", "oneof "];
        let is_field = line.contains(" = ") && line.ends_with(';') && !line.starts_with("syntax");
        !line.starts_with("//") && (is_field || opens.iter().any(|it| line.starts_with(it)))
    };
    lines
        .windows(2)
        .filter(|pair| names(pair[1]) && !pair[0].starts_with("//"))
        // A service's calls are explained one by one.
        .filter(|pair| !pair[1].starts_with("service "))
        .map(|pair| format!("{contract}: {}", pair[1]))
        .collect()
}

#[test]
fn every_name_that_a_vendor_meets_says_what_it_means() {
    let mut found = unexplained("exchange/v1/exchange.proto");
    found.extend(unexplained("fault/v1/fault.proto"));
    assert!(found.is_empty(), "vendors read the contracts; explain\n{}", found.join("\n"));
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
fn a_status_carries_the_details_of_the_standard() {
    let fault = Fault::new(&code::LT_EX_008).param("part", "scan").violation(
        "/Value/Data/0/KyHieu",
        "thiếu ký hiệu",
        "the notation is missing",
    );
    let details = tonic::Status::from(fault.clone()).get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("LT-EX-008", "lienthong"));
    assert_eq!(info.metadata["part"], "scan");
    let request = details.bad_request().unwrap();
    assert_eq!(request.field_violations[0].field, "/Value/Data/0/KyHieu");
    assert!(request.field_violations[0].description.contains("thiếu ký hiệu"));
    let words = details.localized_message().unwrap();
    assert_eq!((words.locale.as_str(), &words.message), ("vi", &fault.title(Lang::Vi)));
    let wait = details.retry_info().unwrap().retry_delay.unwrap();
    assert!(!wait.is_zero(), "what passes by itself says when to come again");
    let lasting = tonic::Status::from(Fault::new(&code::LT_EX_001)).get_error_details();
    assert!(lasting.retry_info().is_none());
}

#[test]
fn a_fault_that_is_too_long_for_a_header_says_what_it_left_out() {
    let long = "văn bản ".repeat(500);
    let mut fault = Fault::new(&code::LT_EX_011).param("field", &long).detail(&long);
    for number in 0..53 {
        fault = fault.violation(format!("/edXML/{number}/{long}"), &long, &long);
    }
    assert_eq!((fault.violations.len(), fault.violations_left_out), (50, 3));
    let status = tonic::Status::from(fault);
    assert!(status.details().len() <= 5 * 1024, "{}", status.details().len());
    let told = Fault::from_status(&status).unwrap();
    assert!(!told.violations.is_empty());
    assert_eq!(told.violations.len() + told.violations_left_out as usize, 53);
    assert!(told.violations[0].field.starts_with("/edXML/0/"));
    let info = status.get_error_details().error_info().unwrap().clone();
    assert_eq!(info.metadata["violations_left_out"], told.violations_left_out.to_string());
}

#[test]
fn what_may_pass_is_what_the_page_says() {
    assert!(Fault::new(&code::LT_GW_004).may_pass());
    assert!(!Fault::new(&code::LT_JNL_006).may_pass(), "internal, and never by itself");
    assert!(!Fault::new(&code::LT_JNL_002).may_pass(), "away, and only after a look");
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
    assert_eq!(attributes["type"], "status");
    let read = |attributes| Envelope::from_attributes("7c1e".into(), attributes);
    assert_eq!(read(&attributes).unwrap(), envelope);
    let mut broken = attributes.clone();
    broken.insert("sequence".into(), "x".into());
    assert_eq!(read(&broken), Err(InvalidEnvelope { attribute: "sequence" }));
}
