//! Trace context: into messages and calls, and out of them (W3C Trace Context).
//!
//! While nobody exports traces, spans of messages are not made at all, so they cost nothing.

use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderMap, HeaderValue};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

static EXPORTED: AtomicBool = AtomicBool::new(false);

/// Says that somebody exports traces, so that spans are worth making.
pub(crate) fn exported() {
    EXPORTED.store(true, Ordering::Relaxed);
}

/// True when spans are exported.
pub fn is_exported() -> bool {
    EXPORTED.load(Ordering::Relaxed)
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
    /// Channel, or the application at the end of the road.
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
    let span = tracing::info_span!(
        "message",
        otel.name = format!("{} {}", operation.word(), about.destination),
        otel.kind = operation.kind(),
        messaging.system = "lienthong",
        messaging.operation.type = operation.word(),
        messaging.destination.name = about.destination,
        messaging.message.id = about.message_id,
        messaging.message.conversation_id = about.conversation,
    );
    set_parent(&span, about.traceparent);
    span
}

/// Makes a span part of the trace that a `traceparent` names; an unreadable one changes nothing.
pub fn set_parent(span: &Span, traceparent: &str) {
    if traceparent.is_empty() || !is_exported() {
        return;
    }
    let context = TraceContextPropagator::new().extract(&Parent(traceparent));
    if context.span().span_context().is_valid() && span.set_parent(context).is_err() {
        tracing::debug!("span already has a parent");
    }
}

/// The `traceparent` of a span; empty while nobody exports.
pub fn traceparent(span: &Span) -> String {
    if !is_exported() {
        return String::new();
    }
    let context = span.context();
    let span = context.span();
    let context = span.span_context();
    if !context.is_valid() {
        return String::new();
    }
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
}

/// The `traceparent` of where we are; empty while nobody exports.
pub fn current() -> String {
    if is_exported() { traceparent(&Span::current()) } else { String::new() }
}

/// Puts the context of where we are into the headers of a call.
pub fn inject(headers: &mut HeaderMap) {
    if is_exported()
        && !headers.contains_key("traceparent")
        && let Ok(value) = HeaderValue::from_str(&current())
        && !value.is_empty()
    {
        headers.insert("traceparent", value);
    }
}

/// A span for a call that came in, in the trace its headers name.
pub fn call_span(path: &str, headers: &HeaderMap) -> Span {
    if !is_exported() {
        return Span::none();
    }
    let span = tracing::info_span!(
        "call",
        otel.name = path.trim_start_matches('/'),
        otel.kind = "server",
        rpc.system.name = "grpc",
        rpc.method = path.trim_start_matches('/'),
    );
    if let Some(parent) = headers.get("traceparent").and_then(|it| it.to_str().ok()) {
        set_parent(&span, parent);
    }
    span
}

/// The trace id in a `traceparent`, for search.
pub fn trace_id(traceparent: &str) -> Option<&str> {
    traceparent.split('-').nth(1).filter(|it| it.len() == 32)
}

struct Parent<'a>(&'a str);

impl Extractor for Parent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}
