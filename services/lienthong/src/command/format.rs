//! `format`: reading, writing and trying formats without a running system.

mod cases;
mod files;

use std::fs;
use std::path::Path;

use formats::cases::Case;
use formats::{DecodedMessage, EncodeContext, Format as Plan, FormatRegistry};
use proto::canonical::v1::{Canonical, canonical::Body};
use proto::fault::Lang;
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::{Finding, Loss, loss};
use serde_json::{Value, json};

use self::files::Files;
use crate::cli::Format;
use crate::fault;
use crate::screen::{Ending, Screen};
use crate::table::Row;
use crate::view;

/// A file longer than this takes a moment, and whoever waits is told.
const LONG: u64 = 16 << 20;

/// Runs a command on formats.
pub(crate) fn run(screen: Screen, command: Format) -> anyhow::Result<Ending> {
    let shelf = FormatRegistry::shipped().map_err(|it| anyhow::anyhow!(it.join("; ")))?;
    match command {
        Format::Detect { file } => {
            let format = shelf.choose("auto", &load(screen, &file)?)?;
            if screen.json {
                screen.value(&about(format));
            } else {
                screen.line(&format!("{}  {}", format.name(), format.title()));
            }
        }
        Format::Read { format, file, attachments } => {
            let mut files = Files::new(attachments);
            let read = read((screen, &shelf), &format, &file, &mut files)?;
            show(screen, &shelf, (&read, &files))?;
        }
        Format::Write { format, canonical, attachments } => {
            let text = load(screen, &canonical)?;
            let files = Files::new(attachments);
            write((screen, &shelf), &format, &text, &files)?;
        }
        Format::Try { format, file, to, attachments } => {
            let mut files = Files::new(attachments);
            let read = read((screen, &shelf), &format, &file, &mut files)?;
            attempt(screen, chosen(&shelf, &to)?, (&read, &files))?;
        }
        Format::List => list(screen, &shelf),
        Format::Check { description } => return check(screen, &description),
    }
    Ok(Ending::Done)
}

fn load(screen: Screen, path: &Path) -> Result<Vec<u8>, Fault> {
    let size = fs::metadata(path).map_or(0, |it| it.len());
    if size > LONG {
        let words = screen.say("Đang xử lý", "Working on");
        screen.note(&format!("{words} {} ({})…", path.display(), view::bytes(size)));
    }
    fs::read(path).map_err(|error| fault::unreadable(path, &error))
}

fn chosen<'a>(shelf: &'a FormatRegistry, name: &str) -> Result<&'a Plan, Fault> {
    shelf.choose(name, &[])
}

fn read(
    (screen, shelf): (Screen, &FormatRegistry),
    format: &str,
    file: &Path,
    files: &mut Files,
) -> Result<Vec<DecodedMessage>, Fault> {
    let native = load(screen, file)?;
    let plan = shelf.choose(format, &native)?;
    let beside = files.beside(file, plan, &native);
    let declared = beside.map_err(|error| fault::unwritable(file, &error))?;
    plan.decode(&native, &declared, files)
}

fn canonical_json(shelf: &FormatRegistry) -> Result<&Plan, Fault> {
    chosen(shelf, "canonical.json")
}

/// A message as canonical JSON. Where it came from is not part of it: the file is at hand.
fn shown(shelf: &FormatRegistry, of: &DecodedMessage) -> Result<Vec<u8>, Fault> {
    let message = Canonical { origin: None, ..of.canonical.clone() };
    let mut out = Vec::new();
    canonical_json(shelf)?.encode(
        &message,
        EncodeContext::default(),
        &Files::default(),
        &mut out,
    )?;
    Ok(out)
}

fn show(
    screen: Screen,
    shelf: &FormatRegistry,
    (read, files): (&[DecodedMessage], &Files),
) -> anyhow::Result<()> {
    if screen.json {
        let messages: Result<Vec<Value>, _> =
            read.iter().map(|it| anyhow::Ok(serde_json::from_slice(&shown(shelf, it)?)?)).collect();
        let files = files.all();
        let files: Vec<_> =
            files.iter().map(|(sha256, size)| json!({ "sha256": sha256, "size": size })).collect();
        screen.value(&json!({
            "messages": messages?,
            "findings": findings(read),
            "attachments": files,
        }));
        return Ok(());
    }
    for it in read {
        screen.bytes(&shown(shelf, it)?);
        screen.line("");
        for finding in &it.findings {
            let words = screen.say(&finding.text_vi, &finding.text_en);
            screen.note(&format!("{} {}: {words}", finding.code, finding.field));
        }
    }
    Ok(())
}

/// What was odd, with the place of its message among those that were read.
fn findings(read: &[DecodedMessage]) -> Vec<Value> {
    let value = |message: usize, it: &Finding| {
        json!({
            "message": message, "code": it.code, "field": it.field,
            "text_vi": it.text_vi, "text_en": it.text_en,
        })
    };
    let each = read.iter().enumerate();
    each.flat_map(|(place, it)| it.findings.iter().map(move |it| value(place, it))).collect()
}

fn write(
    (screen, shelf): (Screen, &FormatRegistry),
    format: &str,
    text: &[u8],
    files: &Files,
) -> Result<(), Fault> {
    let mut read = canonical_json(shelf)?.decode(text, &named(text), &mut Files::default())?;
    let message = Canonical { origin: None, ..read.remove(0).canonical };
    let mut out = Vec::new();
    let losses =
        chosen(shelf, format)?.encode(&message, EncodeContext::default(), files, &mut out)?;
    if screen.json {
        screen.value(&written(&out, &losses));
    } else {
        screen.bytes(&out);
        report(screen, &losses);
    }
    Ok(())
}

/// Native bytes and what they do not say, for programs.
fn written(native: &[u8], losses: &[Loss]) -> Value {
    let (encoding, text) = match std::str::from_utf8(native) {
        Ok(text) => ("utf-8", text.to_owned()),
        Err(_other) => ("base64", base64_simd::STANDARD.encode_to_string(native)),
    };
    json!({
        "native": text,
        "encoding": encoding,
        "losses": losses.iter().map(loss_json).collect::<Vec<_>>(),
    })
}

/// The files that canonical JSON names: by digest, as `format read` wrote them.
fn named(text: &[u8]) -> Vec<DeclaredAttachment> {
    // What is no JSON is told by whoever reads it as a message.
    let value: Value = serde_json::from_slice(text).unwrap_or_default();
    let mut declared = Vec::new();
    for body in ["document", "status"] {
        let attachments = value.get(body).and_then(|it| it.get("attachments"));
        for it in attachments.and_then(Value::as_array).into_iter().flatten() {
            let content = it.get("content").cloned().unwrap_or_default();
            let reference =
                content.get("ref").and_then(Value::as_str).unwrap_or_default().to_owned();
            let size = content.get("size").and_then(Value::as_u64).unwrap_or_default();
            let claim = bus::Claim::from_reference(&reference, size);
            declared.extend(claim.map(|claim| DeclaredAttachment {
                reference,
                claim: Some(proto::message::v1::Claim {
                    sha256: claim.sha256.to_vec().into(),
                    size: claim.size,
                }),
                ..DeclaredAttachment::default()
            }));
        }
    }
    declared
}

fn attempt(
    screen: Screen,
    target: &Plan,
    (read, files): (&[DecodedMessage], &Files),
) -> Result<(), Fault> {
    let mut translated = Vec::new();
    for it in read {
        let (message, mut out) = (sent(&it.canonical, target), Vec::new());
        let losses = target.encode(&message, EncodeContext::default(), files, &mut out)?;
        if screen.json {
            translated.push(written(&out, &losses));
        } else {
            screen.bytes(&out);
            screen.line("");
            report(screen, &losses);
        }
    }
    if screen.json {
        screen.value(&json!({ "messages": translated, "findings": findings(read) }));
    }
    Ok(())
}

/// The message as it passes the door, which names the sender where the source has no place for it.
/// Here nobody was authenticated, so it is the issuer, for a target that has a place.
fn sent(message: &Canonical, target: &Plan) -> Canonical {
    const SENDER: &str = "sender.ids[0].value";
    let mut message = message.clone();
    if let Some(Body::Document(document)) = &mut message.body
        && target.native_path(SENDER) != SENDER
        && document.sender.as_ref().is_none_or(|it| it.ids.is_empty())
    {
        document.sender.clone_from(&document.issuer);
    }
    message
}

fn loss_json(of: &Loss) -> Value {
    json!({
        "kind": of.kind().as_str_name().to_ascii_lowercase(),
        "path": of.path,
        "reason": of.reason,
        "value": of.value,
    })
}

fn report(screen: Screen, losses: &[Loss]) {
    for it in losses {
        let words = match (it.kind(), screen.lang) {
            (loss::Kind::Lost, Lang::Vi) => "nơi nhận không thấy",
            (loss::Kind::Lost, Lang::En) => "the receiver will not see",
            (loss::Kind::Changed, Lang::Vi) => "nơi nhận thấy khác",
            (loss::Kind::Changed, Lang::En) => "the receiver will see otherwise",
            (loss::Kind::Added, Lang::Vi) => "nơi nhận thấy thêm",
            (loss::Kind::Added, Lang::En) => "the receiver will see in addition",
            (loss::Kind::Unspecified, _) => "?",
        };
        let value = if it.value.is_empty() { String::new() } else { format!(" = {}", it.value) };
        screen.note(&format!("{words}: {}{value} ({})", it.path, why(screen, &it.reason)));
    }
}

/// A reason of a loss report in words; one that is new stands as it is.
fn why(screen: Screen, reason: &str) -> &str {
    match reason {
        "no-place" => screen.say("định dạng không có chỗ", "the format has no place for it"),
        "first-only" => screen.say("định dạng chỉ giữ mục đầu", "the format keeps the first only"),
        "no-code" => screen.say("không có mã tương ứng", "there is no code for it"),
        "condition" => screen.say("không đúng điều kiện", "its condition does not hold"),
        "not-admitted" => {
            screen.say("định dạng không nhận giá trị này", "the value is not admitted")
        }
        "cut" => screen.say("bị cắt ngắn", "cut"),
        "precision" => screen.say("kém chính xác hơn", "less precise"),
        "spelling" => screen.say("viết khác", "spelled otherwise"),
        "default" => screen.say("giá trị mặc định", "a default"),
        "derived" => screen.say("suy ra từ trường khác", "follows from another field"),
        "context" => screen.say("do trục thêm vào", "added by the bus"),
        other => other,
    }
}

fn about(format: &Plan) -> Value {
    json!({
        "name": format.name(),
        "version": format.version(),
        "hash": format.hash(),
        "title": format.title(),
        "carries": format.carries().iter().map(|it| it.as_str()).collect::<Vec<_>>(),
    })
}

fn list(screen: Screen, shelf: &FormatRegistry) {
    if screen.json {
        screen.value(&shelf.all().iter().map(about).collect());
        return;
    }
    let rows: Vec<Row> = shelf
        .all()
        .iter()
        .map(|it| {
            let carries: Vec<_> = it.carries().iter().map(|it| it.as_str()).collect();
            let hash: String = it.hash().chars().take(8).collect();
            vec![
                it.name().to_owned(),
                format!("v{} {hash}", it.version()),
                carries.join(", "),
                it.title().to_owned(),
            ]
            .into()
        })
        .collect();
    screen.table(
        &[
            screen.say("Tên", "Name"),
            screen.say("Phiên bản", "Version"),
            screen.say("Chở", "Carries"),
            screen.say("Tiêu đề", "Title"),
        ],
        &rows,
    );
}

fn check(screen: Screen, description: &Path) -> anyhow::Result<Ending> {
    let text = String::from_utf8_lossy(&load(screen, description)?).into_owned();
    let (mistakes, format, cases) = match Plan::compile(&text) {
        Ok(plan) => (Vec::new(), Some(plan), cases::beside(description)?),
        Err(mistakes) => (mistakes, None, Vec::new()),
    };
    let wrong =
        if format.is_some() { formats::cases::check_cases(&text, &cases) } else { Vec::new() };
    let of = |case: &Case| -> Vec<&str> {
        wrong.iter().filter(|it| it.case == case.name).map(|it| it.text.as_str()).collect()
    };
    let failed = cases.iter().filter(|it| !of(it).is_empty()).count();
    if screen.json {
        let cases: Vec<_> =
            cases.iter().map(|it| json!({ "name": it.name, "mistakes": of(it) })).collect();
        let format = format.as_ref().map(about);
        screen.value(&json!({ "mistakes": mistakes, "format": format, "cases": cases }));
    } else {
        let file = description.display();
        mistakes.iter().for_each(|it| screen.line(&format!("{file}: {it}")));
        for case in &cases {
            of(case).iter().for_each(|it| screen.line(&format!("{}: {it}", case.name)));
        }
        let words = screen.say("ca mẫu", "cases");
        let (held, all) = (cases.len() - failed, cases.len());
        match &format {
            Some(it) if failed == 0 => {
                screen.line(&format!("✓ {} v{}, {all} {words}", it.name(), it.version()));
            }
            Some(_) => screen.note(&format!("✗ {held}/{all} {words}")),
            None => {
                screen.note(&format!("✗ {} {}", mistakes.len(), screen.say("lỗi", "mistakes")));
            }
        }
    }
    Ok(if format.is_some() && failed == 0 { Ending::Done } else { Ending::Refused })
}
