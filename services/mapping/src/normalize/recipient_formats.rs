//! What the formats of the recipients need: told to the sender at once, who alone can add it, and not
//! by a copy that waits for an operator.

use std::collections::{BTreeMap, HashSet};

use proto::canonical::v1::Canonical;
use proto::fault::code;
use proto::fault::v1::{Fault, FieldViolation};
use proto::message::v1::{Finding, MessageType};

use super::context::NormalizeContext;

/// Applications that a text names; the rest is counted.
const NAMED_MAX: usize = 5;

/// Checks that the applications of the recipients can get the message. Those that cannot are findings
/// while there are others; a message that none can get is refused.
pub(super) fn check(
    canonical: &Canonical,
    (message_type, recipients): (MessageType, &[String]),
    context: &NormalizeContext<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Fault> {
    let formats = taken_formats(context, message_type, recipients);
    let mut lacking = Vec::new();
    for (format, applications) in &formats {
        let missing = (context.find_missing)(format, canonical);
        lacking.extend(missing.map(|it| (*format, applications, it.violations)));
    }
    let violations = lacking.iter().flat_map(|(format, applications, violations)| {
        let names = name_some(applications);
        violations.iter().map(move |it| violation(it, (format, &names), context))
    });
    if lacking.len() < formats.len() {
        findings.extend(violations.map(|it| Finding {
            code: "LT-MAP-242".to_owned(),
            field: it.field,
            text_vi: it.description_vi,
            text_en: it.description_en,
        }));
        return Ok(());
    }
    let violations: Vec<_> = violations.collect();
    if violations.is_empty() {
        return Ok(());
    }
    let mut fields: Vec<&str> = violations.iter().map(|it| it.field.as_str()).collect();
    fields.dedup();
    let mut fault = Fault::new(&code::LT_MAP_241).param("fields", fields.join(", "));
    fault.violations = violations;
    Err(fault)
}

/// The formats in which the recipients take the type, each with the applications that do.
fn taken_formats<'d>(
    context: &NormalizeContext<'d>,
    message_type: MessageType,
    recipients: &[String],
) -> BTreeMap<&'d str, Vec<&'d str>> {
    let recipients: HashSet<&str> = recipients.iter().map(String::as_str).collect();
    let mut formats: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let is_receiving = |organisation: &str| recipients.contains(organisation);
    let applications = context.directory.applications().iter();
    for it in applications.filter(|it| !it.disabled && is_receiving(&it.organisation)) {
        let takes = it.takes.iter().find(|it| it.r#type() == message_type);
        if let Some(takes) = takes {
            formats.entry(&takes.format).or_default().push(&it.id);
        }
    }
    formats
}

fn violation(
    missing: &FieldViolation,
    (format, applications): (&str, &(String, String)),
    context: &NormalizeContext<'_>,
) -> FieldViolation {
    let (vi, en) = (&missing.description_vi, &missing.description_en);
    let (names_vi, names_en) = applications;
    FieldViolation {
        field: (context.native_path)(&missing.field),
        description_vi: format!("{names_vi} nhận định dạng {format}: {vi}"),
        description_en: format!("{names_en} takes the format {format}: {en}"),
    }
}

/// The first applications, and how many more there are.
fn name_some(applications: &[&str]) -> (String, String) {
    let named: Vec<&str> = applications.iter().take(NAMED_MAX).copied().collect();
    let named = named.join(", ");
    match applications.len().saturating_sub(NAMED_MAX) {
        0 => (named.clone(), named),
        rest => (format!("{named} và {rest} ứng dụng khác"), format!("{named} and {rest} more")),
    }
}
