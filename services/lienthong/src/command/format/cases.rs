//! The cases that lie beside a description: each is read, and written back as its class says.

use std::fs;
use std::path::{Path, PathBuf};

use formats::{Context, Decoded, Format as Plan, Shelf};
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;

use super::files::Files;
use crate::fault;

/// A case and what is not as it says; nothing: it holds.
pub(super) struct Outcome {
    /// Name of its folder.
    pub(super) name: String,
    /// What is wrong, in English for whoever writes descriptions.
    pub(super) mistakes: Vec<String>,
}

/// Runs every case in the folder `cases` beside the description.
pub(super) fn run(plan: &Plan, shelf: &Shelf, description: &Path) -> Result<Vec<Outcome>, Fault> {
    let folder = description.with_file_name("cases");
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(Vec::new()) };
    let mut cases: Vec<PathBuf> = entries.flatten().map(|it| it.path()).collect();
    cases.retain(|it| it.is_dir());
    cases.sort();
    cases.iter().map(|case| one(plan, shelf, case)).collect()
}

fn one(plan: &Plan, shelf: &Shelf, case: &Path) -> Result<Outcome, Fault> {
    let name = case.file_name().map_or_else(String::new, |it| it.to_string_lossy().into_owned());
    let class = text(&case.join("class"))?;
    let native = load(&native(case)?)?;
    let mut files = Files::default();
    let declared = declared(case, &mut files)?;
    let read = plan.decode(&native, &declared, &mut files);
    let mistakes = match (class.trim(), read) {
        ("refused", Err(fault)) => {
            let expected = text(&case.join("outcome"))?;
            let code = expected.lines().next().unwrap_or_default();
            differs("the refusal", &fault.code, code)
        }
        ("refused", Ok(_)) => vec!["it is read, and should be refused".to_owned()],
        (_, Err(fault)) => vec![format!("it cannot be read: {fault}")],
        (class, Ok(mut read)) if read.len() == 1 => {
            kept((plan, shelf), case, (class, &native), (&read.remove(0), &mut files, declared))?
        }
        (_, Ok(read)) => vec![format!("it holds {} records, a case holds one", read.len())],
    };
    Ok(Outcome { name, mistakes })
}

fn kept(
    (plan, shelf): (&Plan, &Shelf),
    case: &Path,
    (class, native): (&str, &[u8]),
    (read, files, mut declared): (&Decoded, &mut Files, Vec<DeclaredAttachment>),
) -> Result<Vec<String>, Fault> {
    let mut mistakes = Vec::new();
    let mut message = read.canonical.clone();
    message.origin = None;
    if let Some(json) = shelf.get("canonical.json") {
        let mut shown = Vec::new();
        json.encode(&message, Context::default(), files, &mut shown)?;
        let expected = text(&case.join("canonical.json"))?;
        let shown = String::from_utf8_lossy(&shown);
        mistakes.extend(differs("canonical.json", shown.trim(), expected.trim()));
    }
    let mut written = Vec::new();
    let losses = plan.encode(&message, Context::default(), files, &mut written)?;
    match class {
        "report" if losses.is_empty() => mistakes.push("nothing is reported".to_owned()),
        "report" => {}
        _ if !losses.is_empty() => {
            mistakes.extend(losses.iter().map(|it| format!("{} is reported", it.path)));
        }
        "exact" => {
            let (is, must) = (String::from_utf8_lossy(&written), String::from_utf8_lossy(native));
            mistakes.extend(differs("what is written", &is, &must));
        }
        "same" => {
            // What is written names files by their digests.
            for it in &mut declared {
                let digest = it.claim.clone().unwrap_or_default().sha256;
                it.reference = format!("sha256:{}", crate::view::hex(&digest));
            }
            let again = plan.decode(&written, &declared, files)?;
            let same = again.first().is_some_and(|it| it.canonical.body == message.body);
            if !same {
                mistakes.push("read again it is another message".to_owned());
            }
        }
        other => mistakes.push(format!("there is no class `{other}`")),
    }
    Ok(mistakes)
}

/// The first line in which two texts differ.
fn differs(what: &str, is: &str, must: &str) -> Vec<String> {
    if is == must {
        return Vec::new();
    }
    let pairs = is.lines().zip(must.lines()).enumerate();
    let first = pairs.into_iter().find(|(_, (is, must))| is != must);
    let words = match first {
        Some((line, (is, must))) => format!("line {}: `{is}` instead of `{must}`", line + 1),
        None => "one is longer".to_owned(),
    };
    vec![format!("{what} differs, {words}")]
}

fn native(case: &Path) -> Result<PathBuf, Fault> {
    let entries = fs::read_dir(case).map_err(|error| fault::unreadable(case, &error))?;
    let mut found = entries.flatten().map(|it| it.path());
    found.find(|it| it.file_stem().is_some_and(|it| it == "native")).ok_or_else(|| {
        fault::unreadable(&case.join("native.*"), &std::io::ErrorKind::NotFound.into())
    })
}

fn declared(case: &Path, files: &mut Files) -> Result<Vec<DeclaredAttachment>, Fault> {
    let folder = case.join("files");
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(Vec::new()) };
    let mut declared = Vec::new();
    for path in entries.flatten().map(|it| it.path()) {
        let kept = files.keep(&load(&path)?);
        let claim = Some(kept.map_err(|error| fault::unwritable(&path, &error))?);
        let name =
            path.file_name().map_or_else(String::new, |it| it.to_string_lossy().into_owned());
        declared.push(DeclaredAttachment {
            reference: name.clone(),
            file_name: name,
            claim,
            ..DeclaredAttachment::default()
        });
    }
    Ok(declared)
}

fn load(path: &Path) -> Result<Vec<u8>, Fault> {
    fs::read(path).map_err(|error| fault::unreadable(path, &error))
}

fn text(path: &Path) -> Result<String, Fault> {
    Ok(String::from_utf8_lossy(&load(path)?).into_owned())
}
