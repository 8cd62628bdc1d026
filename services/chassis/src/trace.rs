//! Spans of messages and calls, and the propagation of their context (W3C Trace Context).
//!
//! Without an exporter no span is created, so that tracing costs nothing.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{SpanContext, Status, TraceContextExt as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

static EXPORTED: AtomicBool = AtomicBool::new(false);
static MESSAGING_SYSTEM: OnceLock<&'static str> = OnceLock::new();

/// Paths of health checks, which are frequent and concern no message: they get no span.
const HEALTH_CHECKS: [&str; 4] = ["/grpc.health.v1.Health/", "/livez", "/readyz", "/metrics"];

/// Enables spans, because an exporter is configured.
pub(crate) fn enable() {
    EXPORTED.store(true, Ordering::Relaxed);
}

/// True when spans are exported.
pub fn is_exported() -> bool {
    EXPORTED.load(Ordering::Relaxed)
}

/// Sets the attribute `messaging.system` of all spans, such as `rabbitmq`. The first call wins;
/// without a call it is `lienthong`, the embedded transport.
pub fn set_messaging_system(system: &'static str) {
    MESSAGING_SYSTEM.get_or_init(|| system);
}

/// Operation on a message (`messaging.operation.type` of the OpenTelemetry semantic conventions).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The message is created.
    Create,
    /// It is published to a channel.
    Send,
    /// It is consumed from a channel.
    Receive,
    /// It is processed.
    Process,
    /// It is settled.
    Settle,
}

impl Operation {
    fn as_str(self) -> &'static str {
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

/// The message that a span describes.
#[derive(Clone, Copy, Debug)]
pub struct SpanMessage<'a> {
    /// Channel or receiving application. A partition of intake is written `intake.3`.
    pub destination: &'a str,
    /// Id of the message.
    pub message_id: &'a str,
    /// Conversation of the message.
    pub conversation: &'a str,
    /// `traceparent` of its envelope; empty: none.
    pub traceparent: &'a str,
}

/// A span about one message, in the trace of its envelope; disabled without an exporter.
pub fn message_span(operation: Operation, message: SpanMessage<'_>) -> Span {
    if !is_exported() {
        return Span::none();
    }
    let partition = message.destination.strip_prefix("intake.");
    let destination = partition.map_or(message.destination, |_| "intake");
    let span = tracing::info_span!(
        "message",
        otel.name = format!("{} {destination}", operation.as_str()),
        otel.kind = operation.kind(),
        messaging.system = MESSAGING_SYSTEM.get().copied().unwrap_or("lienthong"),
        messaging.operation.name = operation.as_str(),
        messaging.operation.type = operation.as_str(),
        messaging.destination.name = destination,
        messaging.destination.partition.id = partition,
        messaging.message.id = message.message_id,
        messaging.message.conversation_id = message.conversation,
        error.type = tracing::field::Empty,
    );
    set_parent(&span, Parent { traceparent: message.traceparent, tracestate: "" });
    span
}

/// A span for one item of a batch: in the trace that the item names, else in a new one, because the
/// trace of the call belongs to all its items. It links to the span of the call. Disabled without an
/// exporter.
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

/// Marks a span as failed with an error code.
pub fn set_failed(span: &Span, code: &str) {
    span.record("error.type", code);
    span.set_status(Status::error(code.to_owned()));
}

/// Sets the parent of a span; an invalid `traceparent` is ignored.
fn set_parent(span: &Span, parent: Parent<'_>) {
    if parent.traceparent.is_empty() {
        return;
    }
    let context = TraceContextPropagator::new().extract(&parent);
    if context.span().span_context().is_valid() && span.set_parent(context).is_err() {
        tracing::debug!("span already has a parent");
    }
}

/// `traceparent` of a span; empty without an exporter.
pub fn traceparent(span: &Span) -> String {
    if !is_exported() {
        return String::new();
    }
    format_traceparent(span.context().span().span_context())
}

fn format_traceparent(context: &SpanContext) -> String {
    if !context.is_valid() {
        return String::new();
    }
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
}

/// `traceparent` of the current span; empty without an exporter.
pub fn current_traceparent() -> String {
    if is_exported() { traceparent(&Span::current()) } else { String::new() }
}

/// `tracestate` of the current span, as received: the vendor-specific entries are passed on
/// unchanged.
pub fn current_tracestate() -> String {
    if !is_exported() {
        return String::new();
    }
    Span::current().context().span().span_context().trace_state().header()
}

/// Sets the headers `traceparent` and `tracestate` of an outgoing call from the current span.
pub fn inject(headers: &mut HeaderMap) {
    if !is_exported() || headers.contains_key("traceparent") {
        return;
    }
    for (name, value) in
        [("traceparent", current_traceparent()), ("tracestate", current_tracestate())]
    {
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
}

/// A span for an incoming call, in the trace of its headers. Health checks get none.
pub fn request_span(path: &str, headers: &HeaderMap) -> Span {
    if !is_exported() || HEALTH_CHECKS.iter().any(|it| path.starts_with(it)) {
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

/// The first two segments of a path, e.g. `/v1/parts`: ids follow after them, and would give every
/// call a span name of its own.
fn route(path: &str) -> &str {
    let slashes = path.char_indices().filter(|(_, it)| *it == '/').map(|(index, _)| index);
    slashes.skip(1).nth(1).and_then(|end| path.get(..end)).unwrap_or(path)
}

/// The trace id of a `traceparent`.
pub fn trace_id(traceparent: &str) -> Option<&str> {
    traceparent.split('-').nth(1).filter(|it| it.len() == 32)
}

/// Trace context of an incoming message or call.
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
    fn a_route_has_no_ids() {
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
