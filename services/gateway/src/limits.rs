//! Bounds that are part of the protocol, so that no configuration may change them.

/// Largest chunk of an upload, and largest body inside a call, bytes. `Hello` tells it to adapters.
pub(crate) const CHUNK_BYTES_MAX: u32 = 1024 * 1024;
/// Items of one call. `Hello` tells it to adapters.
pub(crate) const BATCH_ITEMS_MAX: u32 = 256;
/// Inline bodies of one call together, bytes. `Hello` tells it to adapters.
pub(crate) const BATCH_BYTES_MAX: u32 = 2 * CHUNK_BYTES_MAX;
/// Largest gRPC request: the bodies of a batch, and as much for the other fields of its items.
pub(crate) const GRPC_REQUEST_BYTES_MAX: usize = 2 * BATCH_BYTES_MAX as usize;
/// Largest gRPC response: a Track of many recipients.
pub(crate) const GRPC_RESPONSE_BYTES_MAX: usize = 8 << 20;
/// Largest HTTP request: base64 makes inline bodies a third larger, JSON escapes add to it.
pub(crate) const HTTP_REQUEST_BYTES_MAX: usize = GRPC_REQUEST_BYTES_MAX;
/// Largest response of mapping: a batch of bodies and the chunks of their files.
pub(crate) const MAPPING_RESPONSE_BYTES_MAX: usize = 128 << 20;
