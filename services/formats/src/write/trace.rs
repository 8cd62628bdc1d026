//! Trace of a packet (QCVN 102 `TraceHeaderList`): the organisation that writes is its last hop.

use crate::canonical_path::{find_list, find_list_mut};
use crate::convert::{CodeScope, Converter};
use crate::model::{DynMessage, Value};
use crate::plan::{ListRule, Rule};

/// The hop of the organisation that writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TraceHop<'h> {
    /// Code of the organisation; empty: no hop is added.
    pub(crate) organisation: &'h str,
    /// Seconds since 1970.
    pub(crate) now_s: i64,
}

/// The message with the missing hops appended to its trace; none when no hop is missing.
pub(crate) fn append_trace<'a>(
    rules: &'a [Rule],
    message: &DynMessage<'a>,
    hop: TraceHop<'a>,
) -> Option<DynMessage<'a>> {
    let mut extended = None;
    append_hops(rules, message, hop, &mut extended);
    extended
}

fn append_hops<'a>(
    rules: &'a [Rule],
    message: &DynMessage<'a>,
    hop: TraceHop<'a>,
    extended: &mut Option<DynMessage<'a>>,
) {
    for rule in rules {
        match rule {
            Rule::Group(group) => append_hops(&group.rules, message, hop, extended),
            Rule::List(list) if list.is_appended => {
                let hops = missing_hops(list, message, hop).unwrap_or_default();
                if hops.is_empty() {
                    continue;
                }
                let extended = extended.get_or_insert_with(|| message.clone());
                if let Some(trace) = find_list_mut(extended, &list.to) {
                    trace.extend_from_slice(&hops);
                }
            }
            Rule::Leaf(_) | Rule::List(_) | Rule::Constant(..) | Rule::ReadOnly(_) => {}
        }
    }
}

/// The hops to append: the sender when the trace is empty, and the writing organisation unless it
/// is the last hop already.
fn missing_hops<'a>(
    rule: &'a ListRule,
    message: &DynMessage<'a>,
    hop: TraceHop<'a>,
) -> Option<Vec<Value<'a>>> {
    let schema = rule.to.last()?.field.message_schema()?;
    let organisation = schema.field("organisation")?;
    let new_hop = |by: Value<'a>| {
        let mut message = DynMessage::new(schema);
        message.set(organisation, by);
        let moment = schema.field("at").and_then(|it| message.message_mut(it));
        if let Some(at) = moment.and_then(|it| it.message_mut(it.schema.field("at")?)) {
            at.set_by_name("seconds", Value::I64(hop.now_s));
        }
        Value::Message(message)
    };
    let mut hops = Vec::new();
    let trace = find_list(message, &rule.to);
    if let Some(sender) = message.schema.field("sender").filter(|_| trace.is_empty()) {
        let empty = || sender.message_schema().map(|it| Value::Message(DynMessage::new(it)));
        hops.extend(message.get(sender).cloned().or_else(empty).map(new_hop));
    }
    let is_own = |it: &Value<'_>| organisation_code(it).is_some_and(|it| it == hop.organisation);
    if hop.organisation.is_empty() || hops.last().or(trace.last()).is_some_and(is_own) {
        return Some(hops);
    }
    let mut own = DynMessage::new(organisation.message_schema()?);
    let ids = own.schema.field("ids")?;
    if let Ok(id) = ORG_ID.read(hop.organisation, ids, CodeScope::none()) {
        own.set(ids, Value::List(vec![id.value]));
        hops.push(new_hop(Value::Message(own)));
    }
    Some(hops)
}

static ORG_ID: Converter = Converter::OrgId;

/// The code of a hop's organisation.
fn organisation_code<'v>(hop: &'v Value<'_>) -> Option<&'v str> {
    let organisation = hop.as_message()?.get_by_name("organisation")?.as_message()?;
    Some(organisation.get_by_name("ids")?.as_list()?.first()?.as_message()?.text("value"))
}
