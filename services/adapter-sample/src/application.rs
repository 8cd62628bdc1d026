//! The application and its adapter. The application keeps its messages in memory; replace it by
//! yours, and the calls to it in the four methods of [`Application`].

use std::error::Error;
use std::sync::Arc;

use proto::message::v1::{Index, MessageType, Receipt};
use sdk::{
    Application, CollectError, DeliverError, Delivery, Description, Item, SubmitError,
    SubmitHandle, Taken,
};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Maximum number of items that wait to be submitted.
const QUEUE_MAX: usize = 1_024;

/// A message that the application has received.
#[derive(Clone, Debug)]
pub struct ReceivedMessage {
    /// UUID of the message.
    pub message_id: String,
    /// Message type.
    pub message_type: MessageType,
    /// Format of the body.
    pub format: String,
    /// Directory key of the sending organisation.
    pub sender: String,
    /// Number, subject, issuer and other properties that users search by.
    pub index: Index,
    /// Conversation: key of the document that the message belongs to.
    pub conversation: String,
    /// The body, in the application's format.
    pub body: Vec<u8>,
    /// The attachments: id, file name, bytes.
    pub files: Vec<(String, String, Vec<u8>)>,
}

/// How the application answers deliveries; tests change it to cause failures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Behavior {
    /// It accepts every message.
    #[default]
    Accepting,
    /// It rejects every message, with this reason.
    Rejecting(String),
    /// It is unavailable for this number of deliveries, and accepts the following ones.
    Unavailable(u32),
}

/// An item to submit, and the channel for its receipt.
type OutgoingItem = (Item, oneshot::Sender<Result<Receipt, SubmitError>>);

/// An application that keeps its messages in memory. Clones share them.
#[derive(Clone, Debug)]
pub struct SampleApplication {
    inbox: watch::Sender<Vec<ReceivedMessage>>,
    behavior: watch::Sender<Behavior>,
    outgoing: mpsc::Sender<OutgoingItem>,
    /// The receiving end of `outgoing`, used by the adapter that is connected.
    queue: Arc<Mutex<mpsc::Receiver<OutgoingItem>>>,
}

impl Default for SampleApplication {
    fn default() -> Self {
        let (outgoing, queue) = mpsc::channel(QUEUE_MAX);
        Self {
            inbox: watch::Sender::new(Vec::new()),
            behavior: watch::Sender::new(Behavior::Accepting),
            outgoing,
            queue: Arc::new(Mutex::new(queue)),
        }
    }
}

impl SampleApplication {
    /// An application without messages.
    pub fn new() -> Self {
        Self::default()
    }

    /// The received messages, each once, in the order of their delivery.
    pub fn inbox(&self) -> Vec<ReceivedMessage> {
        self.inbox.borrow().clone()
    }

    /// Follows changes of the inbox.
    pub fn watch(&self) -> watch::Receiver<Vec<ReceivedMessage>> {
        self.inbox.subscribe()
    }

    /// Sets how the application answers deliveries.
    pub fn set_behavior(&self, behavior: Behavior) {
        self.behavior.send_replace(behavior);
    }

    /// Sends an item and returns its receipt. While no adapter is connected, the item waits.
    ///
    /// # Errors
    ///
    /// The bus refuses the item or is unavailable.
    pub async fn send(&self, item: Item) -> Result<Receipt, SubmitError> {
        let stopped = || SubmitError::Unavailable(sdk::Status::unavailable("the adapter stopped"));
        let (reply, receipt) = oneshot::channel();
        if self.outgoing.send((item, reply)).await.is_err() {
            return Err(stopped());
        }
        receipt.await.unwrap_or_else(|_dropped| Err(stopped()))
    }

    /// Stores a message. A message that is already stored changes nothing.
    fn store(&self, message: ReceivedMessage) {
        self.inbox.send_if_modified(|inbox| {
            let is_new = inbox.iter().all(|it| it.message_id != message.message_id);
            if is_new {
                inbox.push(message);
            }
            is_new
        });
    }

    fn has(&self, message_id: &str) -> bool {
        self.inbox.borrow().iter().any(|it| it.message_id == message_id)
    }
}

/// The adapter between the application and the bus.
#[derive(Debug)]
pub struct SampleAdapter {
    application_id: String,
    adapter: String,
    application: SampleApplication,
}

impl SampleAdapter {
    /// An adapter instance named `adapter` for the application registered as `application_id`.
    pub fn new(application_id: String, adapter: String, application: SampleApplication) -> Self {
        Self { application_id, adapter, application }
    }
}

impl Application for SampleAdapter {
    fn describe(&self) -> Description {
        Description {
            application: self.application_id.clone(),
            adapter: self.adapter.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Description::default()
        }
    }

    async fn deliver(&self, delivery: Delivery) -> Result<Taken, DeliverError> {
        let behavior = self.application.behavior.borrow().clone();
        match behavior {
            Behavior::Accepting => {}
            Behavior::Rejecting(reason) => return Err(DeliverError::Refused { reason }),
            Behavior::Unavailable(0) => self.application.set_behavior(Behavior::Accepting),
            Behavior::Unavailable(deliveries) => {
                self.application.set_behavior(Behavior::Unavailable(deliveries - 1));
                return Err(unavailable("the application is closed"));
            }
        }
        if let Some(report) = delivery.delivery_report().await.map_err(unavailable)? {
            // An application shows the report at the document that it is about.
            let (about, outcome) = (report.message_id, report.outcome);
            tracing::info!(about, ?outcome, reason = report.text_vi, "delivery report received");
        }
        let mut files = Vec::new();
        for it in delivery.attachments() {
            let download = delivery.attachment(&it.id).map_err(unavailable)?;
            let bytes = download.all().await.map_err(unavailable)?;
            files.push((it.id.clone(), it.file_name.clone(), bytes));
        }
        let message_id = delivery.message_id().to_owned();
        let reference = reference(&message_id);
        self.application.store(ReceivedMessage {
            message_id,
            message_type: delivery.message_type(),
            format: delivery.format().to_owned(),
            sender: delivery.sender().to_owned(),
            index: delivery.index(),
            conversation: delivery.conversation().to_owned(),
            body: delivery.body().await.map_err(unavailable)?.to_vec(),
            files,
        });
        // A message that was delivered before gets the same answer.
        Ok(Taken { reference })
    }

    async fn collect(
        &self,
        submit_handle: SubmitHandle,
        shutdown: CancellationToken,
    ) -> Result<(), CollectError> {
        let mut queue = self.application.queue.lock().await;
        let mut submits = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(_finished) = submits.join_next(), if !submits.is_empty() => {}
                outgoing = queue.recv() => {
                    let Some((item, reply)) = outgoing else { break };
                    let submit_handle = submit_handle.clone();
                    submits.spawn(async move {
                        let receipt = submit_handle.submit(&item).await;
                        // The caller of `send` may have stopped waiting; the item is sent anyway.
                        drop(reply.send(receipt));
                    });
                }
            }
        }
        while submits.join_next().await.is_some() {}
        Ok(())
    }

    async fn find_delivered(&self, message_id: &str) -> Result<Option<Taken>, DeliverError> {
        let is_delivered = self.application.has(message_id);
        Ok(is_delivered.then(|| Taken { reference: reference(message_id) }))
    }
}

/// The application's own reference of a message, which operators see in its journey.
fn reference(message_id: &str) -> String {
    format!("sample/{message_id}")
}

fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> DeliverError {
    DeliverError::Unavailable { source: source.into() }
}
