//! The calls of the store of format descriptions.

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::format_store_server::{FormatStore, FormatStoreServer};
use proto::journal::v1::{
    GetFormatRequest, GetFormatResponse, ListFormatsRequest, ListFormatsResponse,
    StoreFormatsRequest, StoreFormatsResponse, StoredFormat,
};
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status};

use crate::call::Call;
use crate::format_versions::VERSIONS_MAX;
use crate::new_message::NAME_BYTES_MAX;
use crate::readers::ReadCall;
use crate::server::{CALL_BYTES_MAX, Service};

impl Service {
    /// The generated server of the store of format descriptions.
    pub fn format_server(&self) -> FormatStoreServer<Self> {
        FormatStoreServer::new(self.clone())
            .max_decoding_message_size(CALL_BYTES_MAX)
            .max_encoding_message_size(CALL_BYTES_MAX)
    }
}

#[tonic::async_trait]
impl FormatStore for Service {
    async fn store_formats(
        &self,
        request: Request<StoreFormatsRequest>,
    ) -> Result<Response<StoreFormatsResponse>, Status> {
        let request = request.into_inner();
        if let Some(part) = find_invalid(&request.formats) {
            return Err(Fault::new(&code::LT_JNL_006).param("part", part).into());
        }
        let stored = self.call(|reply| Call::StoreFormats(request, reply)).await?;
        Ok(Response::new(stored))
    }

    async fn list_formats(
        &self,
        request: Request<ListFormatsRequest>,
    ) -> Result<Response<ListFormatsResponse>, Status> {
        let request = request.into_inner();
        Ok(Response::new(self.read(|reply| ReadCall::ListFormats(request, reply)).await?))
    }

    async fn get_format(
        &self,
        request: Request<GetFormatRequest>,
    ) -> Result<Response<GetFormatResponse>, Status> {
        let hash = request.into_inner().hash;
        let found = self.read(|reply| ReadCall::GetFormat(hash.clone(), reply)).await?;
        let unknown = || Fault::new(&code::LT_FMT_026).param("hash", hash);
        found.map(Response::new).ok_or_else(|| unknown().into())
    }
}

/// The part of a request that may not be stored: a hash has to identify its text.
fn find_invalid(formats: &[StoredFormat]) -> Option<&'static str> {
    if formats.len() > VERSIONS_MAX {
        return Some("formats");
    }
    formats.iter().find_map(|it| {
        if it.name.is_empty() || it.name.len() > NAME_BYTES_MAX {
            Some("name")
        } else if hex::encode(Sha256::digest(it.text.as_bytes())) != it.hash {
            Some("hash")
        } else {
            None
        }
    })
}
