//! `registry`: every mistake of a folder at once, its content, and new tokens.

use proto::message::v1::{MessageType, Organisation};
use proto::registry::v1::{Application, CodeList, Right, Snapshot};
use serde_json::{Map, Value, json};

use crate::cli::Registry;
use crate::command::up::{fresh_token, token_hash};
use crate::fault;
use crate::screen::{Ending, Screen};
use crate::table::Row;

/// Checks or shows a registry folder, or makes a token.
pub(crate) fn run(screen: Screen, command: Registry) -> anyhow::Result<Ending> {
    let (folder, show) = match command {
        Registry::Check { folder } => (folder, false),
        Registry::Show { folder } => (folder, true),
        Registry::Token => return Ok(token(screen)),
    };
    std::fs::read_dir(&folder).map_err(|error| fault::unreadable(&folder, &error))?;
    let shelf = formats::FormatRegistry::shipped().map_err(|it| anyhow::anyhow!(it.join("; ")))?;
    let formats: Vec<String> = shelf.all().iter().map(|it| it.name().to_owned()).collect();
    match registry::check(&folder, Some(&formats)) {
        Ok(snapshot) if show => print(screen, &snapshot),
        Ok(snapshot) if screen.json => {
            screen.value(&json!({ "mistakes": [], "revision": snapshot.revision }));
        }
        Ok(snapshot) => screen.line(&format!(
            "✓ {} {}, {} {}, {} {}",
            snapshot.organisations.len(),
            screen.say("cơ quan", "organisations"),
            snapshot.applications.len(),
            screen.say("ứng dụng", "applications"),
            snapshot.rights.len(),
            screen.say("quyền", "rights"),
        )),
        Err(mistakes) => return Ok(tell(screen, &mistakes)),
    }
    Ok(Ending::Done)
}

fn tell(screen: Screen, mistakes: &[registry::Mistake]) -> Ending {
    if screen.json {
        let all: Vec<_> = mistakes
            .iter()
            .map(|it| json!({ "file": it.file, "line": it.line, "fault": fault::value(&it.fault) }))
            .collect();
        screen.value(&json!({ "mistakes": all }));
        return Ending::Refused;
    }
    for it in mistakes {
        screen.line(&format!(
            "{}:{}: {} {}\n    {}",
            it.file,
            it.line,
            it.fault.code,
            it.fault.title(screen.lang),
            it.fault.remedy(screen.lang)
        ));
    }
    screen.note(&format!("✗ {} {}", mistakes.len(), screen.say("lỗi", "mistakes")));
    Ending::Refused
}

fn print(screen: Screen, snapshot: &Snapshot) {
    if screen.json {
        screen.value(&value(snapshot));
        return;
    }
    let organisations: Vec<Row> = snapshot
        .organisations
        .iter()
        .map(|it| {
            let codes: Vec<_> = it.codes.iter().map(|it| it.value.as_str()).collect();
            vec![
                it.key.clone(),
                it.name.clone(),
                codes.join(", "),
                it.parent.clone(),
                days(&it.valid_from, &it.valid_to),
            ]
            .into()
        })
        .collect();
    screen.table(
        &[
            screen.say("Cơ quan", "Organisation"),
            screen.say("Tên", "Name"),
            screen.say("Mã", "Codes"),
            screen.say("Cấp trên", "Parent"),
            screen.say("Hiệu lực", "Valid"),
        ],
        &organisations,
    );
    screen.line("");
    screen.table(
        &[
            screen.say("Ứng dụng", "Application"),
            screen.say("Cơ quan", "Organisation"),
            screen.say("Đưa ra", "Gives"),
            screen.say("Nhận vào", "Takes"),
            screen.say("Ghi chú", "Notes"),
        ],
        &snapshot.applications.iter().map(|it| application_row(screen, it)).collect::<Vec<_>>(),
    );
    screen.line("");
    let rights: Vec<Row> = snapshot
        .rights
        .iter()
        .map(|it| {
            let types: Vec<_> = it.types().map(MessageType::as_str).collect();
            let valid = days(&it.valid_from, &it.valid_to);
            vec![it.from.clone(), it.to.clone(), types.join(", "), valid].into()
        })
        .collect();
    screen.table(
        &[
            screen.say("Quyền gửi: từ", "Right: from"),
            screen.say("Tới", "To"),
            screen.say("Loại", "Types"),
            screen.say("Hiệu lực", "Valid"),
        ],
        &rights,
    );
    for it in &snapshot.code_lists {
        let rows = screen.say("dòng", "rows");
        screen.line(&format!("\n{} {}: {} {rows}", it.name, it.version, it.rows.len()));
    }
}

fn application_row(screen: Screen, of: &Application) -> Row {
    let takes: Vec<_> =
        of.takes.iter().map(|it| format!("{}: {}", it.r#type().as_str(), it.format)).collect();
    let notes = if of.disabled { screen.say("đã khóa", "disabled") } else { "" };
    vec![
        of.id.clone(),
        of.organisation.clone(),
        of.gives.join(", "),
        takes.join(", "),
        notes.to_owned(),
    ]
    .into()
}

/// From when to when; nothing said is always.
fn days(from: &str, to: &str) -> String {
    if from.is_empty() && to.is_empty() { String::new() } else { format!("{from}–{to}") }
}

/// The whole registry, for programs; of tokens only how many there are.
fn value(of: &Snapshot) -> Value {
    let organisation = |it: &Organisation| {
        let codes: Vec<_> = it
            .codes
            .iter()
            .map(|it| {
                json!({
                    "scheme": it.scheme, "value": it.value,
                    "valid_from": it.valid_from, "valid_to": it.valid_to,
                })
            })
            .collect();
        json!({
            "key": it.key, "name": it.name, "codes": codes, "parent": it.parent,
            "predecessor": it.predecessor, "successor": it.successor,
            "valid_from": it.valid_from, "valid_to": it.valid_to,
        })
    };
    let application = |it: &Application| {
        let takes: Map<String, Value> = it
            .takes
            .iter()
            .map(|it| (it.r#type().as_str().to_owned(), it.format.clone().into()))
            .collect();
        let class = it.receiver_class().as_str_name().to_ascii_lowercase();
        json!({
            "id": it.id, "organisation": it.organisation, "name": it.name, "gives": it.gives,
            "takes": takes, "receiver_class": class, "tokens": it.token_sha256.len(),
            "in_hand_max": it.in_hand_max, "lease_ms": it.lease_ms, "disabled": it.disabled,
        })
    };
    let right = |it: &Right| {
        let types: Vec<_> = it.types().map(MessageType::as_str).collect();
        json!({
            "from": it.from, "to": it.to, "types": types,
            "valid_from": it.valid_from, "valid_to": it.valid_to,
        })
    };
    let list = |it: &CodeList| {
        let rows: Vec<_> = it
            .rows
            .iter()
            .map(|it| {
                json!({
                    "code": it.code, "name_vi": it.name_vi, "name_en": it.name_en,
                    "valid_from": it.valid_from, "valid_to": it.valid_to,
                })
            })
            .collect();
        json!({ "name": it.name, "version": it.version, "rows": rows })
    };
    json!({
        "revision": of.revision,
        "organisations": of.organisations.iter().map(organisation).collect::<Vec<_>>(),
        "applications": of.applications.iter().map(application).collect::<Vec<_>>(),
        "rights": of.rights.iter().map(right).collect::<Vec<_>>(),
        "code_lists": of.code_lists.iter().map(list).collect::<Vec<_>>(),
    })
}

fn token(screen: Screen) -> Ending {
    let token = fresh_token();
    let hash = token_hash(&token);
    if screen.json {
        screen.value(&json!({ "token": token, "token_sha256": hash }));
    } else {
        screen.line(&format!("token:        {token}"));
        screen.line(&format!("token_sha256: [\"{hash}\"]"));
        screen.note(screen.say(
            "Đưa token cho nhà cung cấp một lần duy nhất; chỉ dòng băm vào sổ đăng ký.",
            "Give the token to the vendor once; only the hash line goes into the registry.",
        ));
    }
    Ending::Done
}
