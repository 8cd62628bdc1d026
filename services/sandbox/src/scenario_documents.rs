//! The documents of the scenario. All of it is invented.

use anyhow::Context as _;

use crate::document::{DocumentFile, DocumentPurpose, OfficialDocument};
use crate::profile::{AGENCIES, AgencyProfile, profile_by_key};

fn profile(key: &str) -> anyhow::Result<&'static AgencyProfile> {
    profile_by_key(key).with_context(|| format!("there is no agency {key}"))
}

/// Bytes that begin like a PDF and are the same in every run.
fn pdf(seed: u32, size: u32) -> Vec<u8> {
    let mut bytes = b"%PDF-1.4\n".to_vec();
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    for _ in 0..size {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        bytes.push(state.to_le_bytes()[0]);
    }
    bytes
}

/// A circular of the Party office with two files for the three other agencies.
pub(crate) fn circular(id_suffix: &str) -> anyhow::Result<OfficialDocument> {
    Ok(OfficialDocument {
        number: "45".to_owned(),
        notation: "CV/TU".to_owned(),
        subject: "V/v phòng, chống lụt bão năm 2026".to_owned(),
        sender: profile("tinhuy")?,
        recipients: vec![profile("mttq")?, profile("ldld")?, profile("tinhdoan")?],
        files: vec![
            DocumentFile { name: "Công văn 45.pdf".to_owned(), bytes: pdf(1, 40_000) },
            DocumentFile { name: "Phụ lục.pdf".to_owned(), bytes: pdf(2, 300_000) },
        ],
        purpose: DocumentPurpose::Issue,
        id_suffix: id_suffix.to_owned(),
    })
}

/// A reply of the Fatherland Front with one file, from iOffice.
pub(crate) fn reply(id_suffix: &str) -> anyhow::Result<OfficialDocument> {
    Ok(OfficialDocument {
        number: "12".to_owned(),
        notation: "MTTQ-BTT".to_owned(),
        subject: "Báo cáo kết quả vận động ủng hộ".to_owned(),
        sender: profile("mttq")?,
        recipients: vec![profile("tinhuy")?],
        files: vec![DocumentFile { name: "bao-cao.pdf".to_owned(), bytes: pdf(3, 20_000) }],
        purpose: DocumentPurpose::Issue,
        id_suffix: id_suffix.to_owned(),
    })
}

/// A weekly report without files, from each agency in turn to the next one.
pub(crate) fn weekly_report(number: u32, id_suffix: &str) -> anyhow::Result<OfficialDocument> {
    let index = usize::try_from(number).unwrap_or_default();
    let pick = |index: usize| AGENCIES.get(index % AGENCIES.len()).context("there are no agencies");
    Ok(OfficialDocument {
        number: (100 + number).to_string(),
        notation: "BC-VP".to_owned(),
        subject: format!("Báo cáo tuần {}", number + 1),
        sender: pick(index)?,
        recipients: vec![pick(index + 1)?],
        files: Vec::new(),
        purpose: DocumentPurpose::Issue,
        id_suffix: id_suffix.to_owned(),
    })
}
