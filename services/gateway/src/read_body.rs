//! Reads the body of a call into memory: held from the budget byte by byte, within a time that
//! grows with what came.
//!
//! The pieces are put together as they come, so that a body sent byte by byte holds its bytes and
//! not one buffer of the connection for each piece. A body that stalls costs its sender's share.

use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::StreamExt as _;
use proto::fault::code;
use proto::fault::v1::Fault;
use tokio::time::Instant;

use crate::config::Config;
use crate::fault::{body_too_large, invalid_field};
use crate::shared_bound::Held;

/// How large a body may be, and how slowly it may come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    pub(crate) bytes_max: usize,
    /// Longest time without a byte, and before the rate counts.
    pub(crate) stall_max: Duration,
    pub(crate) bytes_per_second_min: u64,
}

impl BodyLimits {
    pub(crate) fn new(config: &Config, bytes_max: usize) -> Self {
        Self {
            bytes_max,
            stall_max: Duration::from_millis(config.request_stall_ms_max),
            bytes_per_second_min: config.request_bytes_per_second_min.max(1),
        }
    }

    /// When the body has come too slowly, unless more of it comes before.
    fn deadline(&self, started: Instant, last_at: Instant, received: usize) -> Instant {
        let received = u64::try_from(received).unwrap_or(u64::MAX);
        let at_rate =
            Duration::from_millis(received.saturating_mul(1_000) / self.bytes_per_second_min);
        (last_at + self.stall_max).min(started + self.stall_max + at_rate)
    }
}

/// Reads a body to its end.
///
/// # Errors
///
/// It is too large, comes too slowly or breaks off, or the memory is used up.
pub(crate) async fn read_body(
    body: Body,
    held: &mut Held,
    limits: BodyLimits,
) -> Result<Bytes, Fault> {
    let started = Instant::now();
    let mut pieces = body.into_data_stream();
    let mut collected = Collected::default();
    let mut last_at = started;
    loop {
        let deadline = limits.deadline(started, last_at, collected.len());
        let piece = match tokio::time::timeout_at(deadline, pieces.next()).await {
            Ok(Some(piece)) => piece.map_err(|error| broken_off(&error))?,
            Ok(None) => return Ok(collected.into_bytes()),
            Err(_elapsed) => return Err(too_slow(collected.len(), started)),
        };
        if collected.len() + piece.len() > limits.bytes_max {
            let bytes_max = limits.bytes_max;
            return Err(body_too_large(format!("> {bytes_max}"), bytes_max as u64));
        }
        if !piece.is_empty() {
            // A peer that sends empty pieces makes no progress.
            last_at = Instant::now();
            collected.push(piece, held)?;
        }
    }
}

/// The pieces of a body that came. Most bodies are one piece, which is not copied.
#[derive(Debug, Default)]
struct Collected {
    first: Bytes,
    joined: Vec<u8>,
}

impl Collected {
    fn len(&self) -> usize {
        self.first.len() + self.joined.len()
    }

    fn push(&mut self, piece: Bytes, held: &mut Held) -> Result<(), Fault> {
        let hold =
            |held: &mut Held, bytes: usize| held.grow(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.len() == 0 {
            hold(held, piece.len())?;
            self.first = piece;
            return Ok(());
        }
        let len = self.len() + piece.len();
        if len > self.joined.capacity() {
            let capacity = len.max(2 * self.joined.capacity());
            let first = self.first.len();
            hold(held, capacity - self.joined.capacity() - first)?;
            self.joined.reserve_exact(capacity - self.joined.len());
            self.joined.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.joined.extend_from_slice(&piece);
        Ok(())
    }

    fn into_bytes(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.into() }
    }
}

fn too_slow(received: usize, started: Instant) -> Fault {
    Fault::new(&code::LT_GW_011)
        .param("received", received.to_string())
        .param("seconds", started.elapsed().as_secs().to_string())
        .retry_after(Duration::from_secs(1))
}

/// The peer ended the call before the body was complete, so nobody may read this answer.
fn broken_off(error: &axum::Error) -> Fault {
    invalid_field("body", "nội dung bị ngắt giữa chừng", "the body broke off")
        .detail(error.to_string())
}

#[cfg(test)]
#[path = "read_body/tests.rs"]
mod tests;
