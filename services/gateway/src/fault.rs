//! What is said when something on our side fails: an id for the caller, the words in the log.

use std::error::Error;
use std::time::Duration;

use proto::fault::code;
use proto::fault::v1::Fault;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::parts::field;

/// A failure on our side that nobody foresaw.
pub(crate) fn internal(error: &(dyn Error + 'static)) -> Fault {
    let id = Uuid::now_v7().to_string();
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    tracing::error!(id, error = words, "internal failure");
    Fault::new(&code::LT_SYS_001).param("id", id).retry_after(Duration::from_secs(5))
}

/// A part of the system is away.
pub(crate) fn away(part: &str) -> Fault {
    Fault::new(&code::LT_SYS_002).param("part", part).retry_after(Duration::from_secs(1))
}

/// What another service's status means for our caller.
pub(crate) fn of(part: &str, status: &Status) -> Fault {
    Fault::from_status(status).unwrap_or_else(|| {
        tracing::warn!(part, error = status.message(), "upstream failed");
        away(part)
    })
}

/// What a refusal of the gRPC layer itself means: it could not read the call.
pub(crate) fn of_layer(status: &Status, most: usize) -> Fault {
    if status.code() == Code::OutOfRange {
        let most = most.to_string();
        return Fault::new(&code::LT_GW_001).param("size", format!("> {most}")).param("most", most);
    }
    if status.code() == Code::Internal {
        return field(
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
