//! Cases of a format: what is read, and what writing it back gives.
//!
//! A case is native bytes, the canonical JSON that reading gives, and its class:
//!
//! - `exact`: written back, it has the very same bytes;
//! - `same`: written back and read again, it is the same message and nothing is reported;
//! - `report`: the report of writing it back stands in the outcome;
//! - `refused`: the code and the violations stand in the outcome; there is no canonical JSON.
//!
//! Findings stand in the outcome too. A case that could claim more than it does is wrong as well.

use std::collections::HashMap;
use std::io;

use proto::canonical::v1::Canonical;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::Claim;
use sha2::{Digest as _, Sha256};

use crate::canonical_json;
use crate::content::{BlobDigest, BlobSink, BlobSource};
use crate::format::{DecodedMessage, EncodeContext, Format};
use crate::read::digest_reference;

/// One case, as it lies beside a description.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// What people call it.
    pub name: String,
    /// `exact`, `same`, `report` or `refused`.
    pub class: String,
    /// The native bytes.
    pub native: Vec<u8>,
    /// Canonical JSON that reading gives; none for what is refused.
    pub canonical: Option<String>,
    /// Findings and report, or the refusal.
    pub outcome: String,
    /// Files that come along, by the reference the body gives them.
    pub files: Vec<(String, Vec<u8>)>,
}

/// What is wrong with a description or one of its cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFailure {
    /// The case; empty: the description itself.
    pub case: String,
    /// Vietnamese, then English.
    pub text: String,
}

/// What a case gives.
#[derive(Clone, Debug, Default)]
pub struct CaseOutcome {
    /// Canonical JSON of what was read.
    pub canonical: Option<String>,
    /// Findings and report, or the refusal.
    pub outcome: String,
    /// The bytes of writing it back.
    pub native: Vec<u8>,
    /// The class it has a right to.
    pub class: &'static str,
}

/// Tries a description on its cases; every mistake at once.
pub fn check_cases(description: &str, cases: &[Case]) -> Vec<CaseFailure> {
    let format = match Format::compile(description) {
        Ok(format) => format,
        Err(all) => {
            return all.into_iter().map(|text| CaseFailure { case: String::new(), text }).collect();
        }
    };
    cases.iter().flat_map(|case| differences(case, &run_case(&format, case))).collect()
}

/// What differs between a case and what it gives.
fn differences(case: &Case, ran: &CaseOutcome) -> Vec<CaseFailure> {
    let mistake = |text: String| CaseFailure { case: case.name.clone(), text };
    let mut mistakes = Vec::new();
    if case.class.trim() != ran.class {
        mistakes.push(mistake(format!(
            "loại là `{}`, đáng lẽ `{1}` / the class is `{0}`, it should be `{1}`",
            case.class.trim(),
            ran.class
        )));
    }
    let mut compare = |name: &str, said: &str, is: &str| {
        if said.trim_end() != is.trim_end() {
            let line = said.lines().zip(is.lines()).take_while(|(said, is)| said == is).count() + 1;
            let shown = |of: &str| of.lines().nth(line - 1).unwrap_or_default().trim().to_owned();
            mistakes.push(mistake(format!(
                "{name}:{line}: ghi `{said}`, thực tế `{is}` / says `{said}`, is `{is}`",
                said = shown(said),
                is = shown(is)
            )));
        }
    };
    compare("outcome", &case.outcome, &ran.outcome);
    let said = case.canonical.as_deref().unwrap_or_default();
    compare("canonical.json", said, ran.canonical.as_deref().unwrap_or_default());
    mistakes
}

/// Reads a case, writes what was read, and says what came of it.
pub fn run_case(format: &Format, case: &Case) -> CaseOutcome {
    let mut files = Files::default();
    let declared: Vec<_> =
        case.files.iter().map(|(name, bytes)| files.declare(name, bytes)).collect();
    let decoded = match format.decode(&case.native, &declared, &mut files) {
        Ok(mut decoded) if !decoded.is_empty() => decoded.remove(0),
        Ok(_) => return CaseOutcome { class: "refused", ..CaseOutcome::default() },
        Err(fault) => return refused(&fault),
    };
    written(format, case, (decoded, &declared), &mut files)
}

fn refused(fault: &Fault) -> CaseOutcome {
    let mut outcome = format!("{}\n", fault.code);
    for it in &fault.violations {
        outcome += &format!("{}: {} / {}\n", it.field, it.description_vi, it.description_en);
    }
    CaseOutcome { outcome, class: "refused", ..CaseOutcome::default() }
}

fn written(
    format: &Format,
    case: &Case,
    (mut decoded, declared): (DecodedMessage, &[DeclaredAttachment]),
    files: &mut Files,
) -> CaseOutcome {
    decoded.canonical.origin = None;
    let canonical = canonical_json::write(&decoded.canonical).ok().map(|it| it + "\n");
    let mut outcome: String = decoded
        .findings
        .iter()
        .map(|it| format!("{} {}: {}\n", it.code, it.field, it.text_en))
        .collect();
    let mut native = Vec::new();
    let report =
        match format.encode(&decoded.canonical, EncodeContext::default(), files, &mut native) {
            Ok(report) => report,
            Err(fault) => {
                outcome += &refused(&fault).outcome;
                return CaseOutcome { canonical, outcome, native, class: "report" };
            }
        };
    for it in &report {
        outcome +=
            &format!("{} {} {} {:?}\n", it.kind().as_str_name(), it.path, it.reason, it.value);
    }
    let class = if native == case.native {
        "exact"
    } else if report.is_empty()
        && again(format, (&native, declared), files) == Some(decoded.canonical)
    {
        "same"
    } else {
        "report"
    };
    CaseOutcome { canonical, outcome, native, class }
}

/// What is read of what was written; it names files by their digests.
fn again(
    format: &Format,
    (native, declared): (&[u8], &[DeclaredAttachment]),
    files: &mut Files,
) -> Option<Canonical> {
    let renamed = |it: &DeclaredAttachment| {
        let sha256 = it.claim.as_ref().map(|it| it.sha256.to_vec()).unwrap_or_default();
        DeclaredAttachment { reference: digest_reference(&sha256), ..it.clone() }
    };
    let declared: Vec<_> = declared.iter().map(renamed).collect();
    let mut read = format.decode(native, &declared, files).ok()?.into_iter().next()?.canonical;
    read.origin = None;
    Some(read)
}

/// Files in memory, by digest.
#[derive(Default)]
struct Files {
    open: Vec<u8>,
    kept: HashMap<[u8; 32], Vec<u8>>,
}

impl Files {
    fn declare(&mut self, name: &str, bytes: &[u8]) -> DeclaredAttachment {
        let named = BlobDigest { sha256: Sha256::digest(bytes).into(), size: bytes.len() as u64 };
        self.kept.insert(named.sha256, bytes.to_vec());
        DeclaredAttachment {
            reference: name.to_owned(),
            file_name: name.to_owned(),
            claim: Some(Claim { sha256: named.sha256.to_vec().into(), size: named.size }),
            ..Default::default()
        }
    }
}

impl BlobSink for Files {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.open.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.open);
        self.kept.insert(Sha256::digest(&bytes).into(), bytes);
        Ok(())
    }
}

impl BlobSource for Files {
    fn read(&self, sha256: [u8; 32], _size: u64, into: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        let missing = || Fault::new(&code::LT_MAP_008).param("name", digest_reference(&sha256));
        into(self.kept.get(&sha256).ok_or_else(missing)?);
        Ok(())
    }
}
