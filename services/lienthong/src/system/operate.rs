//! The service of operate/v1: what a process answers to operators, whichever roles it runs.

mod connection_test;
mod status;

use std::sync::Arc;

use chassis::Clock;
use chassis::peer::operator;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::operate::v1::operate_server::Operate;
use proto::operate::v1::pause_target::Kind;
use proto::operate::v1::{
    ChannelProgress, EndSessionRequest, EndSessionResponse, FindTargetsRequest,
    FindTargetsResponse, ListSessionsRequest, ListSessionsResponse, PauseRequest, PauseResponse,
    PauseTarget, ProgressRequest, ProgressResponse, ResumeRequest, ResumeResponse, Session,
    StatusRequest, StatusResponse, TestConnectionsRequest, TestConnectionsResponse,
};
use registry_client::{CodeOwner, Directory, RegistryFollower};
use tonic::{Request, Response, Status};

use self::connection_test::test_connections;
use self::status::role_statuses;
use crate::cli::Role;
use crate::system::context::{Context, SystemDependencies};
use crate::system::current_gateway::CurrentGateway;

/// Answers operators. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct OperateService {
    /// The role of the process; none: all of them but adapters.
    role: Option<Role>,
    dependencies: Arc<SystemDependencies>,
    instance: String,
    started_at_us: i64,
    journal: Option<journal::Service>,
    gateway: CurrentGateway,
    registry: RegistryCopy,
}

/// The copy of the registry that a process has.
#[derive(Clone, Debug)]
enum RegistryCopy {
    Follower(RegistryFollower),
    Own(registry::Service),
    None,
}

impl RegistryCopy {
    fn of_role(context: Context<'_>) -> Self {
        let long_lived = context.long_lived;
        match context.role {
            None | Some(Role::Registry) => Self::Own(long_lived.registry.clone()),
            Some(Role::Gateway) => Self::Follower(long_lived.gateway_registry.clone()),
            Some(Role::Mapping) => Self::Follower(long_lived.mapping_registry.clone()),
            Some(Role::Journal | Role::AdapterFolder) => Self::None,
        }
    }

    /// None: there is no copy, or it was not read yet.
    fn directory(&self) -> Option<Arc<Directory>> {
        let directory = match self {
            Self::Follower(follower) => follower.directory(),
            Self::Own(service) => Arc::new(Directory::new((*service.snapshot()).clone())),
            Self::None => return None,
        };
        Some(directory).filter(|it| !it.is_empty())
    }
}

impl OperateService {
    /// The service of this process.
    pub(super) fn new(context: Context<'_>) -> Self {
        let journal = context.has_role(Role::Journal).then(|| context.long_lived.journal.clone());
        Self {
            role: context.role,
            dependencies: Arc::new(context.dependencies.clone()),
            instance: chassis::instance(),
            started_at_us: Clock::System.now_us(),
            journal,
            gateway: context.long_lived.gateway.clone(),
            registry: RegistryCopy::of_role(context),
        }
    }

    /// The journal, when it runs here.
    fn journal(&self) -> Result<&journal::Service, Status> {
        let elsewhere = || {
            let fault = Fault::new(&code::LT_OPS_001);
            Status::from(fault.param("what", "pauses").param("role", "journal"))
        };
        self.journal.as_ref().ok_or_else(elsewhere)
    }

    /// Sessions that a gateway of this process holds, and the journal's rows of the others.
    async fn sessions(&self, application: &str) -> Result<Vec<Session>, Status> {
        let live = self.gateway.get().map(|it| it.list_sessions(application)).unwrap_or_default();
        let mut sessions = live;
        if let Some(journal) = &self.journal {
            let stored = journal.read_sessions().await?;
            let is_live = |id: &str| sessions.iter().any(|it| it.id == id);
            let of_application =
                |it: &Session| application.is_empty() || it.application == application;
            let others: Vec<_> =
                stored.into_iter().filter(|it| of_application(it) && !is_live(&it.id)).collect();
            sessions.extend(others);
        }
        let key = |it: &Session| (it.application.clone(), it.adapter.clone(), it.id.clone());
        sessions.sort_by_cached_key(key);
        Ok(sessions)
    }

    /// Ends a session that only the journal has: no gateway holds it any more.
    async fn end_stored(&self, request: &EndSessionRequest) -> Result<Session, Status> {
        let unknown = || Fault::new(&code::LT_OPS_004).param("session", &request.session);
        let Some(journal) = &self.journal else { return Err(unknown().into()) };
        let stored = journal.read_sessions().await?;
        let session = stored.into_iter().find(|it| it.id == request.session);
        let session = session.ok_or_else(|| Status::from(unknown()))?;
        tracing::info!(
            session = session.id,
            adapter = session.adapter,
            actor = request.actor,
            reason = request.reason,
            "operator ends a session that no gateway holds"
        );
        journal.close_session(request.session.clone()).await?;
        Ok(session)
    }
}

#[tonic::async_trait]
impl Operate for OperateService {
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        // A journal that does not serve says so in its conditions.
        let pauses = match &self.journal {
            Some(journal) => journal.read_pauses().await.unwrap_or_default(),
            None => Vec::new(),
        };
        Ok(Response::new(StatusResponse {
            instance: self.instance.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at_us: self.started_at_us,
            roles: role_statuses(self.role, &self.dependencies.health),
            pauses,
        }))
    }

    async fn progress(
        &self,
        _: Request<ProgressRequest>,
    ) -> Result<Response<ProgressResponse>, Status> {
        if let Some(journal) = &self.journal {
            return Ok(Response::new(journal.read_progress().await?));
        }
        let sessions = self.gateway.get().map(|it| it.list_sessions("")).unwrap_or_default();
        Ok(Response::new(in_flight(&sessions)))
    }

    async fn test_connections(
        &self,
        _: Request<TestConnectionsRequest>,
    ) -> Result<Response<TestConnectionsResponse>, Status> {
        let tests = test_connections(self.role, &self.dependencies).await;
        Ok(Response::new(TestConnectionsResponse { tests }))
    }

    async fn pause(
        &self,
        request: Request<PauseRequest>,
    ) -> Result<Response<PauseResponse>, Status> {
        let certified = operator(&request);
        let mut request = request.into_inner();
        request.actor = certified.unwrap_or(request.actor);
        Ok(Response::new(self.journal()?.pause(request).await?))
    }

    async fn find_targets(
        &self,
        request: Request<FindTargetsRequest>,
    ) -> Result<Response<FindTargetsResponse>, Status> {
        let name = request.into_inner().name;
        let Some(directory) = self.registry.directory() else {
            return Ok(Response::new(FindTargetsResponse::default()));
        };
        let targets = find_targets(&directory, name.trim());
        Ok(Response::new(FindTargetsResponse { targets, known: true }))
    }

    async fn resume(
        &self,
        request: Request<ResumeRequest>,
    ) -> Result<Response<ResumeResponse>, Status> {
        let certified = operator(&request);
        let mut request = request.into_inner();
        request.actor = certified.unwrap_or(request.actor);
        Ok(Response::new(self.journal()?.resume(request).await?))
    }

    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        let sessions = self.sessions(&request.into_inner().application).await?;
        Ok(Response::new(ListSessionsResponse { sessions }))
    }

    async fn end_session(
        &self,
        request: Request<EndSessionRequest>,
    ) -> Result<Response<EndSessionResponse>, Status> {
        let certified = operator(&request);
        let mut request = request.into_inner();
        request.actor = certified.unwrap_or(request.actor);
        let ended = match self.gateway.get() {
            Some(gateway) => gateway.end_session(&request).await.ok(),
            None => None,
        };
        let session = match ended {
            Some(session) => session,
            None => self.end_stored(&request).await?,
        };
        Ok(Response::new(EndSessionResponse { session: Some(session) }))
    }
}

/// The application and the organisation of this name.
fn find_targets(directory: &Directory, name: &str) -> Vec<PauseTarget> {
    let mut targets = Vec::new();
    if directory.has_application(name) {
        targets.push((Kind::Application, name.to_owned()));
    }
    let day = registry_client::day_in_vietnam(Clock::System.now_us());
    if directory.organisation(name).is_some() {
        targets.push((Kind::Organisation, name.to_owned()));
    } else if let CodeOwner::InForce(organisation) | CodeOwner::CodeExpired(organisation) =
        directory.resolve_code(name, &day)
    {
        targets.push((Kind::Organisation, organisation.key.clone()));
    }
    let target = |(kind, name): (Kind, String)| PauseTarget { kind: kind.into(), name };
    targets.into_iter().map(target).collect()
}

/// What a gateway knows of progress: the deliveries in flight of its sessions.
fn in_flight(sessions: &[Session]) -> ProgressResponse {
    let mut channels: Vec<ChannelProgress> = Vec::new();
    for session in sessions.iter().filter(|it| it.in_flight > 0) {
        let count = u64::from(session.in_flight);
        match channels.iter_mut().find(|it| it.application == session.application) {
            Some(channel) => channel.in_flight += count,
            None => channels.push(ChannelProgress {
                channel: format!("delivery.{}", session.application),
                application: session.application.clone(),
                in_flight: count,
                ..ChannelProgress::default()
            }),
        }
    }
    channels.sort_by(|a, b| a.channel.cmp(&b.channel));
    let unfinished = channels.iter().map(|it| it.in_flight).sum();
    ProgressResponse { channels, unfinished }
}
