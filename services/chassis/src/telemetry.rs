//! Logs, traces and metrics of a process: set up once, flushed at the end.

use std::fmt;
use std::io;

use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, InstrumentKind, SdkMeterProvider, Stream,
};
use opentelemetry_sdk::trace::SdkTracerProvider;
use prometheus::{Encoder as _, Registry, TextEncoder};
use serde::Deserialize;
use tracing::{Dispatch, Event, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer};

use crate::secret::SecretUrl;

/// Defaults and words of the section `telemetry`.
pub const DEFAULTS: &str = include_str!("../telemetry.default.toml");

/// The section `telemetry`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What is logged: `info`, `debug`, `info,gateway=debug` …; of lapin never anything.
    pub level: String,
    /// `json` for machines, `pretty` for people.
    pub form: Form,
    /// OTLP/gRPC endpoint for traces and metrics, `http://host:4317`; empty: none.
    pub otlp_endpoint: SecretUrl,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// One JSON object a line, on standard output.
    Json,
    /// Coloured lines for people, on standard error.
    Pretty,
}

/// Telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level cannot be read.
    #[error("the log level cannot be read")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// The OTLP exporter cannot be built.
    #[error("the OTLP exporter cannot be built")]
    Otlp(#[from] opentelemetry_otlp::ExporterBuildError),
    /// The metrics cannot be read out.
    #[error("the metrics cannot be read out")]
    Metrics(#[from] opentelemetry_sdk::error::OTelSdkError),
}

/// What was set up. Keep it until the end, then call [`Telemetry::flush`].
#[derive(Clone)]
pub struct Telemetry {
    registry: Registry,
    traces: Option<SdkTracerProvider>,
    metrics: SdkMeterProvider,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

/// Sets up telemetry for this process. A second call in the same process (in tests) keeps the
/// first call's log lines and exporter of traces.
///
/// # Errors
///
/// A setting cannot be used.
pub fn init(service: &str, settings: &Settings) -> Result<Telemetry, TelemetryError> {
    let resource = Resource::builder()
        .with_service_name(format!("lienthong-{service}"))
        .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let endpoint = Some(settings.otlp_endpoint.reveal()).filter(|it| !it.is_empty());
    let traces = endpoint.map(|it| tracer(it, resource.clone())).transpose()?;
    let (metrics, registry) = meter(endpoint, resource)?;
    opentelemetry::global::set_meter_provider(metrics.clone());
    let spans = traces.as_ref().map(|it| {
        crate::trace::exported();
        let only_ours =
            EnvFilter::new("info,h2=off,hyper=off,lapin=off,tonic=off,opentelemetry=off");
        tracing_opentelemetry::layer().with_tracer(it.tracer("lienthong")).with_filter(only_ours)
    });
    let writer = match settings.form {
        Form::Json => BoxMakeWriter::new(io::stdout),
        Form::Pretty => BoxMakeWriter::new(io::stderr),
    };
    let set = told_to(settings, writer, spans)?.try_init();
    if set.is_err() {
        tracing::debug!("log lines were set up before");
    }
    Ok(Telemetry { registry, traces, metrics })
}

/// Whoever is told of spans and events: the log lines, and the exporter's layer if there is one.
///
/// Without an exporter there is no layer for one at all: a missing layer has no filter, and then
/// every span of every library is made for nobody.
fn told_to<W>(
    settings: &Settings,
    writer: W,
    spans: Option<impl Layer<tracing_subscriber::Registry> + Send + Sync>,
) -> Result<Dispatch, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let registry = tracing_subscriber::registry();
    Ok(match spans {
        Some(spans) => {
            let registry = registry.with(spans);
            Dispatch::new(registry.with(lines(settings, writer)?))
        }
        None => Dispatch::new(registry.with(lines(settings, writer)?)),
    })
}

/// Log lines as the settings say, into `writer`.
fn lines<S, W>(
    settings: &Settings,
    writer: W,
) -> Result<Box<dyn Layer<S> + Send + Sync>, TelemetryError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let level = EnvFilter::try_new(&settings.level)?;
    // It must say that it has no level of its own, or all levels count as wanted.
    let written = filter_fn(may_be_written).with_max_level_hint(LevelFilter::TRACE);
    let level = FilterExt::<S>::and(level, written);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    Ok(match settings.form {
        Form::Json => {
            let json = lines.json().flatten_event(true).with_current_span(false);
            json.map_event_format(Traced).with_filter(level).boxed()
        }
        Form::Pretty => lines.compact().with_filter(level).boxed(),
    })
}

/// lapin writes whole messages into its lines, and no document ever stands in a log.
fn may_be_written(of: &Metadata<'_>) -> bool {
    of.target() != "lapin" && !of.target().starts_with("lapin::")
}

/// JSON lines that say which span they were written in.
struct Traced<F>(F);

impl<S, N, F> FormatEvent<S, N> for Traced<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        of: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let context = opentelemetry::Context::current();
        let span = context.span();
        let here = span.span_context();
        if !here.is_valid() {
            return self.0.format_event(of, writer, event);
        }
        let mut line = String::new();
        self.0.format_event(of, Writer::new(&mut line), event)?;
        let Some(open) = line.trim_end().strip_suffix('}') else { return writer.write_str(&line) };
        let (trace, span) = (here.trace_id(), here.span_id());
        writeln!(writer, "{open},\"trace_id\":\"{trace}\",\"span_id\":\"{span}\"}}")
    }
}

fn tracer(endpoint: &str, resource: Resource) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

fn meter(
    endpoint: Option<&str>,
    resource: Resource,
) -> Result<(SdkMeterProvider, Registry), TelemetryError> {
    let registry = Registry::new();
    let reader = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build()?;
    let mut builder = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_reader(reader)
        .with_view(in_seconds);
    if let Some(endpoint) = endpoint {
        let exporter = MetricExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
        builder = builder.with_periodic_exporter(exporter);
    }
    Ok((builder.build(), registry))
}

/// Our bounds for every histogram of seconds, whoever made it.
fn in_seconds(instrument: &Instrument) -> Option<Stream> {
    let is_ours = instrument.kind() == InstrumentKind::Histogram && instrument.unit() == "s";
    let boundaries = crate::metrics::SECONDS.to_vec();
    let buckets = Aggregation::ExplicitBucketHistogram { boundaries, record_min_max: true };
    is_ours.then(|| Stream::builder().with_aggregation(buckets).build().ok()).flatten()
}

impl Telemetry {
    /// The metrics as Prometheus text.
    pub fn prometheus(&self) -> String {
        let mut text = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            Ok(()) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) => format!("# {error}\n"),
        }
    }

    /// Sends what is still here. Blocks for a moment; call it last.
    pub fn flush(&self) {
        if let Some(Err(error)) = self.traces.as_ref().map(SdkTracerProvider::force_flush) {
            tracing::warn!(%error, "traces were not flushed");
        }
        if let Err(error) = self.metrics.force_flush() {
            tracing::debug!(%error, "metrics were not flushed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tracing_subscriber::layer::Identity;

    use super::*;

    /// What is written goes to whoever reads the other end.
    struct Pipe(mpsc::Sender<String>);

    impl io::Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8_lossy(bytes).into_owned()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(form: Form, level: &str, work: impl FnOnce()) -> String {
        let (sender, lines_written) = mpsc::channel();
        let settings =
            Settings { level: level.to_owned(), form, otlp_endpoint: SecretUrl::default() };
        let lines = lines(&settings, move || Pipe(sender.clone())).unwrap();
        let spans = tracing_opentelemetry::layer()
            .with_tracer(SdkTracerProvider::builder().build().tracer("test"));
        let subscriber = tracing_subscriber::registry().with(spans).with(lines);
        tracing::subscriber::with_default(subscriber, work);
        lines_written.try_iter().collect()
    }

    #[test]
    fn bodies_that_lapin_tells_are_never_written_whatever_the_level_says() {
        let level = "trace,lapin=trace,lapin::returned_messages=trace";
        for form in [Form::Json, Form::Pretty] {
            let said = written(form, level, || {
                tracing::warn!(target: "lapin::returned_messages", body = "canary", "returned");
                tracing::error!(target: "lapin", body = "canary", "broken");
                tracing::info!(target: "lapinary", "another room");
            });
            assert!(!said.contains("canary"), "{said}");
            assert!(said.contains("another room"), "{said}");
        }
    }

    #[test]
    fn spans_that_nobody_wants_are_not_made() {
        for (level, most) in
            [("info,h2=warn", LevelFilter::INFO), ("trace,h2=warn", LevelFilter::TRACE)]
        {
            let (level, form) = (level.to_owned(), Form::Json);
            let settings = Settings { level, form, otlp_endpoint: SecretUrl::default() };
            let told = told_to(&settings, io::sink, None::<Identity>).unwrap();
            tracing::dispatcher::with_default(&told, || {
                assert_eq!(LevelFilter::current(), most);
                assert!(tracing::trace_span!(target: "h2::codec", "frame").is_disabled(), "{most}");
                assert!(!tracing::info_span!("call").is_disabled());
            });
        }
    }

    #[test]
    fn a_line_names_the_span_it_was_written_in() {
        let mut ids = String::new();
        let said = written(Form::Json, "info", || {
            tracing::info!("outside");
            let span = tracing::info_span!("call");
            let within = span.enter();
            tracing::info!(count = 3, "within");
            let context = opentelemetry::Context::current();
            let here = context.span().span_context().clone();
            let (trace, span) = (here.trace_id(), here.span_id());
            ids = format!(",\"trace_id\":\"{trace}\",\"span_id\":\"{span}\"}}\n");
            drop(within);
        });
        let lines: Vec<_> = said.split_inclusive('\n').collect();
        assert!(lines[0].contains("outside") && !lines[0].contains("trace_id"), "{said}");
        assert!(lines[1].contains("within") && lines[1].ends_with(&ids), "{said}\n{ids}");
    }
}
