//! What the journal answers to operators beside its contract: pauses, progress, stored sessions.

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::operate::v1::{
    Pause, PauseRequest, PauseResponse, ProgressResponse, ResumeRequest, ResumeResponse, Session,
};
use tonic::Status;

use crate::call::Call;
use crate::pauses::checked_target;
use crate::readers::ReadCall;
use crate::server::{Queues, Service};

impl Service {
    /// Stores a pause.
    ///
    /// # Errors
    ///
    /// The target names nothing that can be paused, or the journal does not serve.
    pub async fn pause(&self, mut request: PauseRequest) -> Result<PauseResponse, Status> {
        let partitions = self.queues()?.partitions;
        request.target = Some(checked_target(request.target, partitions)?);
        let (pause, repeat) = self.call(|reply| Call::Pause(request, reply)).await?;
        Ok(PauseResponse { pause: Some(pause), repeat })
    }

    /// Ends a pause.
    ///
    /// # Errors
    ///
    /// The target is not paused, or the journal does not serve.
    pub async fn resume(&self, mut request: ResumeRequest) -> Result<ResumeResponse, Status> {
        let partitions = self.queues()?.partitions;
        let target = checked_target(request.target, partitions)?;
        request.target = Some(target.clone());
        let ended = self.call(|reply| Call::Resume(request, reply)).await?;
        let pause =
            ended.ok_or_else(|| Fault::new(&code::LT_OPS_003).param("target", target.name))?;
        Ok(ResumeResponse { pause: Some(pause) })
    }

    /// The pauses in force.
    ///
    /// # Errors
    ///
    /// The journal does not serve.
    pub async fn read_pauses(&self) -> Result<Vec<Pause>, Status> {
        self.read(ReadCall::Pauses).await
    }

    /// What waits in each channel.
    ///
    /// # Errors
    ///
    /// The journal does not serve.
    pub async fn read_progress(&self) -> Result<ProgressResponse, Status> {
        let Queues { last_progress, stalled, .. } = self.queues()?;
        let mut progress = self.read(|reply| ReadCall::Progress(last_progress, reply)).await?;
        let stalled = stalled.names();
        for channel in &mut progress.channels {
            channel.stalled = stalled.contains(&channel.channel);
        }
        Ok(progress)
    }

    /// The stored sessions.
    ///
    /// # Errors
    ///
    /// The journal does not serve.
    pub async fn read_sessions(&self) -> Result<Vec<Session>, Status> {
        self.read(ReadCall::Sessions).await
    }

    /// Closes a session; what it had in hand is given back by the class of its receiver.
    ///
    /// # Errors
    ///
    /// The journal does not serve.
    pub async fn close_session(&self, id: String) -> Result<u32, Status> {
        self.call(|reply| Call::Close(id, reply)).await
    }
}
