//! The gRPC server: items arrive in frames, and each is answered as soon as it is decided.

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
use registry_client::{RegistryFollower, day_in_vietnam};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::config::Config;
use crate::formats_in_force::FormatsInForce;
use crate::item::{ReceivedItem, answer_item, panicked};
use crate::metrics::Metrics;

/// Frames that wait for a slow caller; few, because a frame may hold a mebibyte.
const WAITING_FRAMES_MAX: usize = 16;

/// A memory permit stands for one kibibyte, so that their number fits the semaphore.
const PERMIT_BYTES: u64 = 1024;

/// The mapping service. Clones share limits, formats and the snapshot of the registry.
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) formats: Arc<FormatsInForce>,
    pub(crate) registry: RegistryFollower,
    pub(crate) config: Config,
    clock: Clock,
    metrics: Metrics,
    /// Bounds the native bytes in memory for all calls together.
    memory_permits: Arc<Semaphore>,
    /// Bounds the large items that are processed at the same time.
    blocking_permits: Arc<Semaphore>,
}

impl Service {
    /// A service with the shipped formats, which decides by this follower's snapshots.
    ///
    /// # Errors
    ///
    /// A shipped description does not compile.
    pub fn new(config: Config, registry: RegistryFollower, clock: Clock) -> anyhow::Result<Self> {
        let memory_permits = usize::try_from(config.reading_bytes_max / PERMIT_BYTES)?;
        Ok(Self {
            formats: Arc::new(FormatsInForce::shipped()?),
            registry,
            config,
            clock,
            metrics: Metrics::new(),
            memory_permits: Arc::new(Semaphore::new(
                memory_permits.clamp(1, Semaphore::MAX_PERMITS),
            )),
            blocking_permits: Arc::new(Semaphore::new(config.aside_max.max(1))),
        })
    }

    /// The frames that answer an item, without its number.
    fn answer<'a>(
        &self,
        item: &'a ReceivedItem,
    ) -> Box<dyn Iterator<Item = NormalizeResponse> + Send + 'a> {
        let directory = self.registry.directory();
        let today = day_in_vietnam(self.clock.now_us());
        let formats = self.formats.of(&directory);
        let frames = answer_item(&formats, &directory, &today, item);
        let metrics = self.metrics.clone();
        Box::new(frames.inspect(move |it| match &it.frame {
            Some(Frame::Normalized(_)) => metrics.count_item(None),
            Some(Frame::Refused(fault)) => metrics.count_item(Some(&fault.code)),
            Some(Frame::Blob(_)) | None => {}
        }))
    }
}

/// An item of which some bytes are still to arrive.
struct PartialItem {
    opening: NormalizeItem,
    native: BytesMut,
    /// Held until the item is answered.
    memory_permit: OwnedSemaphorePermit,
}

/// One `Normalize` call.
struct Call {
    service: Service,
    partial_items: HashMap<u32, PartialItem>,
    tasks: JoinSet<()>,
    answers: mpsc::Sender<NormalizeResponse>,
}

impl Call {
    /// Receives frames until the caller ends the stream or disconnects.
    async fn run(mut self, mut frames: Streaming<NormalizeRequest>) -> Result<(), Status> {
        while let Some(frame) = frames.message().await? {
            let item = frame.item;
            if let Err(fault) = self.receive_frame(frame).await {
                self.partial_items.remove(&item);
                self.send(item, Frame::Refused(fault)).await;
            }
            while self.tasks.try_join_next().is_some() {}
        }
        let unfinished: Vec<u32> = self.partial_items.drain().map(|(item, _)| item).collect();
        for item in unfinished {
            let fault = Fault::new(&code::LT_MAP_213).detail("the call ended inside this item");
            self.send(item, Frame::Refused(fault)).await;
        }
        while self.tasks.join_next().await.is_some() {}
        Ok(())
    }

    async fn send(&self, item: u32, frame: Frame) {
        send(&self.answers, response(item, frame)).await;
    }

    async fn receive_frame(&mut self, frame: NormalizeRequest) -> Result<(), Fault> {
        let violation = |why: &str| Fault::new(&code::LT_MAP_213).detail(why);
        if let Some(opening) = frame.open {
            if self.partial_items.contains_key(&frame.item) {
                return Err(violation("the item is open already"));
            }
            let memory_permit = self.acquire_memory(opening.native_size).await?;
            // The buffer grows with the bytes that arrive, because the announced size may be false.
            let native = BytesMut::new();
            let item = PartialItem { opening, native, memory_permit };
            self.partial_items.insert(frame.item, item);
        }
        let Some(partial) = self.partial_items.get_mut(&frame.item) else {
            // After a refusal, frames that were sent before it may still arrive.
            return if frame.native.is_empty() {
                Err(violation("the item is not open"))
            } else {
                Ok(())
            };
        };
        let size = to_u64(partial.native.len() + frame.native.len());
        if size > partial.opening.native_size {
            return Err(violation("more bytes than announced"));
        }
        partial.native.extend_from_slice(&frame.native);
        if size == partial.opening.native_size
            && let Some(partial) = self.partial_items.remove(&frame.item)
        {
            self.process(frame.item, partial).await;
        }
        Ok(())
    }

    /// Acquires memory for an item. A call with unfinished items must not wait: the frames that
    /// would finish them, and release their memory, are behind this one in the stream.
    async fn acquire_memory(&self, size: u64) -> Result<OwnedSemaphorePermit, Fault> {
        let limit = self.service.config.native_bytes_max;
        if size > limit {
            let fault = Fault::new(&code::LT_MAP_212).param("bytes", size.to_string());
            return Err(fault.param("limit", limit.to_string()));
        }
        let exhausted = || Fault::new(&code::LT_MAP_214).retry_after(Duration::from_secs(1));
        let count = u32::try_from(size.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX);
        let permits = Arc::clone(&self.service.memory_permits);
        if !self.partial_items.is_empty() {
            return permits.try_acquire_many_owned(count).map_err(|_exhausted| exhausted());
        }
        let limit = Duration::from_millis(self.service.config.room_ms_max);
        match tokio::time::timeout(limit, permits.acquire_many_owned(count)).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(exhausted()),
        }
    }

    /// Processes a complete item: a small one at once, a large one on a blocking thread.
    async fn process(&mut self, number: u32, partial: PartialItem) {
        let PartialItem { opening, native, memory_permit } = partial;
        let service = self.service.clone();
        let item = ReceivedItem { opening, native: native.freeze() };
        if to_u64(item.native.len()) < service.config.aside_bytes_min {
            let answer = AssertUnwindSafe(|| service.answer(&item).collect::<Vec<_>>());
            let panicked = |_panic| vec![response(number, panicked(number))];
            let responses = catch_unwind(answer).unwrap_or_else(panicked);
            for response in responses {
                send(&self.answers, NormalizeResponse { item: number, ..response }).await;
            }
            drop(memory_permit);
            return;
        }
        let answers = self.answers.clone();
        self.tasks.spawn(async move {
            let _permit = Arc::clone(&service.blocking_permits).acquire_owned().await;
            let panic_answers = answers.clone();
            let process = move || {
                let mut frames =
                    service.answer(&item).map(|it| NormalizeResponse { item: number, ..it });
                let _disconnected = frames.try_for_each(|it| answers.blocking_send(it)).is_err();
                drop(memory_permit);
            };
            run_blocking(number, panic_answers, process).await;
        });
    }
}

/// Runs `process` on a blocking thread, and answers the item when it panics.
async fn run_blocking(
    item: u32,
    answers: mpsc::Sender<NormalizeResponse>,
    process: impl FnOnce() + Send + 'static,
) {
    if tokio::task::spawn_blocking(process).await.is_err() {
        send(&answers, response(item, panicked(item))).await;
    }
}

fn response(item: u32, frame: Frame) -> NormalizeResponse {
    NormalizeResponse { item, frame: Some(frame), ..NormalizeResponse::default() }
}

async fn send(answers: &mpsc::Sender<NormalizeResponse>, response: NormalizeResponse) {
    // Fails only when the caller has disconnected; the call then ends by itself.
    let _disconnected = answers.send(response).await.is_err();
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

type Answers = Pin<Box<dyn Stream<Item = Result<NormalizeResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Mapping for Service {
    type NormalizeStream = Answers;

    async fn normalize(
        &self,
        request: Request<Streaming<NormalizeRequest>>,
    ) -> Result<Response<Self::NormalizeStream>, Status> {
        if self.registry.directory().is_empty() {
            return Err(Fault::new(&code::LT_SYS_002).param("part", "registry").into());
        }
        let (answers, receiver) = mpsc::channel(WAITING_FRAMES_MAX);
        let (partial_items, tasks) = (HashMap::new(), JoinSet::new());
        let call = Call { service: self.clone(), partial_items, tasks, answers };
        // The call runs inside the stream of its answers, so it is dropped when the caller
        // disconnects.
        let running = call
            .run(request.into_inner())
            .into_stream()
            .filter_map(|ended| async move { ended.err().map(Err) });
        let answers = ReceiverStream::new(receiver).map(Ok);
        Ok(Response::new(Box::pin(futures::stream::select(answers, running))))
    }

    async fn formats(
        &self,
        _request: Request<FormatsRequest>,
    ) -> Result<Response<FormatsResponse>, Status> {
        let formats = self.formats.of(&self.registry.directory());
        Ok(Response::new(FormatsResponse { formats: formats.list_formats() }))
    }
}

#[cfg(test)]
#[path = "server/tests.rs"]
mod tests;
