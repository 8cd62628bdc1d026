//! Whether the database's disk has space: the fault of calls that it has none for, the state that
//! health shows, and the reserve with which the journal finishes what it holds.

use std::path::PathBuf;
use std::time::Duration;

use chassis::disk::{DiskLevel, DiskSpace, ReserveFile};
use chassis::health::Health;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::MessageType;
use tokio::time::Instant;

use crate::database::error::{DatabaseError, StorageFailure};

/// The condition in health.
const CONDITION: &str = "journal.storage";

/// The wait before a call that was refused for want of space is repeated.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How long health stays red after a failure, so that it does not change with every call.
const RED: Duration = Duration::from_secs(10);

/// The disk of the database, as the writer sees it.
#[derive(Debug)]
pub(crate) struct Storage {
    disk: DiskSpace,
    health: Health,
    reserve: ReserveFile,
    failed_at: Option<Instant>,
    /// The log says already that the reserve cannot be taken.
    is_reported: bool,
}

/// The file beside an SQLite database that holds the reserve. A server's disk is not ours.
pub(crate) fn reserve_of(database: &str, bytes: u64) -> ReserveFile {
    let is_server = database.contains("://");
    ReserveFile::new(
        PathBuf::from(format!("{database}.reserve")),
        if is_server { 0 } else { bytes },
    )
}

/// The fault of a call that the database could not write.
pub(crate) fn storage_fault(error: &DatabaseError) -> Option<Fault> {
    let code = match error.storage_failure()? {
        StorageFailure::Full => &code::LT_JNL_010,
        StorageFailure::Failing => &code::LT_JNL_011,
    };
    Some(Fault::new(code).retry_after(RETRY_AFTER).detail(error.describe()))
}

/// True when a run ended because the database's disk was full or failed.
pub(crate) fn is_of_storage(error: &anyhow::Error) -> bool {
    error.downcast_ref::<DatabaseError>().is_some_and(|it| it.storage_failure().is_some())
}

impl Storage {
    pub(crate) fn new(disk: DiskSpace, health: Health, reserve: ReserveFile) -> Self {
        let mut storage = Self { disk, health, reserve, failed_at: None, is_reported: false };
        storage.take_reserve();
        storage
    }

    /// Why a new message is not accepted now. A status is small and ends what is under way, so it is
    /// accepted longer than others: until the reserve is in use.
    pub(crate) fn refusal(&self, message_type: MessageType) -> Option<Fault> {
        let is_critical = self.disk.level() == DiskLevel::Critical;
        let is_refused = match message_type {
            MessageType::Status => false,
            MessageType::Unspecified
            | MessageType::Document
            | MessageType::Meeting
            | MessageType::Notice
            | MessageType::Dataset
            | MessageType::DeliveryReport => is_critical,
        };
        if !self.reserve.is_held() {
            return Some(full("the reserve of the database's disk is in use"));
        }
        is_refused.then(|| full(&self.disk.reason()))
    }

    /// Notes that a write failed, and gives the reserve to what is under way; true when there was
    /// some, so that the write may succeed now.
    pub(crate) fn fail(&mut self, error: &DatabaseError) -> bool {
        let error = error.describe();
        if self.failed_at.is_none() {
            tracing::error!(error, "database takes no more");
        }
        self.failed_at = Some(Instant::now());
        self.health.unwell(CONDITION, error.clone());
        self.disk.report_failure(&error);
        let has_space = self.reserve.release();
        if has_space {
            tracing::warn!("reserve of the database's disk is used to finish what is held");
        }
        has_space
    }

    /// Whether a write failed not long ago, and another one is to show that the disk is well again.
    pub(crate) fn needs_probe(&self) -> bool {
        self.failed_at.is_some_and(|it| it.elapsed() >= RED)
    }

    /// Notes that new messages were written, or that a probe was.
    pub(crate) fn recover(&mut self) {
        if self.failed_at.take().is_some() {
            self.health.well(CONDITION);
            tracing::info!("database takes writes again");
        }
    }

    /// Takes the reserve again once there is space beside it.
    pub(crate) fn take_reserve(&mut self) {
        if self.reserve.is_held() || self.disk.level() == DiskLevel::Critical {
            return;
        }
        match self.reserve.take() {
            Ok(()) => {
                self.is_reported = false;
                tracing::info!("reserve of the database's disk is held");
            }
            Err(_) if self.is_reported => {}
            Err(error) => {
                self.is_reported = true;
                tracing::warn!(%error, "reserve of the database's disk is not held");
            }
        }
    }
}

fn full(detail: &str) -> Fault {
    Fault::new(&code::LT_JNL_010).retry_after(RETRY_AFTER).detail(detail)
}
