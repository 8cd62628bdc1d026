//! What the writer does between calls: it sweeps, publishes again what was lost, closes sessions that no
//! gateway holds, and looks whether the disk is well.

use tokio::time::Interval;

use crate::connect;
use crate::database::Database;
use crate::database::error::DatabaseError;
use crate::publish_again::PublishAgain;
use crate::sweep::sweep;
use crate::unit_of_work::UnitOfWork;
use crate::writer::{Turn, Writer, finish};

impl Writer {
    /// What is done at intervals.
    pub(crate) async fn maintain(
        &mut self,
        database: &mut Database,
        turn: &Turn,
    ) -> Result<(), DatabaseError> {
        match turn {
            Turn::Ping => database.ping().await,
            Turn::RefreshMayHold => self.cache.refresh_may_hold(database).await,
            Turn::CloseUnrenewed => self.close_unrenewed(database).await,
            Turn::Call(_) | Turn::Sweep | Turn::Lost(_) | Turn::PublishAgain => Ok(()),
        }
    }

    /// One step of a run over what is published again; after the last there is none, and a sweep.
    pub(crate) async fn publish_again(
        &mut self,
        database: &mut Database,
        (again, sweeps): (&mut Option<PublishAgain>, &mut Interval),
    ) -> Result<(), DatabaseError> {
        let Some(run) = again else { return Ok(()) };
        let has_more = match run.step(database, &mut self.cache).await {
            // The messages have deadlines of their own.
            Err(error) if error.storage_failure().is_some() && !error.needs_reopen() => {
                self.storage.fail(&error);
                *again = None;
                return Ok(());
            }
            stepped => stepped?,
        };
        if !has_more {
            run.finish();
            *again = None;
            sweeps.reset_immediately();
        }
        Ok(())
    }

    /// The sweeper leaves half of the queue to the messages that calls publish.
    fn has_capacity(&self) -> bool {
        self.publishes.capacity() > self.publishes.max_capacity() / 2
    }

    pub(crate) async fn sweep(
        &mut self,
        database: &mut Database,
        sweeps: &mut Interval,
    ) -> Result<(), DatabaseError> {
        if !self.has_capacity() {
            return Ok(());
        }
        let mut unit = UnitOfWork::new(database, self.clock.now_us(), &mut self.cache);
        unit.database.begin().await?;
        let outcome = match sweep(&mut unit).await {
            Ok(has_more) => unit.flush().await.map(|()| has_more),
            Err(error) => Err(error),
        };
        let (has_more, due) = match finish(unit, outcome).await {
            // The next sweep tries again; calls go on meanwhile.
            Err(error) if error.is_of_data() => {
                tracing::error!(error = error.describe(), "sweep failed");
                return Ok(());
            }
            Err(error) if error.storage_failure().is_some() && !error.needs_reopen() => {
                self.storage.fail(&error);
                return Ok(());
            }
            finished => finished?,
        };
        self.publish(database, due).await?;
        if has_more {
            sweeps.reset_immediately();
        }
        Ok(())
    }

    async fn close_unrenewed(&mut self, database: &mut Database) -> Result<(), DatabaseError> {
        let mut unit = UnitOfWork::new(database, self.clock.now_us(), &mut self.cache);
        unit.database.begin().await?;
        let outcome = match connect::close_unrenewed(&mut unit).await {
            Ok(()) => unit.flush().await,
            Err(error) => Err(error),
        };
        match finish(unit, outcome).await {
            // The next turn tries again.
            Err(error) if error.is_of_data() => Ok(()),
            Err(error) if error.storage_failure().is_some() && !error.needs_reopen() => {
                self.storage.fail(&error);
                Ok(())
            }
            finished => {
                let ((), due) = finished?;
                self.publish(database, due).await
            }
        }
    }

    /// Takes the reserve again when there is space, and writes to see whether the disk is well.
    pub(crate) async fn look_at_storage(
        &mut self,
        database: &mut Database,
    ) -> Result<(), DatabaseError> {
        self.storage.take_reserve();
        if !self.storage.needs_probe() {
            return Ok(());
        }
        database.begin().await?;
        let probed = database.batch("UPDATE sweep_watermark SET at = at").await;
        let written = match probed {
            Ok(()) => database.commit().await,
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => self.storage.recover(),
            Err(error) => {
                drop(database.rollback().await);
                if error.storage_failure().is_none() || error.needs_reopen() {
                    return Err(error);
                }
                self.storage.fail(&error);
            }
        }
        Ok(())
    }
}
