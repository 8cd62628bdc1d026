//! Logs, traces and metrics of a process: set up once, flushed at the end.

use std::fmt;
use std::io;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use prometheus::{Encoder as _, Registry, TextEncoder};
use serde::Deserialize;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt as lines};

/// Defaults and words of the section `telemetry`.
pub const DEFAULTS: &str = include_str!("../telemetry.default.toml");

/// The section `telemetry`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What is logged: `info`, `debug`, `lienthong=debug,lapin=warn` …
    pub level: String,
    /// `json` for machines, `pretty` for people.
    pub form: Form,
    /// OTLP/gRPC endpoint for traces and metrics, `http://host:4317`; empty: none.
    pub otlp_endpoint: String,
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
    let endpoint = Some(settings.otlp_endpoint.as_str()).filter(|it| !it.is_empty());
    let traces = endpoint.map(|it| tracer(it, resource.clone())).transpose()?;
    let (metrics, registry) = meter(endpoint, resource)?;
    opentelemetry::global::set_meter_provider(metrics.clone());
    let spans = traces.as_ref().map(|it| {
        crate::trace::exported();
        let only_ours = EnvFilter::new("info,h2=off,hyper=off,tonic=off,opentelemetry=off");
        tracing_opentelemetry::layer().with_tracer(it.tracer("lienthong")).with_filter(only_ours)
    });
    let level = || EnvFilter::try_new(&settings.level);
    let machine = (settings.form == Form::Json)
        .then(|| -> Result<_, TelemetryError> {
            Ok(lines::layer()
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_filter(level()?))
        })
        .transpose()?;
    let people = (settings.form == Form::Pretty)
        .then(|| -> Result<_, TelemetryError> {
            Ok(lines::layer().compact().with_writer(io::stderr).with_filter(level()?))
        })
        .transpose()?;
    let set = tracing_subscriber::registry().with(spans).with(machine).with(people).try_init();
    if set.is_err() {
        tracing::debug!("log lines were set up before");
    }
    Ok(Telemetry { registry, traces, metrics })
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
    let mut builder = SdkMeterProvider::builder().with_resource(resource).with_reader(reader);
    if let Some(endpoint) = endpoint {
        let exporter = MetricExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
        builder = builder.with_periodic_exporter(exporter);
    }
    Ok((builder.build(), registry))
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
