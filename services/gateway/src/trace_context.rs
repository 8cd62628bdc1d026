//! The trace that a submitted message belongs to, as far as the caller's context is well-formed.

use chassis::trace::{self, Operation, SpanMessage};
use proto::exchange::v1::SubmitRequest;

/// Longest `tracestate` that is carried (W3C Trace Context asks for at least this).
const TRACESTATE_BYTES_MAX: usize = 512;

/// The trace context of a call (W3C Trace Context); empty when the caller sent none.
#[derive(Clone, Debug, Default)]
pub(crate) struct TraceContext {
    traceparent: String,
    tracestate: String,
}

impl TraceContext {
    /// The context inside the request, else the one in its headers.
    pub(crate) fn from_request<'a>(
        request: &SubmitRequest,
        header: impl Fn(&'static str) -> Option<&'a str>,
    ) -> Self {
        if !request.traceparent.is_empty() {
            return Self::new(&request.traceparent, "");
        }
        let header = |name| header(name).unwrap_or_default();
        Self::new(header("traceparent"), header("tracestate"))
    }

    /// A malformed field is dropped, as the standard asks: it must not fail the call.
    fn new(traceparent: &str, tracestate: &str) -> Self {
        if !is_traceparent(traceparent) {
            return Self::default();
        }
        let tracestate = if is_tracestate(tracestate) { tracestate } else { "" };
        Self { traceparent: traceparent.to_owned(), tracestate: tracestate.to_owned() }
    }

    /// Starts the span of a new message; its `traceparent` and `tracestate`. The parent is the
    /// caller's span when it belongs to another trace than the call, else the call's.
    /// `destination` is the channel to which the message is published first.
    pub(crate) fn start_message(
        self,
        message_id: &str,
        conversation: &str,
        destination: &str,
    ) -> (String, String) {
        let current = trace::current_traceparent();
        let (sent, running) = (trace::trace_id(&self.traceparent), trace::trace_id(&current));
        let is_other_trace = sent.is_some() && (current.is_empty() || sent != running);
        let parent = if is_other_trace { &self.traceparent } else { &current };
        let about = SpanMessage { destination, message_id, conversation, traceparent: parent };
        let started = trace::traceparent(&trace::message_span(Operation::Create, about));
        let traceparent = if started.is_empty() { parent.clone() } else { started };
        let is_same_trace = sent.is_some() && trace::trace_id(&traceparent) == sent;
        let tracestate = if is_same_trace { self.tracestate } else { String::new() };
        (traceparent, tracestate)
    }
}

/// True for version 00 of W3C Trace Context: `00-<trace id>-<parent id>-<flags>`, 55 bytes.
fn is_traceparent(text: &str) -> bool {
    let is_hex = |field: &str| field.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    let is_set = |field: &str| field.bytes().any(|it| it != b'0');
    let fields: Vec<&str> = if text.len() == 55 { text.split('-').collect() } else { Vec::new() };
    let [version, trace, parent, flags] = fields.as_slice() else { return false };
    *version == "00"
        && (trace.len(), parent.len(), flags.len()) == (32, 16, 2)
        && [trace, parent, flags].into_iter().all(|it| is_hex(it))
        && is_set(trace)
        && is_set(parent)
}

fn is_tracestate(text: &str) -> bool {
    text.len() <= TRACESTATE_BYTES_MAX && text.bytes().all(|it| matches!(it, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn carried(traceparent: &str, tracestate: &str) -> (String, String) {
        TraceContext::new(traceparent, tracestate).start_message("m", "c", "intake.0")
    }

    #[test]
    fn only_a_well_formed_trace_context_is_carried() {
        let both = |it: &str, state: &str| (it.to_owned(), state.to_owned());
        assert_eq!(carried(PARENT, "a=1"), both(PARENT, "a=1"));
        assert_eq!(carried(PARENT, &"x".repeat(513)), both(PARENT, ""));
        assert_eq!(carried(PARENT, "a=\n"), both(PARENT, ""));
        for malformed in [
            "",
            &PARENT.to_uppercase(),
            PARENT.trim_end_matches('1'),
            &format!("{PARENT}0"),
            &format!("{PARENT}{}", "-0".repeat(100_000)),
            &PARENT.replace("00-", "ff-"),
            &PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &PARENT.replace('b', "-"),
        ] {
            assert_eq!(carried(malformed, "a=1"), both("", ""), "{malformed:.80}");
        }
    }
}
