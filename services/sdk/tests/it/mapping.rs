//! A simulated mapping service, which takes every body as canonical.

use std::collections::BTreeMap;
use std::pin::Pin;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use proto::mapping::v1::mapping_server::Mapping;
use proto::mapping::v1::normalize_response::Frame;
use proto::mapping::v1::*;
use proto::message::v1::{Attachment, MessageType};
use tonic::{Request, Response, Status, Streaming};

#[derive(Clone, Debug)]
pub(crate) struct SimulatedMapping;

/// The declaration of an item, and its body.
type Item = (NormalizeItem, Vec<u8>);

fn normalize((declared, native): Item) -> Normalized {
    let format = declared.format;
    let attachments = declared.attachments.into_iter().map(|it| NormalizedAttachment {
        attachment: Some(Attachment {
            id: it.reference.clone(),
            file_name: it.file_name,
            media_type: it.media_type,
            claim: it.claim,
        }),
        blob: None,
        reference: it.reference,
    });
    let digest = Bytes::copy_from_slice(&bus::Claim::from_content(&native).sha256);
    Normalized {
        canonical: native.into(),
        format,
        format_version: 1,
        r#type: MessageType::Document.into(),
        conversation: "conversation".to_owned(),
        content_digest: digest,
        recipients: vec!["b".to_owned()],
        attachments: attachments.collect(),
        ..Normalized::default()
    }
}

#[tonic::async_trait]
impl Mapping for SimulatedMapping {
    type NormalizeStream = Pin<Box<dyn Stream<Item = Result<NormalizeResponse, Status>> + Send>>;

    async fn normalize(
        &self,
        request: Request<Streaming<NormalizeRequest>>,
    ) -> Result<Response<Self::NormalizeStream>, Status> {
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
        let responses = items.into_iter().map(|(item, it)| {
            Ok(NormalizeResponse {
                item,
                frame: Some(Frame::Normalized(normalize(it))),
                ..NormalizeResponse::default()
            })
        });
        let responses: Vec<_> = responses.collect();
        Ok(Response::new(Box::pin(futures::stream::iter(responses))))
    }

    async fn formats(
        &self,
        _: Request<FormatsRequest>,
    ) -> Result<Response<FormatsResponse>, Status> {
        Err(Status::unimplemented("the gateway never calls this"))
    }
}
