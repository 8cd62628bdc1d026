//! Faults of the gateway itself, and what a failure of another service means for the caller.

use std::error::Error;
use std::time::Duration;

use bus::claim::{ClaimError, StorageFailure};
use proto::fault::code;
use proto::fault::v1::Fault;
use tonic::{Code, Status};
use uuid::Uuid;

/// The wait before a call that found the claim store full or failing is repeated: an operator frees
/// space in minutes, and a file is not to be sent again and again meanwhile.
const STORAGE_WAIT: Duration = Duration::from_secs(5);

/// The texts of an error and of all its causes.
fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// An unexpected failure. The caller gets an id; the log has the error under the same id, because
/// its text may name what a vendor must not see.
pub(crate) fn internal(error: &(dyn Error + 'static)) -> Fault {
    let id = Uuid::now_v7().to_string();
    tracing::error!(id, error = error_chain(error), "internal failure");
    Fault::new(&code::LT_SYS_001).param("id", id).retry_after(Duration::from_secs(5))
}

/// The fault of a claim store that failed. A caller can neither free its disk nor repair it, but
/// what the caller sent so far is kept, so the same call may be repeated.
pub(crate) fn from_claim_error(error: &ClaimError) -> Fault {
    let code = match (error, error.storage_failure()) {
        (_, Some(StorageFailure::Full)) => &code::LT_STO_001,
        (_, Some(StorageFailure::Failing)) => &code::LT_STO_002,
        (ClaimError::Missing { claim } | ClaimError::Damaged { claim }, None) => {
            tracing::error!(error = %error, "stored file is missing or damaged");
            return Fault::new(&code::LT_STO_003).param("claim", claim.to_string());
        }
        (_, None) => return internal(error),
    };
    tracing::error!(code = code.code, error = error_chain(error), "claim store failed");
    Fault::new(code).retry_after(STORAGE_WAIT)
}

/// The claim store's disk has so little space that nothing new is taken.
pub(crate) fn disk_full(reason: &str) -> Fault {
    Fault::new(&code::LT_STO_001).retry_after(STORAGE_WAIT).detail(reason)
}

/// True for the fault of a claim store that is full or fails.
pub(crate) fn is_of_storage(fault: &Fault) -> bool {
    [code::LT_STO_001.code, code::LT_STO_002.code].contains(&fault.code.as_str())
}

/// A service that the gateway needs does not answer.
pub(crate) fn unavailable(service: &str) -> Fault {
    Fault::new(&code::LT_SYS_002).param("part", service).retry_after(Duration::from_secs(1))
}

/// The gateway has more work than its bounds allow. Nothing was accepted, so a retry is safe.
pub(crate) fn overloaded() -> Fault {
    Fault::new(&code::LT_GW_004).retry_after(Duration::from_secs(1))
}

/// The application has used up its share of what all have together.
pub(crate) fn share_used_up(what: &str) -> Fault {
    Fault::new(&code::LT_GW_012).param("what", what).retry_after(Duration::from_secs(1))
}

/// The application repeats refused calls in a loop.
pub(crate) fn too_many_refusals() -> Fault {
    Fault::new(&code::LT_GW_013).retry_after(Duration::from_secs(1))
}

/// A field of the call that is wrong, by its path.
pub(crate) fn invalid_field(path: &str, vi: &str, en: &str) -> Fault {
    Fault::new(&code::LT_EX_011).param("field", path).violation(path, vi, en)
}

/// A body larger than the configured bound. `size` is a number of bytes, or a lower bound such as `> 1000`.
pub(crate) fn body_too_large(size: impl Into<String>, bytes_max: u64) -> Fault {
    Fault::new(&code::LT_GW_001).param("size", size).param("most", bytes_max.to_string())
}

/// The fault inside another service's status. A status without one is a failure of the transport.
pub(crate) fn from_status(service: &str, status: &Status) -> Fault {
    Fault::from_status(status).unwrap_or_else(|| {
        tracing::warn!(service, error = status.message(), "upstream call failed");
        unavailable(service)
    })
}

/// The fault for a status that tonic itself answered with: it could not decode the call.
pub(crate) fn from_grpc_layer(status: &Status, bytes_max: usize) -> Fault {
    if status.code() == Code::OutOfRange {
        return body_too_large(format!("> {bytes_max}"), bytes_max as u64);
    }
    if status.code() == Code::Internal {
        return invalid_field(
            "message",
            "không đọc được thông điệp theo exchange.proto",
            "the bytes are no message of exchange.proto",
        )
        .detail(status.message());
    }
    if status.code() == Code::Unimplemented {
        return Fault::new(&code::LT_GW_009);
    }
    internal(status)
}
