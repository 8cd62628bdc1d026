//! The calls: items come in frames, answers go out as they are ready.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use chassis::Clock;
use futures::{FutureExt as _, Stream, StreamExt as _};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::mapping_server::Mapping;
use proto::mapping::v1::{
    FormatsRequest, FormatsResponse, NormalizeItem, NormalizeRequest, NormalizeResponse,
    normalize_response::Frame,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::codec::Shelf;
use crate::config::Config;
use crate::follow::Registered;
use crate::metrics::Metrics;
use crate::read::{Item, answer};

/// Answers that wait for a slow caller: a few, because one may hold a megabyte.
const ANSWERS_MAX: usize = 16;

/// Permits count kibibytes, so that their number fits.
const UNIT: u64 = 1024;

/// Reads at the door. Clones share bounds, formats and the copy of the registry.
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) registered: Registered,
    pub(crate) config: Config,
    clock: Clock,
    metrics: Metrics,
    room: Arc<Semaphore>,
    aside: Arc<Semaphore>,
}

impl Service {
    /// A service with the shipped formats and this copy of the registry.
    ///
    /// # Errors
    ///
    /// A shipped description does not compile.
    pub fn new(config: Config, registered: Registered, clock: Clock) -> anyhow::Result<Self> {
        let room = usize::try_from(config.reading_bytes_max / UNIT)?;
        Ok(Self {
            shelf: Arc::new(Shelf::shipped()?),
            registered,
            config,
            clock,
            metrics: Metrics::new(),
            room: Arc::new(Semaphore::new(room.clamp(1, Semaphore::MAX_PERMITS))),
            aside: Arc::new(Semaphore::new(config.aside_max.max(1))),
        })
    }

    fn read<'a>(&self, item: &'a Item) -> Box<dyn Iterator<Item = Frame> + Send + 'a> {
        let directory = self.registered.now();
        let frames = answer(&self.shelf, &directory, &day(self.clock.now_us()), item);
        let metrics = self.metrics.clone();
        Box::new(frames.inspect(move |it| match it {
            Frame::Normalized(_) => metrics.read(None),
            Frame::Refused(fault) => metrics.read(Some(&fault.code)),
            Frame::Blob(_) => {}
        }))
    }

    /// The copy of the registry.
    pub fn registered(&self) -> &Registered {
        &self.registered
    }
}

/// An item whose bytes are coming.
struct Coming {
    open: NormalizeItem,
    native: BytesMut,
    room: OwnedSemaphorePermit,
}

/// One call.
struct Call {
    service: Service,
    coming: HashMap<u32, Coming>,
    working: JoinSet<()>,
    answers: mpsc::Sender<NormalizeResponse>,
}

impl Call {
    /// Takes frames until the caller ends or goes away.
    async fn run(mut self, mut frames: Streaming<NormalizeRequest>) -> Result<(), Status> {
        while let Some(frame) = frames.message().await? {
            let item = frame.item;
            if let Err(fault) = self.take(frame).await {
                self.coming.remove(&item);
                self.refuse(item, fault).await;
            }
            while self.working.try_join_next().is_some() {}
        }
        let unfinished: Vec<u32> = self.coming.drain().map(|(item, _)| item).collect();
        for item in unfinished {
            let cut = Fault::new(&code::LT_MAP_213).detail("the call ended inside this item");
            self.refuse(item, cut).await;
        }
        while self.working.join_next().await.is_some() {}
        Ok(())
    }

    async fn refuse(&self, item: u32, fault: Fault) {
        let frame = Some(Frame::Refused(fault));
        // Nobody listens any more: the caller has gone, and the stream ends by itself.
        let _gone = self.answers.send(NormalizeResponse { item, frame }).await.is_err();
    }

    async fn take(&mut self, frame: NormalizeRequest) -> Result<(), Fault> {
        let wrong = |why: &str| Fault::new(&code::LT_MAP_213).detail(why);
        if let Some(open) = frame.open {
            if self.coming.contains_key(&frame.item) {
                return Err(wrong("the item is open already"));
            }
            let room = self.room(open.native_size).await?;
            // Taken as it comes: the size that was announced is not believed beforehand.
            let native = BytesMut::new();
            self.coming.insert(frame.item, Coming { open, native, room });
        }
        let Some(coming) = self.coming.get_mut(&frame.item) else {
            // Frames still on their way after a refusal.
            return if frame.native.is_empty() {
                Err(wrong("the item is not open"))
            } else {
                Ok(())
            };
        };
        let size = bytes(coming.native.len() + frame.native.len());
        if size > coming.open.native_size {
            return Err(wrong("more bytes than announced"));
        }
        coming.native.extend_from_slice(&frame.native);
        if size == coming.open.native_size
            && let Some(coming) = self.coming.remove(&frame.item)
        {
            self.work(frame.item, coming).await;
        }
        Ok(())
    }

    /// Room for an item's bytes. Who holds unfinished items waits for nothing: their frames are
    /// behind this one.
    async fn room(&self, size: u64) -> Result<OwnedSemaphorePermit, Fault> {
        let limit = self.service.config.native_bytes_max;
        if size > limit {
            let fault = Fault::new(&code::LT_MAP_212).param("bytes", size.to_string());
            return Err(fault.param("limit", limit.to_string()));
        }
        let full = || Fault::new(&code::LT_MAP_214).retry_after(Duration::from_secs(1));
        let units = u32::try_from(size.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.service.room);
        if !self.coming.is_empty() {
            return room.try_acquire_many_owned(units).map_err(|_full| full());
        }
        let wait = Duration::from_millis(self.service.config.room_ms_max);
        match tokio::time::timeout(wait, room.acquire_many_owned(units)).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(full()),
        }
    }

    /// Reads an item that is whole: at once when it is small, else on a thread that may block.
    async fn work(&mut self, number: u32, coming: Coming) {
        let Coming { open, native, room } = coming;
        let service = self.service.clone();
        let item = Item { open, native: native.freeze() };
        let answers = self.answers.clone();
        if bytes(item.native.len()) < service.config.aside_bytes_min {
            let read = AssertUnwindSafe(|| service.read(&item).collect::<Vec<_>>());
            let frames = catch_unwind(read).unwrap_or_else(|_panic| vec![broke_down(number)]);
            for frame in frames {
                let frame = Some(frame);
                // Nobody listens any more: the caller has gone.
                let _gone = answers.send(NormalizeResponse { item: number, frame }).await.is_err();
            }
            drop(room);
            return;
        }
        self.working.spawn(async move {
            let _place = Arc::clone(&service.aside).acquire_owned().await;
            let last = answers.clone();
            let work = move || {
                let mut frames = service
                    .read(&item)
                    .map(|it| NormalizeResponse { item: number, frame: Some(it) });
                let _gone = frames.try_for_each(|it| answers.blocking_send(it)).is_err();
                drop(room);
            };
            aside(number, last, work).await;
        });
    }
}

/// Works on a thread that may block; what breaks down there is an answer too.
async fn aside(
    item: u32,
    answers: mpsc::Sender<NormalizeResponse>,
    work: impl FnOnce() + Send + 'static,
) {
    if tokio::task::spawn_blocking(work).await.is_err() {
        let frame = Some(broke_down(item));
        // Nobody listens any more: the caller has gone.
        let _gone = answers.send(NormalizeResponse { item, frame }).await.is_err();
    }
}

/// The panic's own words may hold what was read, so they stay in the log of the process.
fn broke_down(item: u32) -> Frame {
    tracing::error!(item, "reading broke down");
    Frame::Refused(Fault::new(&code::LT_SYS_001).param("id", "normalize"))
}

fn bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The day in Vietnam, `yyyy-mm-dd`.
pub(crate) fn day(at_us: i64) -> String {
    const VIETNAM_US: i64 = 7 * 3_600_000_000;
    jiff::Timestamp::from_microsecond(at_us.saturating_add(VIETNAM_US))
        .map(|it| jiff::tz::Offset::UTC.to_datetime(it).date().to_string())
        .unwrap_or_default()
}

type Answers = Pin<Box<dyn Stream<Item = Result<NormalizeResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Mapping for Service {
    type NormalizeStream = Answers;

    async fn normalize(
        &self,
        request: Request<Streaming<NormalizeRequest>>,
    ) -> Result<Response<Self::NormalizeStream>, Status> {
        if self.registered.now().revision().is_empty() {
            return Err(Fault::new(&code::LT_SYS_002).param("part", "registry").into());
        }
        let (answers, ready) = mpsc::channel(ANSWERS_MAX);
        let (coming, working) = (HashMap::new(), JoinSet::new());
        let call = Call { service: self.clone(), coming, working, answers };
        // Driven by whoever reads the answers, so it ends when they go away.
        let driven = call
            .run(request.into_inner())
            .into_stream()
            .filter_map(|ended| async move { ended.err().map(Err) });
        let answers = ReceiverStream::new(ready).map(Ok);
        Ok(Response::new(Box::pin(futures::stream::select(answers, driven))))
    }

    async fn formats(
        &self,
        _request: Request<FormatsRequest>,
    ) -> Result<Response<FormatsResponse>, Status> {
        Ok(Response::new(FormatsResponse { formats: self.shelf.list() }))
    }
}

/// The largest piece of a found file in one frame.
pub(crate) const PIECE_BYTES: usize = 1024 * 1024;

#[cfg(test)]
#[path = "server/tests.rs"]
mod tests;
