//! `doctor`: whether this machine and its links are well, and what to do where they are not.

use std::fs;

use proto::journal::v1::FindRequest;
use serde_json::json;

use crate::cli::Link;
use crate::command::find::journal;
use crate::screen::{Ending, Screen};

/// One thing that was looked at.
struct Finding {
    what: &'static str,
    outcome: Result<String, String>,
    remedy: &'static str,
}

/// Looks at everything, one line each.
pub(crate) async fn run(screen: Screen, link: &Link) -> anyhow::Result<Ending> {
    let findings = [
        formats(screen),
        catalogue(screen),
        folder(screen, link),
        registry_folder(screen, link),
        running(screen, link).await,
    ];
    let is_well = findings.iter().all(|it| it.outcome.is_ok());
    if screen.json {
        let all: Vec<_> = findings
            .iter()
            .map(|it| {
                let (well, words) = match &it.outcome {
                    Ok(words) => (true, words),
                    Err(words) => (false, words),
                };
                json!({ "what": it.what, "well": well, "words": words, "remedy": it.remedy })
            })
            .collect();
        screen.value(&json!({ "well": is_well, "findings": all }));
    } else {
        for it in &findings {
            match &it.outcome {
                Ok(words) => screen.line(&format!("✓ {}: {words}", it.what)),
                Err(words) => screen.line(&format!("✗ {}: {words}\n    {}", it.what, it.remedy)),
            }
        }
    }
    Ok(if is_well { Ending::Done } else { Ending::Partial })
}

fn formats(screen: Screen) -> Finding {
    Finding {
        what: screen.say("Định dạng", "Formats"),
        outcome: formats::Shelf::shipped()
            .map(|it| it.all().iter().map(formats::Format::name).collect::<Vec<_>>().join(", "))
            .map_err(|it| it.join("; ")),
        remedy: screen.say("Cài lại chương trình.", "Install the program again."),
    }
}

fn catalogue(screen: Screen) -> Finding {
    let count = proto::fault::catalogue().len();
    Finding {
        what: screen.say("Danh mục lỗi", "Error catalogue"),
        outcome: Ok(format!("{count} {}", screen.say("mã", "codes"))),
        remedy: "",
    }
}

fn folder(screen: Screen, link: &Link) -> Finding {
    let probe = link.data.join(".doctor");
    let outcome = fs::write(&probe, b"ok").and_then(|()| fs::remove_file(&probe));
    Finding {
        what: screen.say("Thư mục dữ liệu", "Data folder"),
        outcome: outcome
            .map(|()| link.data.display().to_string())
            .map_err(|error| format!("{}: {error}", link.data.display())),
        remedy: screen.say(
            "Chạy `lienthong up` một lần, hoặc nêu --data.",
            "Run `lienthong up` once, or name --data.",
        ),
    }
}

fn registry_folder(screen: Screen, link: &Link) -> Finding {
    let folder = link.data.join("registry");
    Finding {
        what: screen.say("Sổ đăng ký", "Registry"),
        outcome: registry::check(&folder, None)
            .map(|it| {
                format!("{} {}", it.organisations.len(), screen.say("cơ quan", "organisations"))
            })
            .map_err(|it| format!("{} {}", it.len(), screen.say("lỗi", "mistakes"))),
        remedy: screen.say(
            "Chạy `lienthong registry check THƯ-MỤC`.",
            "Run `lienthong registry check FOLDER`.",
        ),
    }
}

async fn running(screen: Screen, link: &Link) -> Finding {
    let asked = async {
        let mut journal = journal(link).map_err(|error| format!("{error:#}"))?;
        let request = FindRequest { limit: 1, ..FindRequest::default() };
        journal.find(request).await.map_err(|it| it.message().to_owned())?;
        Ok(link.internal.clone())
    };
    Finding {
        what: screen.say("Kho thông điệp đang chạy", "Running journal"),
        outcome: asked.await,
        remedy: screen.say(
            "Chạy `lienthong up`, hoặc nêu --internal.",
            "Run `lienthong up`, or name --internal.",
        ),
    }
}
