//! The differential law (L14): the engine and a plain interpreter that shares only the grammar with it
//! read the same message, the same leftovers and the same findings, or refuse for the same reason.

use prost::Message as _;
use prost_reflect::DynamicMessage;
use proto::canonical::v1::{Canonical, Leftover, canonical::Body};
use proto::mapping::v1::DeclaredAttachment;

use super::descriptor_of;
use super::laws::leaves::leftovers;
use super::laws::patch::{declared, description};
use super::laws::{Law, any_case_of, formats_with_rules, shipped_cases};
use super::native_tree::NativeNode;
use super::random_messages::RandomMessages;
use super::reference::{Interpreter, NoReading, Reading};
use super::reference_report;
use super::synthetic;
use crate::limits::FINDINGS_MAX;
use crate::scan::decode_text;
use crate::{DecodedMessage, EncodeContext, Format, MemoryBlobs};

/// What both say of a record.
#[derive(Debug, PartialEq)]
struct Said {
    leaves: Vec<(String, String)>,
    leftovers: Vec<(String, String, i32, String)>,
    findings: Vec<String>,
}

impl Said {
    fn new(
        message: &DynamicMessage,
        mut leftovers: Vec<(String, String, i32, String)>,
        mut findings: Vec<String>,
    ) -> Self {
        let mut leaves = reference_report::leaves(message);
        leaves.retain(|(path, _)| !path.starts_with("leftovers"));
        // XML reads a carriage return as a line feed.
        for it in &mut leftovers {
            it.1 = it.1.replace("\r\n", "\n").replace('\r', "\n");
        }
        leftovers.sort();
        findings.sort();
        Self { leaves, leftovers, findings }
    }
}

/// What is said of each record: its message, or the code of its refusal.
type Outcomes = Vec<Result<Said, String>>;

fn said_by_engine(
    (format, native): (&Format, &[u8]),
    declared: &[DeclaredAttachment],
) -> Result<Outcomes, String> {
    let records = format.decode_records(native, declared, &mut MemoryBlobs::default());
    let said = |it: DecodedMessage| {
        let mut message = DynamicMessage::new(descriptor_of(format));
        message.merge(body_of(&it.canonical).as_slice()).unwrap();
        let leftover = |it: Leftover| (it.at, it.raw, it.why, it.of);
        let leftovers = leftovers(&it.canonical).into_iter().map(leftover).collect();
        Said::new(&message, leftovers, it.findings.into_iter().map(|it| it.code).collect())
    };
    let records = records.map_err(|it| it.code)?.into_iter();
    Ok(records.map(|it| it.outcome.map(said).map_err(|it| it.code)).collect())
}

fn said_by_interpreter(
    (interpreter, format): (&Interpreter, &Format),
    native: &[u8],
    declared: &[DeclaredAttachment],
) -> Result<Outcomes, NoReading> {
    let said = |it: Reading| {
        let leftovers = it.leftovers.into_iter();
        let leftovers = leftovers.map(|(at, raw, why, of)| (at, raw, why.into(), of));
        Said::new(&it.message, leftovers.collect(), it.findings)
    };
    let readings = interpreter.read((native, declared), format)?;
    Ok(readings.into_iter().map(|it| it.map(said)).collect())
}

fn body_of(canonical: &Canonical) -> Vec<u8> {
    match canonical.body.as_ref().unwrap() {
        Body::Document(it) => it.encode_to_vec(),
        Body::Status(it) => it.encode_to_vec(),
        Body::DeliveryReport(it) => it.encode_to_vec(),
        Body::Receipt(_) => Vec::new(),
    }
}

/// Compares the two on one content. False where the library that the interpreter parses with refuses
/// it.
pub(super) fn compare(
    (interpreter, format): (&Interpreter, &Format),
    native: &[u8],
    declared: &[DeclaredAttachment],
) -> bool {
    let expected = match said_by_interpreter((interpreter, format), native, declared) {
        Err(NoReading::Unparsed) => return false,
        Err(NoReading::Refused(code)) => Err(code),
        Ok(outcomes) => Ok(outcomes),
    };
    let actual = said_by_engine((format, native), declared);
    let words = || {
        let native = String::from_utf8_lossy(native);
        format!("{}\n{native}\ninterpreter: {expected:#?}\nengine: {actual:#?}", format.name())
    };
    let same = match (&expected, &actual) {
        (Ok(expected), Ok(actual)) => {
            let mut pairs = expected.iter().zip(actual);
            expected.len() == actual.len() && pairs.all(|(one, other)| is_same(one, other))
        }
        (Err(expected), Err(actual)) => expected == actual,
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    };
    assert!(same, "{}", words());
    true
}

fn is_same(expected: &Result<Said, String>, actual: &Result<Said, String>) -> bool {
    match (expected, actual) {
        (Ok(expected), Ok(actual)) => {
            // The engine reports so many findings, and no more.
            let is_cut = actual.findings.len() >= FINDINGS_MAX;
            expected.leaves == actual.leaves
                && expected.leftovers == actual.leftovers
                && (is_cut || expected.findings == actual.findings)
        }
        (expected, actual) => expected.as_ref().err() == actual.as_ref().err(),
    }
}

/// The interpreter of a shipped format.
fn interpreter_of(format: &Format) -> Interpreter {
    Interpreter::new(description(format))
}

#[test]
fn the_engine_reads_every_case_as_the_interpreter_does() {
    let mut count = 0;
    for case in shipped_cases() {
        let interpreter = interpreter_of(case.format);
        count += u32::from(compare((&interpreter, case.format), &case.native, &case.declared));
    }
    assert!(count > 100, "{count} cases");
}

#[test]
fn the_engine_reads_changed_content_as_the_interpreter_does() {
    let law = Law { name: "the_engine_reads_changed_content_as_the_interpreter_does", usual: 20 };
    let tried = law.try_each(formats_with_rules(), |format, seed| {
        let mut random = RandomMessages(seed);
        let case = any_case_of(format, &mut random);
        let native = match case.tree().filter(|_| random.index_below(8) > 0) {
            Some(mut tree) => {
                tree.mutate(&mut random);
                if random.index_below(2) == 0 {
                    tree.shuffle(&mut random);
                }
                tree.write(&format.syntax)
            }
            None => random.damage(&case.native),
        };
        compare((&interpreter_of(format), format), &native, &case.declared)
    });
    for (format, tried, compared) in tried {
        assert!(compared > tried / 2, "{format}: {compared} of {tried} compared");
    }
}

/// Content that a format writes for a random message, as it is and changed.
fn compare_written((interpreter, format): (&Interpreter, &Format), seed: u64) -> bool {
    let mut random = RandomMessages(seed);
    let mut files = MemoryBlobs::default();
    let (canonical, _) = random.canonical(format, &mut files);
    let declared = declared(format, &canonical);
    let mut native = Vec::new();
    let context = EncodeContext::default();
    if format.encode(&canonical, context, &files, &mut native).is_err() {
        return false;
    }
    let is_compared = compare((interpreter, format), &native, &declared);
    let text = decode_text(&native, format.syntax.charset()).unwrap().text;
    let Ok(tree) = format.scan(&text) else { return is_compared };
    let Some(mut changed) = NativeNode::of(&tree, &format.syntax) else { return is_compared };
    changed.mutate(&mut random);
    compare((interpreter, format), &changed.write(&format.syntax), &declared);
    is_compared
}

#[test]
fn the_engine_reads_what_it_wrote_as_the_interpreter_does() {
    let law = Law { name: "the_engine_reads_what_it_wrote_as_the_interpreter_does", usual: 20 };
    let written = formats_with_rules().filter(|it| it.is_written());
    let tried = law
        .try_each(written, |format, seed| compare_written((&interpreter_of(format), format), seed));
    for (format, tried, compared) in tried {
        assert!(compared > tried / 8, "{format}: {compared} of {tried} compared");
    }
}

#[test]
fn the_engine_reads_synthetic_formats_as_the_interpreter_does() {
    let law = Law { name: "the_engine_reads_synthetic_formats_as_the_interpreter_does", usual: 30 };
    let interpreters: Vec<_> = synthetic::texts().iter().map(|it| Interpreter::new(it)).collect();
    let formats = synthetic::formats();
    law.try_each(formats.iter(), |format, seed| {
        let index = formats.iter().position(|it| it.name() == format.name()).unwrap();
        compare_written((&interpreters[index], format), seed)
    });
}
