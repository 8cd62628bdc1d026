//! Logs, traces and metrics of a process: initialized once, flushed at the end.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, InstrumentKind, SdkMeterProvider, Stream,
};
use opentelemetry_sdk::trace::SdkTracerProvider;
use prometheus::{Encoder as _, Registry, TextEncoder};
use serde::Deserialize;
use tls::{ClientTls, ClientTlsSettings, TlsError};
use tonic::transport::{Channel, Endpoint};
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
use crate::upstream::connect_lazy;

/// Defaults of the section `telemetry`, with a comment for each key.
pub const DEFAULTS: &str = include_str!("../telemetry.default.toml");

/// The section `telemetry`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetrySettings {
    /// Filter of log lines: `info`, `debug`, `info,gateway=debug` …; lines of lapin are never logged.
    pub level: String,
    /// Format of log lines: `json` or `pretty`.
    pub form: Form,
    /// OTLP/gRPC endpoint for traces and metrics, `https://host:4317`; empty: none.
    pub otlp_endpoint: SecretUrl,
    /// PEM file of the authorities of the collector's certificate; empty: the public ones.
    pub otlp_authorities_file: PathBuf,
}

/// Time limit of one export, the exporter's own default.
const EXPORT_LIMIT: Duration = Duration::from_secs(10);

/// Format of log lines.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// One JSON object on each line, to standard output.
    Json,
    /// Coloured text for interactive use, to standard error.
    Pretty,
}

/// Telemetry could not be initialized.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter is invalid.
    #[error("the log level cannot be read")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// The endpoint is no address.
    #[error("the address of the OTLP collector cannot be used")]
    Endpoint(#[from] tonic::transport::Error),
    /// The authorities of the collector's certificate cannot be read.
    #[error("the certificates of the OTLP collector cannot be used")]
    Certificates(#[from] TlsError),
    /// The OTLP exporter cannot be created.
    #[error("the OTLP exporter cannot be built")]
    Otlp(#[from] opentelemetry_otlp::ExporterBuildError),
    /// The Prometheus exporter cannot be created.
    #[error("the metrics cannot be read out")]
    Metrics(#[from] opentelemetry_sdk::error::OTelSdkError),
}

/// The exporters of a process. Keep it until the process ends, then call [`Telemetry::flush`].
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

/// Initializes telemetry for this process. A second call in the same process (in tests) keeps the
/// log lines and the trace exporter of the first call.
///
/// # Errors
///
/// A setting is invalid.
pub fn init(service: &str, settings: &TelemetrySettings) -> Result<Telemetry, TelemetryError> {
    let resource = Resource::builder()
        .with_service_name(format!("lienthong-{service}"))
        .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let collector = collector_channel(settings)?;
    let traces = collector.clone().map(|it| tracer_provider(it, resource.clone())).transpose()?;
    let (metrics, registry) = meter_provider(collector, resource)?;
    opentelemetry::global::set_meter_provider(metrics.clone());
    let spans = traces.as_ref().map(|it| {
        crate::trace::enable();
        let filter = EnvFilter::new("info,h2=off,hyper=off,lapin=off,tonic=off,opentelemetry=off");
        tracing_opentelemetry::layer().with_tracer(it.tracer("lienthong")).with_filter(filter)
    });
    let writer = match settings.form {
        Form::Json => BoxMakeWriter::new(io::stdout),
        Form::Pretty => BoxMakeWriter::new(io::stderr),
    };
    let initialized = subscriber(settings, writer, spans)?.try_init();
    if initialized.is_err() {
        tracing::debug!("telemetry was initialized before");
    }
    Ok(Telemetry { registry, traces, metrics })
}

/// The subscriber: log lines, and the span exporter's layer if there is one.
///
/// The layer is left out and not `None` without an exporter: `None` has no filter, which would enable
/// every span of every library.
fn subscriber<W>(
    settings: &TelemetrySettings,
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
            Dispatch::new(registry.with(log_layer(settings, writer)?))
        }
        None => Dispatch::new(registry.with(log_layer(settings, writer)?)),
    })
}

/// The layer that writes log lines to `writer`.
fn log_layer<S, W>(
    settings: &TelemetrySettings,
    writer: W,
) -> Result<Box<dyn Layer<S> + Send + Sync>, TelemetryError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let level = EnvFilter::try_new(&settings.level)?;
    // Without a hint the filter would enable all levels.
    let loggable = filter_fn(is_loggable).with_max_level_hint(LevelFilter::TRACE);
    let level = FilterExt::<S>::and(level, loggable);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    Ok(match settings.form {
        Form::Json => {
            let json = lines.json().flatten_event(true).with_current_span(false);
            json.map_event_format(WithTraceIds).with_filter(level).boxed()
        }
        Form::Pretty => lines.compact().with_filter(level).boxed(),
    })
}

/// False for lapin, which logs whole messages: document content must never be logged.
fn is_loggable(of: &Metadata<'_>) -> bool {
    of.target() != "lapin" && !of.target().starts_with("lapin::")
}

/// Adds `trace_id` and `span_id` of the current span to JSON log lines.
struct WithTraceIds<F>(F);

impl<S, N, F> FormatEvent<S, N> for WithTraceIds<F>
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
        let ids = span.span_context();
        if !ids.is_valid() {
            return self.0.format_event(of, writer, event);
        }
        let mut line = String::new();
        self.0.format_event(of, Writer::new(&mut line), event)?;
        let Some(open) = line.trim_end().strip_suffix('}') else { return writer.write_str(&line) };
        let (trace, span) = (ids.trace_id(), ids.span_id());
        writeln!(writer, "{open},\"trace_id\":\"{trace}\",\"span_id\":\"{span}\"}}")
    }
}

/// The channel to the collector; none when there is no collector.
fn collector_channel(settings: &TelemetrySettings) -> Result<Option<Channel>, TelemetryError> {
    let address = settings.otlp_endpoint.reveal();
    if address.is_empty() {
        return Ok(None);
    }
    let authorities = Some(settings.otlp_authorities_file.clone());
    let authorities = authorities.filter(|it| !it.as_os_str().is_empty());
    let tls = ClientTls::new(ClientTlsSettings { authorities, key_pair: None })?;
    let endpoint = Endpoint::from_shared(address.to_owned())?.timeout(EXPORT_LIMIT);
    Ok(Some(connect_lazy(&endpoint, Some(&tls))?))
}

fn tracer_provider(
    channel: Channel,
    resource: Resource,
) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder().with_tonic().with_channel(channel).build()?;
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

fn meter_provider(
    channel: Option<Channel>,
    resource: Resource,
) -> Result<(SdkMeterProvider, Registry), TelemetryError> {
    let registry = Registry::new();
    let reader = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build()?;
    let mut builder = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_reader(reader)
        .with_view(seconds_view);
    if let Some(channel) = channel {
        let exporter = MetricExporter::builder().with_tonic().with_channel(channel).build()?;
        builder = builder.with_periodic_exporter(exporter);
    }
    Ok((builder.build(), registry))
}

/// Bucket boundaries for every histogram in seconds, those of libraries included.
fn seconds_view(instrument: &Instrument) -> Option<Stream> {
    let is_in_seconds = instrument.kind() == InstrumentKind::Histogram && instrument.unit() == "s";
    let boundaries = crate::metrics::SECONDS.to_vec();
    let buckets = Aggregation::ExplicitBucketHistogram { boundaries, record_min_max: true };
    is_in_seconds.then(|| Stream::builder().with_aggregation(buckets).build().ok()).flatten()
}

impl Telemetry {
    /// The metrics in Prometheus text format.
    pub fn prometheus(&self) -> String {
        let mut text = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            Ok(()) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) => format!("# {error}\n"),
        }
    }

    /// Exports buffered spans and metrics. Blocks until they are sent; call it last.
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

    use parking_lot::Mutex;
    use tracing_subscriber::layer::Identity;

    use super::*;

    /// Held by each test: tracing caches for the whole process what the living subscribers enable, so
    /// a subscriber of another test changes what this one sees.
    static ONE_SUBSCRIBER: Mutex<()> = Mutex::new(());

    /// Sends what is written to a channel.
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

    fn settings() -> TelemetrySettings {
        toml::from_str(DEFAULTS).unwrap()
    }

    /// The log lines that `work` writes.
    fn log_lines(form: Form, level: &str, work: impl FnOnce()) -> String {
        let _only = ONE_SUBSCRIBER.lock();
        let (sender, lines_written) = mpsc::channel();
        let settings = TelemetrySettings { level: level.to_owned(), form, ..settings() };
        let lines = log_layer(&settings, move || Pipe(sender.clone())).unwrap();
        let spans = tracing_opentelemetry::layer()
            .with_tracer(SdkTracerProvider::builder().build().tracer("test"));
        let subscriber = tracing_subscriber::registry().with(spans).with(lines);
        tracing::subscriber::with_default(subscriber, work);
        lines_written.try_iter().collect()
    }

    #[test]
    fn no_log_level_writes_the_messages_that_lapin_logs() {
        let level = "trace,lapin=trace,lapin::returned_messages=trace";
        for form in [Form::Json, Form::Pretty] {
            let log = log_lines(form, level, || {
                tracing::warn!(target: "lapin::returned_messages", body = "canary", "returned");
                tracing::error!(target: "lapin", body = "canary", "broken");
                tracing::info!(target: "lapinary", "another target");
            });
            assert!(!log.contains("canary"), "{log}");
            assert!(log.contains("another target"), "{log}");
        }
    }

    #[test]
    fn disabled_spans_are_not_created() {
        let _only = ONE_SUBSCRIBER.lock();
        for (level, level_max) in
            [("info,h2=warn", LevelFilter::INFO), ("trace,h2=warn", LevelFilter::TRACE)]
        {
            let (level, form) = (level.to_owned(), Form::Json);
            let settings = TelemetrySettings { level, form, ..settings() };
            let subscriber = subscriber(&settings, io::sink, None::<Identity>).unwrap();
            tracing::dispatcher::with_default(&subscriber, || {
                assert_eq!(LevelFilter::current(), level_max);
                assert!(
                    tracing::trace_span!(target: "h2::codec", "frame").is_disabled(),
                    "{level_max}"
                );
                assert!(!tracing::info_span!("call").is_disabled());
            });
        }
    }

    #[test]
    fn a_log_line_has_the_ids_of_its_span() {
        let mut ids = String::new();
        let log = log_lines(Form::Json, "info", || {
            tracing::info!("outside");
            let span = tracing::info_span!("call");
            let entered = span.enter();
            tracing::info!(count = 3, "within");
            let context = opentelemetry::Context::current();
            let span = context.span().span_context().clone();
            let (trace, span) = (span.trace_id(), span.span_id());
            ids = format!(",\"trace_id\":\"{trace}\",\"span_id\":\"{span}\"}}\n");
            drop(entered);
        });
        let lines: Vec<_> = log.split_inclusive('\n').collect();
        assert!(lines[0].contains("outside") && !lines[0].contains("trace_id"), "{log}");
        assert!(lines[1].contains("within") && lines[1].ends_with(&ids), "{log}\n{ids}");
    }
}
