//! From YAML trees to the contract's messages, with the positions that later checks report.

use proto::fault::code;
use proto::loss::CONSENT_FIELDS;
use proto::message::v1::{MessageType, Organisation, OrganisationCode, ReceiverClass};
use proto::registry::v1::{Application, CodeList, CodeRow, Right, Takes};
use proto::scheme::{is_scheme, scheme_of};

use crate::lexical::is_sha256_hex;
use crate::map_reader::{MapReader, read_code};
use crate::mistake::{EntryPositions, Mistake, Position};
use crate::yaml_tree::{Node, Value, parse_yaml};

/// Limits of `in_hand_max`, and its default: enough to hide the round trip to an adapter.
const IN_HAND: (std::ops::RangeInclusive<i64>, u32) = (1..=10_000, 32);
/// Limits of `lease_seconds` (at most a day), and its default.
const LEASE_SECONDS: (std::ops::RangeInclusive<i64>, u64) = (10..=86_400, 600);

/// The entries of all files read so far, each with its positions, and their mistakes.
#[derive(Debug, Default)]
pub(crate) struct ParsedFolder {
    pub(crate) organisations: Vec<(EntryPositions, Organisation)>,
    pub(crate) applications: Vec<(EntryPositions, Application)>,
    pub(crate) rights: Vec<(EntryPositions, Right)>,
    pub(crate) code_lists: Vec<(EntryPositions, CodeList)>,
    pub(crate) mistakes: Vec<Mistake>,
}

/// Parses the text of one file and adds its entries.
pub(crate) fn parse_file(name: &str, text: &str, folder: &mut ParsedFolder) {
    let root = match parse_yaml(text) {
        Ok(root) => root,
        Err((line, message)) => {
            let position = Position { file: name.to_owned(), line };
            let mistake = Mistake::new(&position, &code::LT_REG_001).param("message", message);
            folder.mistakes.push(mistake);
            return;
        }
    };
    if matches!(root.value, Value::Null) {
        return;
    }
    let mistakes = &mut folder.mistakes;
    let mut map = MapReader::open(name, &root, mistakes);
    let organisations = map.take_list("organisations");
    let applications = map.take_list("applications");
    let rights = map.take_list("rights");
    let code_lists = map.take_list("code_lists");
    map.close();
    for node in organisations {
        folder.organisations.push(parse_organisation(MapReader::open(name, node, mistakes)));
    }
    for node in applications {
        folder.applications.push(parse_application(MapReader::open(name, node, mistakes)));
    }
    for node in rights {
        folder.rights.push(parse_right(MapReader::open(name, node, mistakes)));
    }
    for node in code_lists {
        folder.code_lists.push(parse_code_list(MapReader::open(name, node, mistakes)));
    }
}

fn parse_organisation(mut map: MapReader<'_, '_>) -> (EntryPositions, Organisation) {
    let organisation = Organisation {
        key: map.take_required_key("key"),
        name: map.take_required_text("name"),
        parent: map.take_code("parent"),
        predecessor: map.take_code("predecessor"),
        successor: map.take_code("successor"),
        valid_from: map.take_day("from"),
        valid_to: map.take_day("to"),
        codes: Vec::new(),
    };
    let nodes = map.take_list("codes");
    let (file, positions, mistakes) = map.close();
    let codes = nodes.into_iter().map(|it| parse_organisation_code(file, it, mistakes)).collect();
    (positions, Organisation { codes, ..organisation })
}

/// A code is either a text, or a map with its scheme and its days.
fn parse_organisation_code(
    file: &str,
    node: &Node,
    mistakes: &mut Vec<Mistake>,
) -> OrganisationCode {
    if let Some(value) = read_code(node) {
        let scheme = scheme_of(&value).to_owned();
        return OrganisationCode { scheme, value, ..OrganisationCode::default() };
    }
    if let Some(value) = &node.plain {
        let position = Position { file: file.to_owned(), line: node.line };
        let mistake = Mistake::new(&position, &code::LT_REG_018);
        mistakes.push(mistake.param("key", "codes").param("value", value));
        return OrganisationCode::default();
    }
    let mut map = MapReader::open(file, node, mistakes);
    let value = map.take_required_code("value");
    let mut scheme = map.take_code("scheme");
    if scheme.is_empty() {
        scheme_of(&value).clone_into(&mut scheme);
    } else if !is_scheme(&scheme) {
        let schemes = "qd20, qcvn102, enterprise, z, centre, local";
        map.report("scheme", &code::LT_REG_013, &[("value", &scheme), ("words", schemes)]);
    }
    let (valid_from, valid_to) = (map.take_day("from"), map.take_day("to"));
    map.close();
    OrganisationCode { scheme, value, valid_from, valid_to }
}

fn parse_application(mut map: MapReader<'_, '_>) -> (EntryPositions, Application) {
    let receiver_class = parse_receiver_class(&mut map);
    let takes = map.take_entries("takes");
    let application = Application {
        id: map.take_required_key("id"),
        organisation: map.take_required_code("organisation"),
        name: map.take_text("name"),
        gives: map.take_codes("gives"),
        takes: takes.into_iter().filter_map(|it| parse_takes(&mut map, it)).collect(),
        receiver_class: receiver_class.into(),
        token_sha256: map.take_codes("token_sha256"),
        in_hand_max: u32::try_from(map.take_integer("in_hand_max", IN_HAND.0, IN_HAND.1.into()))
            .unwrap_or(IN_HAND.1),
        lease_ms: 1000 * map.take_integer("lease_seconds", LEASE_SECONDS.0, LEASE_SECONDS.1),
        disabled: map.take_boolean("disabled"),
        accepts_losses: map.take_codes("accepts_losses"),
    };
    for (index, digest) in application.token_sha256.iter().enumerate() {
        if !is_sha256_hex(digest) {
            let params = [("key", "token_sha256"), ("expected", "sha256 hex")];
            map.report(&format!("token_sha256[{index}]"), &code::LT_REG_004, &params);
        }
    }
    for (index, field) in application.accepts_losses.iter().enumerate() {
        if !CONSENT_FIELDS.contains(&field.as_str()) {
            let params = [("value", field.as_str()), ("words", &CONSENT_FIELDS.join(", "))];
            map.report(&format!("accepts_losses[{index}]"), &code::LT_REG_013, &params);
        }
    }
    let (_file, positions, _mistakes) = map.close();
    (positions, application)
}

fn parse_receiver_class(map: &mut MapReader<'_, '_>) -> ReceiverClass {
    match map.take_code("receiver_class").as_str() {
        "" | "repeatable" => ReceiverClass::Repeatable,
        "askable" => ReceiverClass::Askable,
        "neither" => ReceiverClass::Neither,
        other => {
            let params = [("value", other), ("words", "repeatable, askable, neither")];
            map.report("receiver_class", &code::LT_REG_013, &params);
            ReceiverClass::Unspecified
        }
    }
}

fn parse_takes(map: &mut MapReader<'_, '_>, (word, format): (&str, &Node)) -> Option<Takes> {
    let message_type = parse_message_type(map, &format!("takes.{word}"), word)?;
    let Some(name) = read_code(format) else {
        map.report_no_text(format.line, "takes", format);
        return None;
    };
    Some(Takes { r#type: message_type.into(), format: name })
}

fn parse_message_type(map: &mut MapReader<'_, '_>, path: &str, word: &str) -> Option<MessageType> {
    let message_type = MessageType::parse(word);
    if message_type.is_none() {
        let types = "document, status, meeting, notice, dataset, delivery_report";
        map.report(path, &code::LT_REG_013, &[("value", word), ("words", types)]);
    }
    message_type
}

fn parse_right(mut map: MapReader<'_, '_>) -> (EntryPositions, Right) {
    let words = map.take_codes("types");
    if words.is_empty() {
        map.report("types", &code::LT_REG_003, &[("key", "types")]);
    }
    let types = words.iter().enumerate().filter_map(|(index, it)| {
        parse_message_type(&mut map, &format!("types[{index}]"), it).map(i32::from)
    });
    let types = types.collect();
    let right = Right {
        from: map.take_required_code("from"),
        to: map.take_required_code("to"),
        types,
        valid_from: map.take_day("valid_from"),
        valid_to: map.take_day("valid_to"),
    };
    let (_file, positions, _mistakes) = map.close();
    (positions, right)
}

fn parse_code_list(mut map: MapReader<'_, '_>) -> (EntryPositions, CodeList) {
    let list = CodeList {
        name: map.take_required_key("name"),
        version: map.take_required_text("version"),
        of: map.take_code("of"),
        rows: Vec::new(),
    };
    let nodes = map.take_list("rows");
    let (file, mut positions, mistakes) = map.close();
    let mut rows = Vec::new();
    for (row, node) in nodes.into_iter().enumerate() {
        let mut map = MapReader::open(file, node, mistakes);
        rows.push(CodeRow {
            code: map.take_required_code("code"),
            name_vi: map.take_required_text("vi"),
            name_en: map.take_text("en"),
            valid_from: map.take_day("from"),
            valid_to: map.take_day("to"),
            means: map.take_code("means"),
        });
        let (_file, row_positions, _mistakes) = map.close();
        for key in ["means", "to", "from"] {
            positions.insert(format!("rows[{row}].{key}"), row_positions.at(key).line);
        }
    }
    (positions, CodeList { rows, ..list })
}
