//! The gRPC server: what is in force and every change of it, and what waits for an operator.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use chassis::Upstream;
use futures::Stream;
use parking_lot::Mutex;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::registry::v1::registry_administration_server::RegistryAdministration;
use proto::registry::v1::registry_server::Registry;
use proto::registry::v1::{
    ApplyRequest, ApplyResponse, ExportRequest, ExportResponse, FileMistake, InspectRequest,
    InspectResponse, Snapshot, WatchRequest,
};
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::format_follower::FormatSources;
use crate::in_force::InForce;
use crate::mistake::Mistake;

/// Default values and descriptions of the configuration section `registry`.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// The configuration section `registry`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder of YAML files.
    pub folder: PathBuf,
    /// Interval between two checks of the folder for changes, milliseconds.
    pub poll_ms: u64,
    /// The file that stores the revision in force for the next start; empty: none.
    pub state_file: PathBuf,
}

/// The registry. Clones share its state, which outlives [`run`](crate::run): after a restart the last
/// snapshot is still in force.
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) snapshot: watch::Sender<Arc<Snapshot>>,
    pub(crate) mistakes: watch::Sender<Arc<Vec<Mistake>>>,
    pub(crate) in_force: Arc<Mutex<InForce>>,
    /// Ends the watches when the current run ends.
    run_end: watch::Sender<CancellationToken>,
    /// The mistakes in the folder of format descriptions.
    pub(crate) format_mistakes: watch::Sender<Arc<Vec<Mistake>>>,
    pub(crate) formats: Option<FormatSources>,
    /// The journal, which keeps operators' actions.
    pub(crate) journal: Option<Upstream>,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            snapshot: watch::Sender::new(Arc::default()),
            mistakes: watch::Sender::new(Arc::default()),
            format_mistakes: watch::Sender::new(Arc::default()),
            in_force: Arc::default(),
            run_end: watch::Sender::new(CancellationToken::new()),
            formats: None,
            journal: None,
        }
    }
}

impl Service {
    /// A registry that allows nothing until [`run`](crate::run) has read its folder.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same registry, which loads formats and accepts only loaded and shipped ones in its
    /// applications.
    #[must_use]
    pub fn with_formats(self, formats: FormatSources) -> Self {
        Self { formats: Some(formats), ..self }
    }

    /// The same registry, which loads a format once this store keeps it.
    #[must_use]
    pub fn with_format_store(self, store: Upstream) -> Self {
        let formats = self.formats.clone();
        let formats = formats.map(|it| FormatSources { store: Some(store), ..it });
        Self { formats, ..self }
    }

    /// The same registry, which records operators' actions in this journal.
    #[must_use]
    pub fn with_journal(self, journal: Upstream) -> Self {
        Self { journal: Some(journal), ..self }
    }

    /// The snapshot in force; empty before the first.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.borrow().clone()
    }

    /// The mistakes in the folder as it is now. While there are some, an earlier snapshot is in
    /// force.
    pub fn mistakes(&self) -> Arc<Vec<Mistake>> {
        self.mistakes.borrow().clone()
    }

    /// The mistakes in the folder of format descriptions as it is now.
    pub fn format_mistakes(&self) -> Arc<Vec<Mistake>> {
        self.format_mistakes.borrow().clone()
    }

    /// The token that ends the watches of this run; a new one when the last run has ended.
    pub(crate) fn begin_run(&self) -> CancellationToken {
        self.run_end.send_if_modified(|token| {
            let has_ended = token.is_cancelled();
            if has_ended {
                *token = CancellationToken::new();
            }
            has_ended
        });
        self.run_end.borrow().clone()
    }

    /// Sends the snapshot in force to every watcher that does not have it.
    pub(crate) fn publish(&self, snapshot: &Snapshot) {
        self.snapshot.send_if_modified(|current| {
            let has_changed = current.revision != snapshot.revision;
            if has_changed {
                tracing::info!(revision = snapshot.revision, "registry changed");
                *current = Arc::new(snapshot.clone());
            }
            has_changed
        });
    }

    fn inspect_now(&self) -> InspectResponse {
        let mistake = |it: &Mistake| FileMistake {
            file: it.file.clone(),
            line: it.line,
            fault: Some(it.fault.clone()),
        };
        let mistakes = self.mistakes().iter().map(mistake).collect();
        let format_mistakes = self.format_mistakes().iter().map(mistake).collect();
        let shipped_formats = self.formats.as_ref().map(|it| it.engine.shipped());
        InspectResponse {
            mistakes,
            format_mistakes,
            shipped_formats: shipped_formats.unwrap_or_default(),
            ..self.in_force.lock().inspect()
        }
    }
}

type Snapshots = Pin<Box<dyn Stream<Item = Result<Snapshot, Status>> + Send>>;

#[tonic::async_trait]
impl Registry for Service {
    type WatchStream = Snapshots;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let known_revision = request.into_inner().known_revision;
        let run_end = self.run_end.borrow().clone();
        let begin = (self.snapshot.subscribe(), known_revision, run_end);
        let changes =
            futures::stream::unfold(begin, |(mut snapshots, mut known, run_end)| async move {
                let is_new = |it: &Arc<Snapshot>| !it.revision.is_empty() && it.revision != known;
                let snapshot = tokio::select! {
                    () = run_end.cancelled() => return None,
                    snapshot = snapshots.wait_for(is_new) => Arc::clone(&*snapshot.ok()?),
                };
                known.clone_from(&snapshot.revision);
                Some((Ok(Snapshot::clone(&snapshot)), (snapshots, known, run_end)))
            });
        Ok(Response::new(Box::pin(changes)))
    }
}

#[tonic::async_trait]
impl RegistryAdministration for Service {
    async fn inspect(
        &self,
        _request: Request<InspectRequest>,
    ) -> Result<Response<InspectResponse>, Status> {
        Ok(Response::new(self.inspect_now()))
    }

    async fn apply(
        &self,
        request: Request<ApplyRequest>,
    ) -> Result<Response<ApplyResponse>, Status> {
        let operator = chassis::peer::operator(&request);
        let mut request = request.into_inner();
        request.actor = operator.unwrap_or(request.actor);
        for (field, text) in [("actor", &request.actor), ("reason", &request.reason)] {
            if text.trim().is_empty() {
                let fault = Fault::new(&code::LT_REG_003).param("key", field);
                return Err(fault.into());
            }
        }
        let service = self.clone();
        let applying = move || {
            let mut in_force = service.in_force.lock();
            let change = in_force.force(&request)?;
            service.publish(&in_force.snapshot());
            Ok::<_, Fault>(change)
        };
        let applied = tokio::task::spawn_blocking(applying).await;
        let change = applied.map_err(|error| Status::internal(error.to_string()))??;
        Ok(Response::new(ApplyResponse { change: Some(change) }))
    }

    async fn export(
        &self,
        _request: Request<ExportRequest>,
    ) -> Result<Response<ExportResponse>, Status> {
        let mut snapshot = Snapshot::clone(&self.snapshot());
        for format in &mut snapshot.formats {
            format.text.clear();
        }
        for application in &mut snapshot.applications {
            application.token_sha256.clear();
        }
        Ok(Response::new(ExportResponse { snapshot: Some(snapshot) }))
    }
}
