//! A simulated mapping service: it refuses bodies that begin with `refuse`, finds a file inside those
//! that begin with `packed:`, takes those that begin with `status` as statuses, the lines of those that
//! begin with `records:` as records, and every other body as a canonical document.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::mapping_server::Mapping;
use proto::mapping::v1::normalize_response::Frame;
use proto::mapping::v1::*;
use proto::message::v1::*;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status, Streaming};

#[derive(Clone, Debug)]
pub(crate) struct SimulatedMapping {
    pub(crate) calls: Arc<AtomicUsize>,
    /// A call holds one permit while it is handled. A test that takes all of them delays every call.
    pub(crate) permits: Arc<Semaphore>,
    /// The registry forbids everything by now.
    pub(crate) forbids: Arc<AtomicBool>,
    /// A new version of the description reads every body otherwise.
    pub(crate) reads_otherwise: Arc<AtomicBool>,
}

impl Default for SimulatedMapping {
    fn default() -> Self {
        Self {
            calls: Arc::default(),
            permits: Arc::new(Semaphore::new(1_000)),
            forbids: Arc::default(),
            reads_otherwise: Arc::default(),
        }
    }
}

type Item = (NormalizeItem, Vec<u8>);

/// The outcome of each line; one with `bad` is refused.
fn record_frames(number: u32, open: &NormalizeItem, lines: &[u8]) -> Vec<NormalizeResponse> {
    let lines: Vec<&[u8]> = lines.split(|it| *it == b'\n').collect();
    let frame = |(index, line): (usize, &&[u8])| {
        let place = format!("line {}", index + 1);
        let frame = match frames(number, (open.clone(), line.to_vec())).pop() {
            _ if line.starts_with(b"bad") => {
                let field = format!("{place}/Ngay");
                Some(Frame::Refused(Fault::new(&code::LT_MAP_014).violation(field, "sai", "wrong")))
            }
            last => last.and_then(|it| it.frame),
        };
        NormalizeResponse {
            item: number,
            frame,
            records: u32::try_from(lines.len()).unwrap(),
            record: u32::try_from(index).unwrap(),
            place,
            ..NormalizeResponse::default()
        }
    };
    lines.iter().enumerate().map(frame).collect()
}

fn frames(number: u32, (open, native): Item) -> Vec<NormalizeResponse> {
    let response = |frame| NormalizeResponse {
        item: number,
        frame: Some(frame),
        ..NormalizeResponse::default()
    };
    if let Some(lines) = native.strip_prefix(b"records:") {
        return record_frames(number, &open, lines);
    }
    if native.starts_with(b"refuse everything") {
        let long = "sai ".repeat(200);
        let fault = (0..50).fold(Fault::new(&code::LT_MAP_210), |fault, number| {
            fault.violation(format!("/Value/Data/{number}"), &long, &long)
        });
        return vec![response(Frame::Refused(fault))];
    }
    if native.starts_with(b"refuse") {
        let fault = Fault::new(&code::LT_MAP_210).violation("/Noi dung", "mật", "the secret words");
        return vec![response(Frame::Refused(fault))];
    }
    let declared = open.attachments.into_iter().map(|it| NormalizedAttachment {
        attachment: Some(Attachment {
            id: it.reference.clone(),
            file_name: it.file_name,
            media_type: it.media_type,
            claim: it.claim,
        }),
        blob: None,
        reference: it.reference,
    });
    let mut attachments: Vec<_> = declared.collect();
    let mut frames = Vec::new();
    if let Some(inside) = native.strip_prefix(b"packed:") {
        let claim = bus::Claim::from_content(inside);
        let claim = Claim { sha256: Bytes::copy_from_slice(&claim.sha256), size: claim.size };
        let id = "inside".to_owned();
        let attachment = Attachment { id, claim: Some(claim), ..Attachment::default() };
        attachments.push(NormalizedAttachment {
            attachment: Some(attachment),
            blob: Some(0),
            reference: String::new(),
        });
        let data = Bytes::copy_from_slice(inside);
        frames.push(response(Frame::Blob(BlobChunk { blob: 0, data, last: true })));
    }
    let digest = Bytes::copy_from_slice(&bus::Claim::from_content(&native).sha256);
    let is_status = native.starts_with(b"status");
    let message_type = if is_status { MessageType::Status } else { MessageType::Document };
    frames.push(response(Frame::Normalized(Normalized {
        canonical: native.into(),
        format: "plain".to_owned(),
        format_version: 1,
        r#type: message_type.into(),
        conversation: "conversation".to_owned(),
        content_digest: digest,
        recipients: vec!["b".to_owned()],
        attachments,
        ..Normalized::default()
    })));
    frames
}

impl SimulatedMapping {
    /// A response after the registry or the description has changed.
    fn change(&self, mut response: NormalizeResponse) -> NormalizeResponse {
        let Some(Frame::Normalized(normalized)) = &mut response.frame else { return response };
        if self.reads_otherwise.load(Ordering::SeqCst) {
            let other = bus::Claim::from_content(&normalized.content_digest);
            normalized.content_digest = Bytes::copy_from_slice(&other.sha256);
        }
        if self.forbids.load(Ordering::SeqCst) {
            let fault = Fault::new(&code::LT_MAP_206).param("recipient", "b");
            response.frame = Some(Frame::Refused(fault));
        }
        response
    }
}

#[tonic::async_trait]
impl Mapping for SimulatedMapping {
    type NormalizeStream = Pin<Box<dyn Stream<Item = Result<NormalizeResponse, Status>> + Send>>;

    async fn normalize(
        &self,
        request: Request<Streaming<NormalizeRequest>>,
    ) -> Result<Response<Self::NormalizeStream>, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let _permit = self.permits.acquire().await.unwrap();
        let mut requests = request.into_inner();
        let mut items: BTreeMap<u32, Item> = BTreeMap::new();
        while let Some(request) = requests.next().await {
            let request = request?;
            let item = items.entry(request.item).or_default();
            if let Some(open) = request.open {
                item.0 = open;
            }
            item.1.extend_from_slice(&request.native);
        }
        let answers = items.into_iter().flat_map(|(number, it)| frames(number, it));
        let answers: Vec<_> = answers.map(|it| Ok(self.change(it))).collect();
        Ok(Response::new(Box::pin(futures::stream::iter(answers))))
    }

    async fn formats(
        &self,
        _: Request<FormatsRequest>,
    ) -> Result<Response<FormatsResponse>, Status> {
        Err(Status::unimplemented("the gateway never calls this"))
    }
}
