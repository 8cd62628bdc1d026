//! Which format native bytes are in, by the conditions of the descriptions.

use proto::fault::code;
use proto::fault::v1::Fault;

use crate::format::Format;
use crate::grammar::Syntax;
use crate::registered_format::{FormatSource, RegisteredFormat};
use crate::scan::refuse_html;
use crate::tree::{NodeName, Tree};

/// The format that was detected, and the tree of the bytes.
pub(crate) struct Detection<'f, 'a> {
    pub(crate) format: &'f Format,
    pub(crate) tree: Tree<'a>,
}

/// The order in which two formats are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precedence {
    /// The first is detected by further conditions than those of the second.
    Before,
    /// The second is detected by further conditions than those of the first.
    After,
    /// Every item that is detected as one is detected as the other.
    Equal,
    /// Some items may be detected as both.
    Unordered,
}

impl Precedence {
    pub(crate) fn is_before(self) -> bool {
        self == Self::Before
    }

    pub(crate) fn is_equal(self) -> bool {
        self == Self::Equal
    }
}

/// The first format that detects the text of the bytes, and their tree.
///
/// Between a loaded format and another one that detects the bytes as well, only further conditions
/// decide; a guess could read an agency's item in the format of another.
///
/// # Errors
///
/// No format detects them, several do, or they are malformed.
pub(crate) fn detect<'f, 'a>(
    formats: &'f [RegisteredFormat],
    text: &'a str,
) -> Result<Detection<'f, 'a>, Fault> {
    let Some(first) = text.trim_start().chars().next() else {
        return Err(Fault::new(&code::LT_MAP_018).violation("body", "rỗng", "is empty"));
    };
    refuse_html(text)?;
    let mut malformed = None;
    let mut scanned: Vec<(&Syntax, Result<Tree<'a>, Fault>)> = Vec::new();
    let may_be = |it: &&RegisteredFormat| it.format.syntax.may_begin_with(first);
    for it in formats.iter().filter(may_be) {
        let format = &*it.format;
        // Formats with the same scan share its tree.
        if !scanned.iter().any(|(it, _)| it.has_same_scan(&format.syntax)) {
            scanned.push((&format.syntax, format.scan(text)));
        }
        match scanned.iter_mut().find(|(it, _)| it.has_same_scan(&format.syntax)) {
            Some((_, Ok(tree))) if format.detects(tree) => {
                refuse_ambiguous(formats, it, tree)?;
                return Ok(Detection { format, tree: std::mem::take(tree) });
            }
            // Any text is malformed in a syntax of plain text that it is not in.
            Some((syntax, Err(fault))) if !syntax.is_flat() => {
                malformed = malformed.or(Some(fault.clone()));
            }
            Some(_) | None => {}
        }
    }
    // A syntax error says more to the sender than "unknown format".
    if let Some(fault) = malformed {
        return Err(fault);
    }
    Err(Fault::new(&code::LT_MAP_018))
}

/// Refuses bytes that another format detects as well, when one of the two was loaded and neither has
/// precedence.
fn refuse_ambiguous(
    formats: &[RegisteredFormat],
    detected: &RegisteredFormat,
    tree: &Tree<'_>,
) -> Result<(), Fault> {
    let is_loaded = |it: &RegisteredFormat| it.source != FormatSource::Shipped;
    let format = &*detected.format;
    let is_rival = |it: &&RegisteredFormat| {
        (is_loaded(it) || is_loaded(detected))
            && it.format.name() != format.name()
            && it.format.syntax.has_same_scan(&format.syntax)
            && !precedence(format, &it.format).is_before()
            && it.format.detects(tree)
    };
    match formats.iter().find(is_rival) {
        None => Ok(()),
        Some(other) => {
            let fault = Fault::new(&code::LT_FMT_024).param("format", format.name());
            Err(fault.param("other", other.format.name()))
        }
    }
}

/// Which of two formats is tried first.
pub(crate) fn precedence(left: &Format, right: &Format) -> Precedence {
    let are_detected = left.is_detectable() && right.is_detectable();
    if !are_detected || !left.syntax.has_same_scan(&right.syntax) {
        return Precedence::Unordered;
    }
    let (first, second) = (conditions(left), conditions(right));
    match (implies(&first, &second), implies(&second, &first)) {
        (true, true) => Precedence::Equal,
        (true, false) => Precedence::Before,
        (false, true) => Precedence::After,
        (false, false) => Precedence::Unordered,
    }
}

/// A condition on the whole tree: this path is there, or is not.
struct Condition<'a> {
    path: Vec<&'a str>,
    is_there: bool,
}

impl Condition<'_> {
    /// True when the other condition holds wherever this one does: a node has its ancestors, and one
    /// that is missing has no descendants.
    fn implies(&self, other: &Self) -> bool {
        match (self.is_there, other.is_there) {
            (true, true) => self.path.starts_with(&other.path),
            (false, false) => other.path.starts_with(&self.path),
            (true, false) | (false, true) => false,
        }
    }
}

fn implies(all: &[Condition<'_>], others: &[Condition<'_>]) -> bool {
    others.iter().all(|other| all.iter().any(|it| it.implies(other)))
}

fn conditions(format: &Format) -> Vec<Condition<'_>> {
    let mut conditions = vec![condition(format, &[], true)];
    if format.syntax.is_canonical() {
        // Its own check, which no description can state.
        conditions.push(Condition { path: vec![""], is_there: true });
    }
    for it in &format.detect {
        conditions.extend(it.has.as_deref().map(|it| condition(format, it, true)));
        conditions.extend(it.lacks.as_deref().map(|it| condition(format, it, false)));
    }
    conditions
}

/// A condition on a path below the format's records.
fn condition<'a>(format: &'a Format, path: &'a [NodeName], is_there: bool) -> Condition<'a> {
    let names = format.records.iter().chain(path).filter(|it| !it.is_self);
    Condition { path: names.map(|it| it.text.as_str()).collect(), is_there }
}
