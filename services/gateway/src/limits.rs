//! Bounds that are part of the protocol, so that no configuration may change them.

/// Largest chunk of an upload, and largest body inside a call, bytes. `Hello` tells it to adapters.
pub(crate) const CHUNK_BYTES_MAX: u32 = 1024 * 1024;
/// Largest gRPC request: a chunk with its field names and the other fields of the call.
pub(crate) const GRPC_REQUEST_BYTES_MAX: usize = 2 << 20;
/// Largest gRPC response: a Track of many recipients.
pub(crate) const GRPC_RESPONSE_BYTES_MAX: usize = 8 << 20;
/// Largest HTTP request: base64 makes an inline body a third larger, JSON escapes add to it.
pub(crate) const HTTP_REQUEST_BYTES_MAX: usize = 4 * CHUNK_BYTES_MAX as usize;
/// Largest response of mapping: a batch of bodies and the chunks of their files.
pub(crate) const MAPPING_RESPONSE_BYTES_MAX: usize = 128 << 20;
