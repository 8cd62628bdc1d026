//! Trace context: into messages and calls, and out of them (W3C Trace Context).
//!
//! While nobody exports traces, spans of messages are not made at all, so they cost nothing.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{SpanContext, Status, TraceContextExt as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

static EXPORTED: AtomicBool = AtomicBool::new(false);
static CARRIER: OnceLock<&'static str> = OnceLock::new();

/// Calls that only ask how we are: they are many, and tell nothing about any message.
const PROBES: [&str; 4] = ["/grpc.health.v1.Health/", "/livez", "/readyz", "/metrics"];

/// Says that somebody exports traces, so that spans are worth making.
pub(crate) fn exported() {
    EXPORTED.store(true, Ordering::Relaxed);
}

/// True when spans are exported.
pub fn is_exported() -> bool {
    EXPORTED.load(Ordering::Relaxed)
}

/// Says what carries the messages of this process (`messaging.system`), such as `rabbitmq`; the
/// first word counts. Until somebody says so it is `lienthong`, in memory.
pub fn carried_by(system: &'static str) {
    CARRIER.get_or_init(|| system);
}

/// What is done with a message (`messaging.operation.type` of the semantic conventions).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A message comes into being.
    Create,
    /// It is given to a channel.
    Send,
    /// It is taken from a channel.
    Receive,
    /// It is worked on.
    Process,
    /// It is answered.
    Settle,
}

impl Operation {
    fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Process => "process",
            Self::Settle => "settle",
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Create | Self::Send => "producer",
            Self::Receive | Self::Process => "consumer",
            Self::Settle => "client",
        }
    }
}

/// Which message a span is about.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Channel, or the application at the end of the road. A partition of intake is written
    /// `intake.3`.
    pub destination: &'a str,
    /// The message's id.
    pub message_id: &'a str,
    /// The conversation it belongs to.
    pub conversation: &'a str,
    /// The trace context in its envelope; empty: none.
    pub traceparent: &'a str,
}

/// A span about one message, in the trace its envelope names. None at all while nobody exports.
pub fn message_span(operation: Operation, about: About<'_>) -> Span {
    if !is_exported() {
        return Span::none();
    }
    let partition = about.destination.strip_prefix("intake.");
    let destination = partition.map_or(about.destination, |_| "intake");
    let span = tracing::info_span!(
        "message",
        otel.name = format!("{} {destination}", operation.word()),
        otel.kind = operation.kind(),
        messaging.system = CARRIER.get().copied().unwrap_or("lienthong"),
        messaging.operation.name = operation.word(),
        messaging.operation.type = operation.word(),
        messaging.destination.name = destination,
        messaging.destination.partition.id = partition,
        messaging.message.id = about.message_id,
        messaging.message.conversation_id = about.conversation,
        error.type = tracing::field::Empty,
    );
    set_parent(&span, Parent { traceparent: about.traceparent, tracestate: "" });
    span
}

/// A span for one item of several in a call: in the trace that the item names, else in one of its
/// own, because the trace of the call belongs to all of them. None at all while nobody exports.
pub fn item_span(traceparent: &str) -> Span {
    if !is_exported() {
        return Span::none();
    }
    let call = Span::current().context().span().span_context().clone();
    let span = tracing::info_span!(parent: None, "submit", otel.kind = "internal");
    span.add_link(call);
    set_parent(&span, Parent { traceparent, tracestate: "" });
    span
}

/// Marks a span as failed, with the code of the fault.
pub fn failed(span: &Span, code: &str) {
    span.record("error.type", code);
    span.set_status(Status::error(code.to_owned()));
}

/// Makes a span part of the trace that its parent names; an unreadable one changes nothing.
fn set_parent(span: &Span, parent: Parent<'_>) {
    if parent.traceparent.is_empty() {
        return;
    }
    let context = TraceContextPropagator::new().extract(&parent);
    if context.span().span_context().is_valid() && span.set_parent(context).is_err() {
        tracing::debug!("span already has a parent");
    }
}

/// The `traceparent` of a span; empty while nobody exports.
pub fn traceparent(span: &Span) -> String {
    if !is_exported() {
        return String::new();
    }
    written(span.context().span().span_context())
}

fn written(context: &SpanContext) -> String {
    if !context.is_valid() {
        return String::new();
    }
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
}

/// The `traceparent` of where we are; empty while nobody exports.
pub fn current() -> String {
    if is_exported() { traceparent(&Span::current()) } else { String::new() }
}

/// The `tracestate` of where we are: what others wrote beside the context, carried on unread.
pub fn current_state() -> String {
    if !is_exported() {
        return String::new();
    }
    Span::current().context().span().span_context().trace_state().header()
}

/// Puts the context of where we are into the headers of a call.
pub fn inject(headers: &mut HeaderMap) {
    if !is_exported() || headers.contains_key("traceparent") {
        return;
    }
    for (name, value) in [("traceparent", current()), ("tracestate", current_state())] {
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
}

/// A span for a call that came in, in the trace its headers name. There is none for who only asks
/// how we are.
pub fn call_span(path: &str, headers: &HeaderMap) -> Span {
    if !is_exported() || PROBES.iter().any(|it| path.starts_with(it)) {
        return Span::none();
    }
    let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let method = path.trim_start_matches('/');
    let span = if text(CONTENT_TYPE.as_str()).starts_with("application/grpc") {
        tracing::info_span!(
            "call",
            otel.name = method,
            otel.kind = "server",
            rpc.system.name = "grpc",
            rpc.method = method,
            error.type = tracing::field::Empty,
        )
    } else {
        tracing::info_span!(
            "call",
            otel.name = route(path),
            otel.kind = "server",
            http.route = route(path),
            url.path = path,
            error.type = tracing::field::Empty,
        )
    };
    set_parent(&span, Parent { traceparent: text("traceparent"), tracestate: text("tracestate") });
    span
}

/// The part of a path that names what is called, `/v1/parts`: ids come behind it.
fn route(path: &str) -> &str {
    let ends = path.char_indices().filter(|(_, it)| *it == '/').map(|(place, _)| place);
    ends.skip(1).nth(1).and_then(|end| path.get(..end)).unwrap_or(path)
}

/// The trace id in a `traceparent`, for search.
pub fn trace_id(traceparent: &str) -> Option<&str> {
    traceparent.split('-').nth(1).filter(|it| it.len() == 32)
}

/// What a message or a call brings of the trace it belongs to.
#[derive(Clone, Copy)]
struct Parent<'a> {
    traceparent: &'a str,
    tracestate: &'a str,
}

impl Extractor for Parent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => Some(self.traceparent),
            "tracestate" => Some(self.tracestate),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_no_part_of_a_route() {
        for (path, expected) in [
            ("/v1/submit", "/v1/submit"),
            ("/v1/parts/abc", "/v1/parts"),
            ("/v1/deliveries/7/parts/1", "/v1/deliveries"),
            ("/", "/"),
            ("", ""),
        ] {
            assert_eq!(route(path), expected, "{path}");
        }
    }
}
