//! Cases of a format in a profile of it: what the base reads is written and read again by the
//! profile.

use proto::canonical::v1::{Canonical, canonical::Body};
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::Loss;

use crate::cases::again::{decode_again, written_at};
use crate::cases::case::Case;
use crate::content::MemoryBlobs;
use crate::format::Format;

/// What a case of the base gives in a profile.
#[derive(Clone, Debug, Default)]
pub struct BaseCaseOutcome {
    /// The bytes that the profile writes of each message.
    pub native: Vec<Vec<u8>>,
    /// What the profile loses or changes and the base does not, and messages that it refuses: its
    /// own differences.
    pub differences: Vec<String>,
    /// What no difference explains, in Vietnamese and English.
    pub failures: Vec<(String, String)>,
}

/// Runs a case of the base in a profile.
pub fn run_base_case(base: &Format, profile: &Format, case: &Case) -> BaseCaseOutcome {
    let mut outcome = BaseCaseOutcome::default();
    let mut files = MemoryBlobs::default();
    let declared: Vec<_> =
        case.files.iter().map(|(name, bytes)| files.declare(name, bytes)).collect();
    match base.decode(&case.native, &declared, &mut files) {
        Ok(messages) => {
            for it in messages {
                run_message((base, profile), it.canonical, &declared, &mut files, &mut outcome);
            }
        }
        Err(fault) => {
            if profile.decode(&case.native, &declared, &mut files).is_ok() {
                outcome.failures.push((
                    format!("định dạng gốc từ chối ({}), hồ sơ lại nhận", fault.code),
                    format!("the base refuses it ({}), and the profile takes it", fault.code),
                ));
            }
        }
    }
    outcome
}

fn run_message(
    (base, profile): (&Format, &Format),
    message: Canonical,
    declared: &[DeclaredAttachment],
    files: &mut MemoryBlobs,
    outcome: &mut BaseCaseOutcome,
) {
    let message = without_leftovers(message);
    let encode = |format: &Format, files: &MemoryBlobs| -> Result<(Vec<u8>, Vec<Loss>), Fault> {
        let mut native = Vec::new();
        let losses = format.encode(&message, written_at(), files, &mut native)?;
        Ok((native, losses))
    };
    // What the base cannot write says nothing of the profile.
    let Ok((_, of_base)) = encode(base, files) else { return };
    let (native, losses) = match encode(profile, files) {
        Ok(it) => it,
        Err(fault) => {
            let fields: Vec<_> = fault.violations.iter().map(|it| it.field.as_str()).collect();
            outcome.differences.push(format!("{} {}", fault.code, fields.join(", ")));
            return;
        }
    };
    let own = losses.iter().filter(|it| !of_base.contains(it));
    let own: Vec<_> = own.map(|it| format!("{} {}", it.kind().as_str_name(), it.path)).collect();
    match decode_again(profile, (&native, declared), files).map(without_leftovers) {
        None => outcome.failures.push((
            "hồ sơ không đọc được điều chính nó ghi".to_owned(),
            "the profile cannot read what it writes".to_owned(),
        )),
        Some(again) if losses.is_empty() && again != message => outcome.failures.push((
            "hồ sơ đọc lại khác đi mà không báo mất gì".to_owned(),
            "the profile reads it back differently, and reports no loss".to_owned(),
        )),
        Some(_) => {}
    }
    outcome.native.push(native);
    outcome.differences.extend(own);
}

/// The message without what was left over of the base's bytes: a profile is another format, which
/// gets none of it.
fn without_leftovers(mut message: Canonical) -> Canonical {
    message.origin = None;
    match &mut message.body {
        Some(Body::Document(it)) => it.leftovers.clear(),
        Some(Body::Status(it)) => it.leftovers.clear(),
        Some(Body::DeliveryReport(it)) => it.leftovers.clear(),
        Some(Body::Receipt(_)) | None => {}
    }
    message
}
