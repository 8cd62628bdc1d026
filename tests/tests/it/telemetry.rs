//! What the roles tell an OTLP collector: one trace for the whole road, and metrics.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use adapter_sample::{Mailroom, Sample};
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
use sdk::{Connection, Item};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{cluster, node};

/// A span as it came, with what this test asks about.
#[derive(Clone, Debug)]
struct Seen {
    service: String,
    name: String,
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    operation: String,
    message_id: String,
}

/// A collector that keeps spans and the names of metrics.
#[derive(Clone, Default)]
struct Collector {
    spans: watch::Sender<Vec<Seen>>,
    metrics: watch::Sender<BTreeSet<String>>,
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let value = attributes.iter().find(|it| it.key == key).and_then(|it| it.value.clone());
    match value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text,
        _ => String::new(),
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of in request.into_inner().resource_spans {
            let service = text(&of.resource.unwrap_or_default().attributes, "service.name");
            let spans = of.scope_spans.into_iter().flat_map(|it| it.spans).map(|it| Seen {
                service: service.clone(),
                operation: text(&it.attributes, "messaging.operation.type"),
                message_id: text(&it.attributes, "messaging.message.id"),
                name: it.name,
                trace: it.trace_id,
                id: it.span_id,
                parent: it.parent_span_id,
            });
            self.spans.send_modify(|seen| seen.extend(spans));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let metrics = request.into_inner().resource_metrics.into_iter();
        let names =
            metrics.flat_map(|it| it.scope_metrics).flat_map(|it| it.metrics).map(|it| it.name);
        self.metrics.send_modify(|seen| seen.extend(names));
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

async fn collect(collector: Collector) -> (String, JoinSet<()>) {
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

fn document() -> Item {
    let body = json!({ "Code": 0, "Value": { "Total": 1, "Data": [{
        "Guid": "guid-1", "SoHieu": "1", "KyHieu": "BC-VP", "TrichYeu": "Báo cáo",
        "NgayBanHanh": "20/11/2026", "DoMat": "0",
        "DonViNhanVanBanNgoaDonVi": [{ "MaDonVi": "A99.2" }], "Attachments": [],
    }] } });
    Item { format: "ioffice.portal".to_owned(), body: body.to_string().into(), ..Item::default() }
}

/// A broker, and every role telling this collector soon what it does.
async fn start(folder: &Path, address: String) -> (node::Node, Roles) {
    let path = folder.to_owned();
    let starting = tokio::task::spawn_blocking(move || {
        let node = node::Node::start(1);
        let stands = (node.url(0), cluster::database());
        let extra = [
            ("LIENTHONG__TELEMETRY__OTLP_ENDPOINT", address.as_str()),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
        ];
        let roles = Roles::start(&path, (&stands.0, &stands.1), &extra);
        (node, roles)
    });
    starting.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_has_every_hop_from_submit_to_settle() {
    let folder = tempfile::tempdir().unwrap();
    let agencies = [
        Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" },
        Agency { key: "hai", code: "A99.2", takes: "edxml.document" },
    ];
    write_registry(&folder.path().join("registry"), &agencies);
    let collector = Collector::default();
    let (address, _serving) = collect(collector.clone()).await;
    let (_node, roles) = start(folder.path(), address).await;
    let connection =
        |key: &str| Connection { gateway: roles.gateway(), token: format!("{key}-token") };
    let (inbox, stop) = (Mailroom::new(), CancellationToken::new());
    let sample = Sample::new("hai-app".to_owned(), "test".to_owned(), inbox.clone());
    let (receiver, stopping) = (connection("hai"), stop.clone());
    let mut working = JoinSet::new();
    working.spawn(async move {
        sdk::serve(std::sync::Arc::new(sample), &receiver, stopping).await.unwrap();
    });
    let receipt = connection("mot").outlet().unwrap().submit(&document()).await.unwrap();
    let limit = Duration::from_secs(60);
    let mut arrivals = inbox.watch();
    tokio::time::timeout(limit, arrivals.wait_for(|it| it.len() == 1)).await.unwrap().unwrap();

    let mut seen = collector.spans.subscribe();
    let is_settled = |spans: &Vec<Seen>| spans.iter().any(|it| it.operation == "settle");
    tokio::time::timeout(limit, seen.wait_for(is_settled)).await.unwrap().unwrap();
    let names = |wanted: &'static str| move |it: &BTreeSet<String>| it.contains(wanted);
    for wanted in ["lienthong.gateway.submits", "lienthong.journal.calls"] {
        let mut metrics = collector.metrics.subscribe();
        let waiting = tokio::time::timeout(limit, metrics.wait_for(names(wanted)));
        assert!(waiting.await.is_ok(), "{wanted}: {:?}", collector.metrics.borrow());
    }
    stop.cancel();
    while working.join_next().await.is_some() {}
    let spans = seen.borrow_and_update().clone();
    let born = spans.iter().find(|it| it.message_id == receipt.message_id).unwrap();
    let ours: Vec<_> = spans.iter().filter(|it| it.trace == born.trace).collect();
    let hops: BTreeSet<_> = ours
        .iter()
        .filter(|it| !it.operation.is_empty())
        .map(|it| (it.service.as_str(), it.operation.as_str()))
        .collect();
    let shown = || format!("{ours:#?}");
    for hop in [
        ("lienthong-gateway", "create"),
        ("lienthong-mapping", "process"),
        ("lienthong-mapping", "send"),
        ("lienthong-gateway", "receive"),
        ("lienthong-gateway", "settle"),
    ] {
        assert!(hops.contains(&hop), "{hop:?} is not among {hops:?}\n{}", shown());
    }
    let is_call = |of: &str| ours.iter().any(|it| it.service == of && it.name.contains('/'));
    assert!(is_call("lienthong-gateway"), "the submit itself\n{}", shown());
    let roots: Vec<_> = ours
        .iter()
        .filter(|it| !ours.iter().any(|other| other.id == it.parent))
        .map(|it| &it.name)
        .collect();
    assert_eq!(roots.len(), 1, "every span but the first has its parent: {roots:?}\n{}", shown());
}
