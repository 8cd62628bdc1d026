//! The trace a submitted message belongs to, as far as what the caller named can be believed.

use chassis::trace::{self, About, Operation};
use proto::exchange::v1::SubmitRequest;

/// Longest `tracestate` that is carried (W3C Trace Context asks for at least this).
const TRACESTATE_BYTES_MAX: usize = 512;

/// The trace context that came with a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    traceparent: String,
    tracestate: String,
}

impl Sent {
    /// What the call itself says, else what its headers say.
    pub(crate) fn with<'a>(
        request: &SubmitRequest,
        header: impl Fn(&'static str) -> Option<&'a str>,
    ) -> Self {
        if !request.traceparent.is_empty() {
            return Self::new(&request.traceparent, "");
        }
        let header = |name| header(name).unwrap_or_default();
        Self::new(header("traceparent"), header("tracestate"))
    }

    /// What has not the form of the standard is as if it had not been sent.
    fn new(traceparent: &str, tracestate: &str) -> Self {
        if !is_traceparent(traceparent) {
            return Self::default();
        }
        let tracestate = if is_tracestate(tracestate) { tracestate } else { "" };
        Self { traceparent: traceparent.to_owned(), tracestate: tracestate.to_owned() }
    }

    /// The trace a message is born into, as `traceparent` and `tracestate`: the call's, or another
    /// one that the sender named. `to` is the channel it goes to first.
    pub(crate) fn born(self, message_id: &str, conversation: &str, to: &str) -> (String, String) {
        let here = trace::current();
        let (named, running) = (trace::trace_id(&self.traceparent), trace::trace_id(&here));
        let is_named = named.is_some() && (here.is_empty() || named != running);
        let parent = if is_named { &self.traceparent } else { &here };
        let about = About { destination: to, message_id, conversation, traceparent: parent };
        let born = trace::traceparent(&trace::message_span(Operation::Create, about));
        let traceparent = if born.is_empty() { parent.clone() } else { born };
        let is_same = named.is_some() && trace::trace_id(&traceparent) == named;
        let tracestate = if is_same { self.tracestate } else { String::new() };
        (traceparent, tracestate)
    }
}

/// True for version 00 of W3C Trace Context: `00-<trace id>-<parent id>-<flags>`, 55 bytes.
fn is_traceparent(text: &str) -> bool {
    let is_hex = |part: &str| part.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    let is_set = |part: &str| part.bytes().any(|it| it != b'0');
    let parts: Vec<&str> = if text.len() == 55 { text.split('-').collect() } else { Vec::new() };
    let [version, trace, parent, flags] = parts.as_slice() else { return false };
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
        Sent::new(traceparent, tracestate).born("m", "c", "intake.0")
    }

    #[test]
    fn only_the_form_of_the_standard_is_carried() {
        let both = |it: &str, state: &str| (it.to_owned(), state.to_owned());
        assert_eq!(carried(PARENT, "a=1"), both(PARENT, "a=1"));
        assert_eq!(carried(PARENT, &"x".repeat(513)), both(PARENT, ""));
        assert_eq!(carried(PARENT, "a=\n"), both(PARENT, ""));
        for odd in [
            "",
            &PARENT.to_uppercase(),
            PARENT.trim_end_matches('1'),
            &format!("{PARENT}0"),
            &format!("{PARENT}{}", "-0".repeat(100_000)),
            &PARENT.replace("00-", "ff-"),
            &PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &PARENT.replace('b', "-"),
        ] {
            assert_eq!(carried(odd, "a=1"), both("", ""), "{odd:.80}");
        }
    }
}
