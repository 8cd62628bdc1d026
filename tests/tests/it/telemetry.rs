//! What the roles export over OTLP: one trace with every hop of a message, and metrics.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use adapter_sample::{SampleAdapter, SampleApplication};
use lienthong_tests::roles::Roles;
use lienthong_tests::up::{Agency, write_registry};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{HistogramDataPoint, Metric, NumberDataPoint};
use proto::exchange::v1::exchange_client::ExchangeClient;
use proto::exchange::v1::submit_request::Body as Given;
use proto::exchange::v1::submitted::Outcome;
use proto::exchange::v1::{SubmitBatchRequest, SubmitRequest, Submitted};
use sdk::{Connection, Item};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{cluster, node};

/// The longest anything may take to be exported.
const LIMIT: Duration = Duration::from_secs(60);

/// Words of a document that must never stand in a log.
const CANARY: &str = "CANARY-7731";

type Labels = BTreeMap<String, String>;

/// A span as it was exported.
#[derive(Clone, Debug)]
struct Span {
    service: String,
    name: String,
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    /// Spans it is linked to.
    links: Vec<Vec<u8>>,
    labels: Labels,
}

impl Span {
    fn label(&self, key: &str) -> &str {
        self.labels.get(key).map_or("", String::as_str)
    }
}

/// One series of a metric; a counter has no bounds.
#[derive(Clone, Debug)]
struct Series {
    name: String,
    labels: Labels,
    bounds: Vec<f64>,
}

/// Everything exported so far.
#[derive(Clone, Debug, Default)]
struct Exported {
    spans: Vec<Span>,
    metrics: Vec<Series>,
}

/// A collector that keeps everything.
#[derive(Clone, Default)]
pub(crate) struct Collector(watch::Sender<Exported>);

impl Collector {
    /// Waits until a service has exported a span.
    pub(crate) async fn until_exported_by(&self, service: &str) {
        let is_missing =
            |exported: &Exported| !exported.spans.iter().any(|it| it.service == service);
        let missing = |it: &Exported| is_missing(it).then(|| service.to_owned());
        self.until(|it| missing(it).into_iter().collect()).await;
    }

    /// Waits until nothing is missing; what still is, when the time is up, is shown beside the rest.
    async fn until(&self, missing: impl Fn(&Exported) -> Vec<String>) -> Exported {
        let mut exported = self.0.subscribe();
        match tokio::time::timeout(LIMIT, exported.wait_for(|it| missing(it).is_empty())).await {
            Ok(exported) => exported.unwrap().clone(),
            Err(_late) => {
                let last = self.0.borrow().clone();
                panic!("missing {:#?}\namong {last:#?}", missing(&last));
            }
        }
    }
}

fn labels(attributes: &[KeyValue]) -> Labels {
    let text = |value: &AnyValue| match &value.value {
        Some(Value::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    };
    attributes.iter().filter_map(|it| Some((it.key.clone(), text(it.value.as_ref()?)))).collect()
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of in request.into_inner().resource_spans {
            let resource = labels(&of.resource.unwrap_or_default().attributes);
            let spans = of.scope_spans.into_iter().flat_map(|it| it.spans).map(|it| Span {
                service: resource.get("service.name").cloned().unwrap_or_default(),
                labels: labels(&it.attributes),
                name: it.name,
                trace: it.trace_id,
                id: it.span_id,
                parent: it.parent_span_id,
                links: it.links.into_iter().map(|it| it.span_id).collect(),
            });
            self.0.send_modify(|exported| exported.spans.extend(spans));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn measured(metric: Metric) -> Vec<Series> {
    let name = metric.name;
    let counted = |it: NumberDataPoint| Series {
        name: name.clone(),
        labels: labels(&it.attributes),
        bounds: Vec::new(),
    };
    let timed = |it: HistogramDataPoint| Series {
        name: name.clone(),
        labels: labels(&it.attributes),
        bounds: it.explicit_bounds,
    };
    match metric.data {
        Some(Data::Sum(it)) => it.data_points.into_iter().map(counted).collect(),
        Some(Data::Histogram(it)) => it.data_points.into_iter().map(timed).collect(),
        _ => Vec::new(),
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let metrics = request.into_inner().resource_metrics.into_iter();
        let metrics = metrics.flat_map(|it| it.scope_metrics).flat_map(|it| it.metrics);
        let all: Vec<_> = metrics.flat_map(measured).collect();
        // A series is exported again and again; only its newest form is held.
        self.0.send_modify(|exported| {
            exported.metrics.retain(|old| {
                !all.iter().any(|new| new.name == old.name && new.labels == old.labels)
            });
            exported.metrics.extend(all);
        });
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

pub(crate) async fn collect(collector: Collector) -> (String, JoinSet<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(collector.clone()))
        .add_service(MetricsServiceServer::new(collector))
        .serve_with_incoming(TcpListenerStream::new(listener));
    let mut serving = JoinSet::new();
    serving.spawn(async { server.await.unwrap() });
    (address, serving)
}

/// A document as the portal writes it.
fn portal(number: u8, subject: &str, to: &str) -> String {
    let body = json!({ "Code": 0, "Value": { "Total": 1, "Data": [{
        "Guid": format!("guid-{number}"), "SoHieu": number.to_string(), "KyHieu": "BC-VP",
        "TrichYeu": subject, "NgayBanHanh": "20/11/2026", "DoMat": "0",
        "DonViNhanVanBanNgoaDonVi": [{ "MaDonVi": to }], "Attachments": [],
    }] } });
    body.to_string()
}

fn document(number: u8, subject: &str, to: &str) -> Item {
    let (format, body) = ("ioffice.portal".to_owned(), portal(number, subject, to).into());
    Item { format, body, ..Item::default() }
}

/// Starts a broker and every role, which export to this collector at short intervals.
async fn start(folder: &Path, address: String) -> (node::Node, Roles) {
    let path = folder.to_owned();
    let starting = tokio::task::spawn_blocking(move || {
        let node = node::Node::start(1);
        let stands = (node.url(0), cluster::database());
        let extra = [
            ("LIENTHONG__TELEMETRY__OTLP_ENDPOINT", address.as_str()),
            ("LIENTHONG__TELEMETRY__LEVEL", "info,lapin=trace,lapin::returned_messages=trace"),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
        ];
        let roles = Roles::start(&path, (&stands.0, &stands.1), &extra);
        (node, roles)
    });
    starting.await.unwrap()
}

/// Hops of a message, in its own trace.
const HOPS: [(&str, &str); 5] = [
    ("lienthong-gateway", "create"),
    ("lienthong-mapping", "process"),
    ("lienthong-mapping", "send"),
    ("lienthong-gateway", "receive"),
    ("lienthong-gateway", "settle"),
];

/// Calls between services for it, in the same trace.
const CALLS: [(&str, &str); 5] = [
    ("lienthong-gateway", "lienthong.exchange.v1.Exchange/Submit"),
    ("lienthong-mapping", "lienthong.mapping.v1.Mapping/Normalize"),
    ("lienthong-journal", "lienthong.journal.v1.Journal/Accept"),
    ("lienthong-journal", "lienthong.journal.v1.Journal/Record"),
    ("lienthong-journal", "lienthong.journal.v1.Journal/End"),
];

/// Spans that the trace of a message lacks, and roots it should not have.
fn missing(exported: &Exported, message_id: &str) -> Vec<String> {
    let is_create = |it: &&Span| {
        it.label("messaging.operation.type") == "create"
            && it.label("messaging.message.id") == message_id
    };
    let Some(created) = exported.spans.iter().find(is_create) else {
        return vec!["its create span".into()];
    };
    let ours: Vec<_> = exported.spans.iter().filter(|it| it.trace == created.trace).collect();
    let has = |service: &str, is_it: &dyn Fn(&Span) -> bool| {
        ours.iter().any(|it| it.service == service && is_it(it))
    };
    let mut missing = Vec::new();
    for (service, operation) in HOPS {
        if !has(service, &|it| it.label("messaging.operation.type") == operation) {
            missing.push(format!("{service} {operation}"));
        }
    }
    for (service, call) in CALLS {
        if !has(service, &|it| it.name == call && it.label("rpc.method") == call) {
            missing.push(format!("{service} {call}"));
        }
    }
    // One Begin serves several messages, so it has a trace of its own.
    let begin = "lienthong.journal.v1.Journal/Begin";
    if !exported.spans.iter().any(|it| it.service == "lienthong-journal" && it.name == begin) {
        missing.push(begin.to_owned());
    }
    let is_root = |it: &&&Span| !ours.iter().any(|other| other.id == it.parent);
    let roots: Vec<_> = ours.iter().filter(is_root).map(|it| it.name.as_str()).collect();
    if roots != ["lienthong.exchange.v1.Exchange/Submit"] {
        missing.push(format!("one root, not {roots:?}"));
    }
    missing
}

/// Submits two documents in one call: the ids of the messages.
async fn submit_together(gateway: String, token: &str) -> Vec<String> {
    let mut client = ExchangeClient::connect(gateway).await.unwrap();
    let items = [(3, "Tờ trình"), (4, "Kế hoạch")].map(|(number, subject)| SubmitRequest {
        format: "ioffice.portal".to_owned(),
        body: Some(Given::Inline(portal(number, subject, "A99.2").into())),
        ..SubmitRequest::default()
    });
    let mut request = Request::new(SubmitBatchRequest { items: items.into() });
    let token = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", token);
    let results = client.submit_batch(request).await.unwrap().into_inner().results;
    let receipt = |it: Submitted| match it.outcome.unwrap() {
        Outcome::Submitted(it) => it.receipt.unwrap().message_id,
        Outcome::Refused(it) => panic!("{it:?}"),
    };
    results.into_iter().map(receipt).collect()
}

/// Messages of one call that lack a trace of their own linked to the call.
fn not_apart(exported: &Exported, ids: &[String]) -> Vec<String> {
    let call = exported.spans.iter().find(|it| it.name.ends_with("Exchange/SubmitBatch"));
    let Some(call) = call else { return vec!["the call".into()] };
    let is_apart = |id: &&String| {
        let created = exported.spans.iter().find(|it| {
            it.label("messaging.operation.type") == "create"
                && it.label("messaging.message.id") == id.as_str()
        });
        created.is_some_and(|created| {
            let root =
                exported.spans.iter().find(|it| it.id == created.parent && it.name == "submit");
            root.is_some_and(|it| it.links == [call.id.clone()])
                && ids
                    .iter()
                    .all(|other| other == *id || !in_trace(exported, &created.trace, other))
        })
    };
    ids.iter().filter(|it| !is_apart(it)).cloned().collect()
}

fn in_trace(exported: &Exported, trace: &[u8], message_id: &str) -> bool {
    exported
        .spans
        .iter()
        .any(|it| it.trace == trace && it.label("messaging.message.id") == message_id)
}

/// Metrics that lack one of these labels, or bounds in seconds, or are not there at all.
fn unmeasured(exported: &Exported) -> Vec<String> {
    const MESSAGING: [&str; 3] =
        ["messaging.system", "messaging.operation.name", "messaging.destination.name"];
    let wanted: [(&str, &[&str], bool); 7] = [
        ("messaging.client.sent.messages", &MESSAGING, false),
        ("messaging.client.consumed.messages", &MESSAGING, false),
        ("messaging.client.operation.duration", &MESSAGING, true),
        ("messaging.process.duration", &MESSAGING, true),
        ("lienthong.gateway.submits", &["outcome"], false),
        ("lienthong.journal.calls", &["kind"], false),
        ("lienthong.journal.group.duration", &["kind"], true),
    ];
    let mut missing = Vec::new();
    for (name, keys, is_timed) in wanted {
        let found: Vec<_> = exported.metrics.iter().filter(|it| it.name == name).collect();
        let is_right = |it: &&Series| {
            let ends = (it.bounds.first().copied(), it.bounds.last().copied());
            keys.iter().all(|key| it.labels.contains_key(*key))
                && (ends == (Some(0.001), Some(10.0))) == is_timed
                && it.labels.get("messaging.system").is_none_or(|it| it == "rabbitmq")
        };
        if found.is_empty() || !found.iter().all(is_right) {
            missing.push(name.to_owned());
        }
    }
    missing
}

/// Every span of a message says what carries it, and intake which partition it is.
fn check_messages(spans: &[Span]) {
    for span in spans.iter().filter(|it| it.labels.contains_key("messaging.message.id")) {
        assert_eq!(span.label("messaging.system"), "rabbitmq", "{span:#?}");
        assert!(!span.label("messaging.operation.name").is_empty(), "{span:#?}");
        let is_intake = span.label("messaging.destination.name") == "intake";
        let partition = span.labels.get("messaging.destination.partition.id");
        assert_eq!(is_intake, partition.is_some(), "{span:#?}");
    }
    for probe in ["Health", "livez", "readyz", "metrics"] {
        assert!(!spans.iter().any(|it| it.name.contains(probe)), "{probe} is traced");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_holds_every_hop_and_no_log_holds_a_body() {
    let folder = tempfile::tempdir().unwrap();
    let agencies = [
        Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" },
        Agency { key: "hai", code: "A99.2", takes: "edxml.document" },
        Agency { key: "ba", code: "A99.3", takes: "edxml.document" },
    ];
    write_registry(&folder.path().join("registry"), &agencies);
    let collector = Collector::default();
    let (address, _serving) = collect(collector.clone()).await;
    let (node, roles) = start(folder.path(), address).await;
    let connection = |key: &str| Connection::new(roles.gateway(), format!("{key}-token"));
    let (inbox, stop) = (SampleApplication::new(), CancellationToken::new());
    let sample = SampleAdapter::new("hai-app".to_owned(), "test".to_owned(), inbox.clone());
    let (receiver, stopping) = (connection("hai"), stop.clone());
    let mut working = JoinSet::new();
    working.spawn(async move {
        sdk::serve(std::sync::Arc::new(sample), &receiver, stopping).await.unwrap();
    });
    let submit_handle = connection("mot").submit_handle().unwrap();
    let receipt = submit_handle.submit(&document(1, "Báo cáo", "A99.2")).await.unwrap();
    let exported = collector.until(|exported| missing(exported, &receipt.message_id)).await;
    check_messages(&exported.spans);
    collector.until(unmeasured).await;
    let ids = submit_together(roles.gateway(), "mot-token").await;
    collector.until(|exported| not_apart(exported, &ids)).await;

    // A message returned by the broker is counted under its error code; no log holds its body.
    tokio::task::block_in_place(|| node.control(&["delete_queue", "-p", "v0", "delivery.ba-app"]));
    submit_handle.submit(&document(2, CANARY, "A99.3")).await.unwrap();
    collector
        .until(|exported| {
            let has_come_back = |it: &Series| {
                it.name == "messaging.client.sent.messages"
                    && it.labels.get("error.type").is_some_and(|it| it == "LT-BUS-004")
            };
            let has = exported.metrics.iter().any(has_come_back);
            if has { Vec::new() } else { vec!["a publish that came back".to_owned()] }
        })
        .await;
    stop.cancel();
    while working.join_next().await.is_some() {}
    drop(roles);
    let numbers = CANARY.bytes().map(|it| it.to_string()).collect::<Vec<_>>().join(", ");
    for role in ["registry", "journal", "mapping", "gateway"] {
        let log = std::fs::read_to_string(folder.path().join(format!("{role}.log"))).unwrap();
        assert!(!log.contains(CANARY) && !log.contains(&numbers), "{role} logs a body:\n{log}");
    }
}
