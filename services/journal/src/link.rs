//! Notices that the database server is no longer reached although its connections stay open.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::database::Database;
use crate::database::error::DatabaseError;

/// How often the server is asked.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long it may take to answer. Together with [`INTERVAL`] this is shorter than the time after
/// which the server gives the writer's lock to a standby, so this journal has stopped by then.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Waits until the server does not answer. A statement of the writer may rightly take long, so it is
/// not the one that is timed: this connection runs nothing else.
pub(crate) async fn until_lost(mut database: Database) -> DatabaseError {
    let mut turns = interval(INTERVAL);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        match timeout(ANSWER_MAX, database.ping()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error,
            Err(_elapsed) => return DatabaseError::Gone,
        }
    }
}
