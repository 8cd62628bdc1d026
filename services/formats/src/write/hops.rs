//! The trace of a packet: whoever writes stands at its end.

use crate::convert::Converter;
use crate::path::{list, list_mut};
use crate::plan::{Each, Line};
use crate::record::{Record, Value};

/// Who writes, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hop<'h> {
    /// Code of the organisation; empty: not said.
    pub(crate) organisation: &'h str,
    /// Seconds since 1970.
    pub(crate) now_s: i64,
}

/// The same message with the hops that its trace lacks; none when it lacks none.
pub(crate) fn append<'a>(
    lines: &'a [Line],
    message: &Record<'a>,
    hop: Hop<'a>,
) -> Option<Record<'a>> {
    let mut longer = None;
    walk(lines, message, hop, &mut longer);
    longer
}

fn walk<'a>(
    lines: &'a [Line],
    message: &Record<'a>,
    hop: Hop<'a>,
    longer: &mut Option<Record<'a>>,
) {
    for line in lines {
        match line {
            Line::Group(group) => walk(&group.lines, message, hop, longer),
            Line::Each(each) if each.append => {
                let hops = lacking(each, message, hop).unwrap_or_default();
                if hops.is_empty() {
                    continue;
                }
                let longer = longer.get_or_insert_with(|| message.clone());
                list_mut(longer, &each.to).into_iter().for_each(|it| it.extend_from_slice(&hops));
            }
            Line::Leaf(_) | Line::Each(_) | Line::Constant(..) | Line::ReadOnly(_) => {}
        }
    }
}

/// A packet without a trace begins it with its sender; whoever writes stands at its end.
fn lacking<'a>(each: &'a Each, message: &Record<'a>, hop: Hop<'a>) -> Option<Vec<Value<'a>>> {
    let shape = each.to.last()?.field.shape()?;
    let organisation = shape.field("organisation")?;
    let made = |by: Value<'a>| {
        let mut record = Record::new(shape);
        record.set(organisation, by);
        let at = shape.field("at").and_then(|it| record.message(it));
        let at = at.and_then(|it| it.message(it.shape.field("at")?));
        at.into_iter().for_each(|it| it.set_named("seconds", Value::I64(hop.now_s)));
        Value::Message(record)
    };
    let mut hops = Vec::new();
    let there = list(message, &each.to);
    if let Some(sender) = message.shape.field("sender").filter(|_| there.is_empty()) {
        let nobody = || sender.shape().map(|it| Value::Message(Record::new(it)));
        hops.extend(message.get(sender).cloned().or_else(nobody).map(made));
    }
    let is_own = |it: &Value<'_>| code_of(it).is_some_and(|it| it == hop.organisation);
    if hop.organisation.is_empty() || hops.last().or(there.last()).is_some_and(is_own) {
        return Some(hops);
    }
    let mut own = Record::new(organisation.shape()?);
    let ids = own.shape.field("ids")?;
    if let Ok(id) = ORG_ID.read(hop.organisation, ids) {
        own.set(ids, Value::List(vec![id]));
        hops.push(made(Value::Message(own)));
    }
    Some(hops)
}

static ORG_ID: Converter = Converter::OrgId;

/// The code of the organisation whose hop it is.
fn code_of<'v>(hop: &'v Value<'_>) -> Option<&'v str> {
    let organisation = hop.as_message()?.named("organisation")?.as_message()?;
    Some(organisation.named("ids")?.as_list()?.first()?.as_message()?.text("value"))
}
