//! Reads an input with a format, and writes what was read.

use std::collections::BTreeSet;

use formats::{EncodeContext, Format, MemoryBlobs};
use proto::canonical::v1::Canonical;
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::Claim;

use crate::target::Outcome;

/// The outcome of an input: codes. A refusal has a code of reading; what was read can be written and
/// read again, and written a second time is the same.
pub(crate) fn read_and_write(format: &Format, bytes: &[u8]) -> Outcome {
    let mut files = MemoryBlobs::default();
    let decoded = match format.decode(bytes, &[], &mut files) {
        Ok(decoded) => decoded,
        Err(fault) => return refusal(format, &fault),
    };
    let mut outcome = format!("{} read", format.name());
    for it in decoded.iter().take(3) {
        let codes: BTreeSet<&str> = it.findings.iter().map(|it| it.code.as_str()).collect();
        outcome += &format!(" {codes:?}");
        if format.is_written() {
            outcome += &write_and_read(format, &it.canonical, &files)?;
        }
    }
    Ok(outcome)
}

fn refusal(format: &Format, fault: &Fault) -> Outcome {
    let is_known = ["LT-MAP-", "LT-FMT-"].iter().any(|it| fault.code.starts_with(it));
    if is_known {
        Ok(format!("{} {} ", format.name(), fault.code))
    } else {
        Err(format!("{fault:?}"))
    }
}

fn write_and_read(format: &Format, canonical: &Canonical, files: &MemoryBlobs) -> Outcome {
    let write = |it: &Canonical| {
        // The origin tells of the bytes that were read, which differ.
        let it = Canonical { origin: None, ..it.clone() };
        let mut native = Vec::new();
        let losses = format.encode(&it, EncodeContext::default(), files, &mut native);
        losses.map(|losses| (native, losses))
    };
    let (first, losses) = match write(canonical) {
        Ok(written) => written,
        Err(fault) => return refusal(format, &fault).map(|it| format!(" unwritten {it}")),
    };
    let shown = || String::from_utf8_lossy(&first).chars().take(2_000).collect::<String>();
    let mut again = format.decode(&first, &[], &mut files.clone());
    // Some formats write the reference of a file instead of its bytes.
    if again.as_ref().is_err_and(|it| it.code == "LT-MAP-008") {
        again = format.decode(&first, &uploads(files), &mut files.clone());
    }
    let again = again.map_err(|it| format!("what was written is refused: {it:?}\n{}", shown()))?;
    let Some(again) = again.first() else {
        return Err("what was written has no record".to_owned());
    };
    let second = write(&again.canonical);
    let (second, _) = second.map_err(|it| format!("written once only: {it:?}\n{}", shown()))?;
    let is_whole = !losses.iter().any(|it| it.path.starts_with("leftovers["));
    if is_whole && first != second {
        let second = String::from_utf8_lossy(&second);
        return Err(format!("written twice it differs:\n{}\n{second}", shown()));
    }
    Ok(format!(" written {is_whole} "))
}

/// The files as uploads beside a body.
fn uploads(files: &MemoryBlobs) -> Vec<DeclaredAttachment> {
    let upload = |(sha256, bytes): (&[u8; 32], &Vec<u8>)| DeclaredAttachment {
        reference: format!("sha256:{}", hex::encode(sha256)),
        claim: Some(Claim { sha256: sha256.to_vec().into(), size: bytes.len() as u64 }),
        ..DeclaredAttachment::default()
    };
    files.files().iter().map(upload).collect()
}
