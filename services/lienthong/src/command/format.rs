//! `format`: reading, writing and trying formats without a running system.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use formats::{BlobSink, BlobSource, Context, Decoded, Format as Plan, Shelf};
use proto::canonical::v1::Canonical;
use proto::fault::v1::Fault;
use proto::fault::{Lang, code};
use proto::mapping::v1::{Loss, loss};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::cli::Format;
use crate::screen::{Ending, Screen};

/// Files found in a body, or lying in a folder under their digests.
#[derive(Default)]
struct Files {
    open: Vec<u8>,
    found: RefCell<HashMap<String, Vec<u8>>>,
    folder: Option<PathBuf>,
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|it| format!("{it:02x}")).collect()
}

impl BlobSink for Files {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.open.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self) -> std::io::Result<()> {
        let bytes = std::mem::take(&mut self.open);
        let name = hex(&Sha256::digest(&bytes));
        if let Some(folder) = &self.folder {
            fs::create_dir_all(folder)?;
            fs::write(folder.join(&name), &bytes)?;
        }
        self.found.get_mut().insert(name, bytes);
        Ok(())
    }
}

impl BlobSource for Files {
    fn read(&self, sha256: [u8; 32], _size: u64, into: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        let name = hex(&sha256);
        if let Some(bytes) = self.found.borrow().get(&name) {
            into(bytes);
            return Ok(());
        }
        let path = self.folder.as_ref().map(|it| it.join(&name));
        let bytes = path.and_then(|it| fs::read(it).ok());
        let missing = || Fault::new(&code::LT_MAP_008).param("name", &name);
        into(&bytes.ok_or_else(missing)?);
        Ok(())
    }
}

/// Runs a command on formats.
pub(crate) fn run(screen: Screen, command: Format) -> anyhow::Result<Ending> {
    let shelf = Shelf::shipped().map_err(|it| anyhow::anyhow!(it.join("; ")))?;
    match command {
        Format::Detect { file } => {
            let format = shelf.choose("auto", &load(&file)?)?;
            if screen.json {
                screen.value(&about(format));
            } else {
                screen.line(&format!("{}  {}", format.name(), format.title()));
            }
        }
        Format::Read { format, file, attachments } => {
            let mut files = Files { folder: attachments, ..Files::default() };
            let read = read(&shelf, &format, &file, &mut files)?;
            show(screen, &shelf, &read)?;
        }
        Format::Write { format, canonical, attachments } => {
            let files = Files { folder: attachments, ..Files::default() };
            let message = from_json(&shelf, &load(&canonical)?)?;
            let mut out = Vec::new();
            let losses =
                chosen(&shelf, &format)?.encode(&message, Context::default(), &files, &mut out)?;
            screen.bytes(&out);
            report(screen, &losses);
        }
        Format::Try { format, file, to } => {
            return attempt(screen, &shelf, (&format, &file), &to);
        }
        Format::List => list(screen, &shelf),
        Format::Check { description } => return check(screen, &description),
    }
    Ok(Ending::Done)
}

fn load(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn chosen<'a>(shelf: &'a Shelf, name: &str) -> Result<&'a Plan, Fault> {
    shelf.choose(name, &[])
}

fn read(
    shelf: &Shelf,
    format: &str,
    file: &Path,
    files: &mut Files,
) -> anyhow::Result<Vec<Decoded>> {
    let native = load(file)?;
    let plan = shelf.choose(format, &native)?;
    // Files that the body names by path are those beside it.
    let declared = beside(file, plan, &native);
    Ok(plan.decode(&native, &declared, files)?)
}

/// Uploads stand-ins: what the refusal of a missing file names is looked up beside the body.
fn beside(file: &Path, plan: &Plan, native: &[u8]) -> Vec<proto::mapping::v1::DeclaredAttachment> {
    let mut declared: Vec<proto::mapping::v1::DeclaredAttachment> = Vec::new();
    for _ in 0..200 {
        let Err(fault) = plan.decode(native, &declared, &mut Files::default()) else { break };
        let Some(reference) = fault.params.get("name").filter(|_| fault.code == "LT-MAP-008")
        else {
            break;
        };
        let name = reference.rsplit('/').next().unwrap_or_default().to_owned();
        let Ok(bytes) = fs::read(file.with_file_name(&name)) else { break };
        declared.push(proto::mapping::v1::DeclaredAttachment {
            reference: reference.clone(),
            file_name: name,
            media_type: String::new(),
            claim: Some(proto::journal::v1::Claim {
                sha256: Sha256::digest(&bytes).to_vec().into(),
                size: bytes.len() as u64,
            }),
        });
    }
    declared
}

fn show(screen: Screen, shelf: &Shelf, read: &[Decoded]) -> anyhow::Result<()> {
    let json = shelf.get("canonical.json").context("canonical.json is not shipped")?;
    for it in read {
        let mut out = Vec::new();
        json.encode(&it.canonical, Context::default(), &Files::default(), &mut out)?;
        screen.bytes(&out);
        screen.line("");
        for finding in &it.findings {
            let words = screen.say(&finding.text_vi, &finding.text_en);
            screen.note(&format!("{} {}: {words}", finding.code, finding.field));
        }
    }
    Ok(())
}

/// Canonical JSON from `format read`: its files are named by digest already.
fn from_json(shelf: &Shelf, text: &[u8]) -> anyhow::Result<Canonical> {
    let value: Value = serde_json::from_slice(text).context("the canonical file is no JSON")?;
    let mut declared = Vec::new();
    for body in ["document", "status"] {
        let attachments = value.get(body).and_then(|it| it.get("attachments"));
        for it in attachments.and_then(Value::as_array).into_iter().flatten() {
            let content = it.get("content").cloned().unwrap_or_default();
            let reference =
                content.get("ref").and_then(Value::as_str).unwrap_or_default().to_owned();
            let claim = bus::Claim::from_reference(
                &reference,
                content.get("size").and_then(Value::as_u64).unwrap_or_default(),
            );
            declared.extend(claim.map(|claim| proto::mapping::v1::DeclaredAttachment {
                reference,
                claim: Some(proto::journal::v1::Claim {
                    sha256: claim.sha256.to_vec().into(),
                    size: claim.size,
                }),
                ..Default::default()
            }));
        }
    }
    let json = shelf.get("canonical.json").context("canonical.json is not shipped")?;
    let mut read = json.decode(text, &declared, &mut Files::default())?;
    Ok(read.remove(0).canonical)
}

fn attempt(
    screen: Screen,
    shelf: &Shelf,
    (format, file): (&str, &Path),
    to: &str,
) -> anyhow::Result<Ending> {
    let mut files = Files::default();
    let decoded = read(shelf, format, file, &mut files)?;
    let target = chosen(shelf, to)?;
    for it in decoded {
        let mut out = Vec::new();
        let losses = target.encode(&it.canonical, Context::default(), &files, &mut out)?;
        if screen.json {
            let native = String::from_utf8_lossy(&out).into_owned();
            screen.value(&json!({ "native": native, "losses": losses.iter().map(loss_json).collect::<Vec<_>>() }));
        } else {
            screen.bytes(&out);
            screen.line("");
            report(screen, &losses);
        }
    }
    Ok(Ending::Done)
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
        screen.note(&format!("{words}: {}{value} ({})", it.path, it.reason));
    }
}

fn about(format: &Plan) -> Value {
    json!({
        "name": format.name(),
        "version": format.version(),
        "hash": format.hash(),
        "title": format.title(),
        "carries": format.carries().iter().map(|it| it.word()).collect::<Vec<_>>(),
    })
}

fn list(screen: Screen, shelf: &Shelf) {
    if screen.json {
        screen.value(&shelf.all().iter().map(about).collect());
        return;
    }
    let rows: Vec<_> = shelf
        .all()
        .iter()
        .map(|it| {
            let carries: Vec<_> = it.carries().iter().map(|it| it.word()).collect();
            let hash: String = it.hash().chars().take(8).collect();
            vec![
                it.name().to_owned(),
                format!("v{} {hash}", it.version()),
                carries.join(", "),
                it.title().to_owned(),
            ]
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
    let text = String::from_utf8(load(description)?).context("the description is not UTF-8")?;
    match Plan::compile(&text) {
        Ok(format) if screen.json => {
            screen.value(&json!({ "mistakes": [], "format": about(&format) }))
        }
        Ok(format) => screen.line(&format!("✓ {} v{}", format.name(), format.version())),
        Err(mistakes) => {
            if screen.json {
                screen.value(&json!({ "mistakes": mistakes }));
            } else {
                for it in &mistakes {
                    screen.line(it);
                }
            }
            return Ok(Ending::Refused);
        }
    }
    Ok(Ending::Done)
}
