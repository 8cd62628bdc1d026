//! The contracts stay compatible with the released ones in `proto/contracts.binpb`.

use std::collections::BTreeMap;
use std::path::Path;

use prost::Message as _;
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};

/// Path of the released descriptor set. The failing test prints the command that adds new fields.
fn released_path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts.binpb")
}

/// One line for each message, field, enum value, service and method, by full name. Two sets are
/// compatible in both directions when their lines are equal.
fn describe(set: &FileDescriptorSet) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    for file in set.file.iter().filter(|it| it.package().starts_with("lienthong.")) {
        for message in &file.message_type {
            describe_message(&mut lines, file.package(), message);
        }
        for of in &file.enum_type {
            describe_enum(&mut lines, file.package(), of);
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

fn describe_enum(lines: &mut BTreeMap<String, String>, within: &str, of: &EnumDescriptorProto) {
    let name = format!("{within}.{}", of.name());
    for value in &of.value {
        lines.insert(format!("{name}.{}", value.name()), value.number().to_string());
    }
    lines.insert(name, "enum".to_owned());
}

fn describe_message(lines: &mut BTreeMap<String, String>, within: &str, message: &DescriptorProto) {
    let name = format!("{within}.{}", message.name());
    for it in &message.field {
        lines.insert(format!("{name}.{}", it.name()), describe_field(message, it));
    }
    for of in &message.enum_type {
        describe_enum(lines, &name, of);
    }
    for nested in &message.nested_type {
        describe_message(lines, &name, nested);
    }
    lines.insert(name, "message".to_owned());
}

/// The properties of a field that the wire format, the JSON mapping and generated code depend on.
fn describe_field(message: &DescriptorProto, it: &FieldDescriptorProto) -> String {
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
fn the_contracts_equal_the_released_ones() {
    let now = FileDescriptorSet::decode(proto::CONTRACTS).unwrap();
    let path = released_path();
    if std::env::args().any(|it| it == "bless") {
        std::fs::write(&path, proto::CONTRACTS).unwrap();
    }
    let before = FileDescriptorSet::decode(std::fs::read(&path).unwrap().as_slice()).unwrap();
    let (now, before) = (describe(&now), describe(&before));
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
        "the contracts differ from proto/contracts.binpb; an incompatible change belongs in a v2 \
         folder, an addition is released with\n  cargo test -p lienthong-proto -- the_contracts bless\n{}",
        differences.join("\n")
    );
}

/// Makes one incompatible change at a time; the comparison must report each.
#[test]
fn each_kind_of_incompatible_change_is_detected() {
    let set = FileDescriptorSet::decode(proto::CONTRACTS).unwrap();
    let before = describe(&set);
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
        changed.push(describe(&set) != before);
    }
    assert_eq!(changed, [true; 6]);
}
