//! `registry`: every mistake of a folder at once, its content, and new tokens.

use serde_json::json;

use crate::cli::Registry;
use crate::command::up::{fresh_token, token_hash};
use crate::screen::{Ending, Screen, fault_json};

/// Checks or shows a registry folder, or makes a token.
pub(crate) fn run(screen: Screen, command: Registry) -> anyhow::Result<Ending> {
    let (folder, show) = match command {
        Registry::Check { folder } => (folder, false),
        Registry::Show { folder } => (folder, true),
        Registry::Token => return Ok(token(screen)),
    };
    let shelf = formats::Shelf::shipped().map_err(|it| anyhow::anyhow!(it.join("; ")))?;
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
            .map(|it| json!({ "file": it.file, "line": it.line, "fault": fault_json(&it.fault) }))
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

fn print(screen: Screen, snapshot: &proto::registry::v1::Snapshot) {
    if screen.json {
        let organisations: Vec<_> = snapshot
            .organisations
            .iter()
            .map(|it| {
                let codes: Vec<_> = it.codes.iter().map(|it| it.value.clone()).collect();
                json!({ "key": it.key, "name": it.name, "codes": codes })
            })
            .collect();
        let applications: Vec<_> = snapshot
            .applications
            .iter()
            .map(|it| json!({ "id": it.id, "organisation": it.organisation, "gives": it.gives }))
            .collect();
        screen.value(&json!({
            "revision": snapshot.revision,
            "organisations": organisations,
            "applications": applications,
        }));
        return;
    }
    let rows: Vec<_> = snapshot
        .organisations
        .iter()
        .map(|it| {
            let codes: Vec<_> = it.codes.iter().map(|it| it.value.as_str()).collect();
            let applications: Vec<_> = snapshot
                .applications
                .iter()
                .filter(|of| of.organisation == it.key)
                .map(|it| it.id.as_str())
                .collect();
            vec![it.key.clone(), it.name.clone(), codes.join(", "), applications.join(", ")]
        })
        .collect();
    screen.table(
        &[
            screen.say("Khóa", "Key"),
            screen.say("Tên", "Name"),
            screen.say("Mã", "Codes"),
            screen.say("Ứng dụng", "Applications"),
        ],
        &rows,
    );
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
