//! The wrapped application: a mail room in memory.

use std::sync::Arc;

use proto::message::v1::{Index, MessageType, Receipt};
use sdk::{
    Application, CollectError, DeliverError, Delivery, Description, Item, Outlet, SubmitError,
    Taken,
};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How many items may wait at the door of the mail room.
const WAITING_MAX: usize = 1_024;

/// A message the application has.
#[derive(Clone, Debug)]
pub struct Received {
    /// The message's id.
    pub message_id: String,
    /// What it is.
    pub kind: MessageType,
    /// Format of the body.
    pub format: String,
    /// Directory key of the sender.
    pub sender: String,
    /// Number, document id, subject.
    pub index: Index,
    /// The conversation it belongs to.
    pub conversation: String,
    /// The bytes, in the application's format.
    pub body: Vec<u8>,
    /// Its files: id, name, bytes.
    pub files: Vec<(String, String, Vec<u8>)>,
}

/// How the application behaves; tests make it misbehave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// It takes everything.
    #[default]
    Willing,
    /// It refuses everything, with this reason.
    Refusing(String),
    /// It is away for this many deliveries.
    Away(u32),
}

type Offer = (Item, oneshot::Sender<Result<Receipt, SubmitError>>);

/// The application: what came in, and a door for what goes out. Clones share it.
#[derive(Clone, Debug)]
pub struct Mailroom {
    inbox: watch::Sender<Vec<Received>>,
    handed: watch::Sender<Vec<String>>,
    behaviour: watch::Sender<Behaviour>,
    door: mpsc::Sender<Offer>,
    offers: Arc<Mutex<mpsc::Receiver<Offer>>>,
}

impl Default for Mailroom {
    fn default() -> Self {
        let (door, offers) = mpsc::channel(WAITING_MAX);
        Self {
            inbox: watch::Sender::new(Vec::new()),
            handed: watch::Sender::new(Vec::new()),
            behaviour: watch::Sender::new(Behaviour::Willing),
            door,
            offers: Arc::new(Mutex::new(offers)),
        }
    }
}

impl Mailroom {
    /// An empty mail room.
    pub fn new() -> Self {
        Self::default()
    }

    /// What came in, each message once.
    pub fn inbox(&self) -> Vec<Received> {
        self.inbox.borrow().clone()
    }

    /// Follows what comes in.
    pub fn watch(&self) -> watch::Receiver<Vec<Received>> {
        self.inbox.subscribe()
    }

    /// Ids in the order they were handed over, repeats included.
    pub fn handed(&self) -> Vec<String> {
        self.handed.borrow().clone()
    }

    /// Changes how it behaves.
    pub fn behave(&self, behaviour: Behaviour) {
        self.behaviour.send_replace(behaviour);
    }

    /// Sends an item, and waits for its receipt. Waits for the adapter, if it is not connected.
    ///
    /// # Errors
    ///
    /// The bus refuses the item or is away.
    pub async fn send(&self, item: Item) -> Result<Receipt, SubmitError> {
        let (answer, receipt) = oneshot::channel();
        if self.door.send((item, answer)).await.is_err() {
            return Err(SubmitError::Unavailable(gone()));
        }
        receipt.await.unwrap_or_else(|_never_answered| Err(SubmitError::Unavailable(gone())))
    }
}

fn gone() -> sdk::Status {
    sdk::Status::unavailable("the adapter stopped")
}

/// The adapter of a mail room.
#[derive(Debug)]
pub struct Sample {
    application: String,
    adapter: String,
    mailroom: Mailroom,
}

impl Sample {
    /// An adapter of this name for this application.
    pub fn new(application: String, adapter: String, mailroom: Mailroom) -> Self {
        Self { application, adapter, mailroom }
    }
}

fn away(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> DeliverError {
    DeliverError::Unavailable { source: source.into() }
}

impl Application for Sample {
    fn describe(&self) -> Description {
        Description {
            application: self.application.clone(),
            adapter: self.adapter.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Description::default()
        }
    }

    async fn deliver(&self, delivery: Delivery) -> Result<Taken, DeliverError> {
        let id = delivery.message_id().to_owned();
        self.mailroom.handed.send_modify(|handed| handed.push(id.clone()));
        let behaviour = self.mailroom.behaviour.borrow().clone();
        match behaviour {
            Behaviour::Willing => {}
            Behaviour::Refusing(reason) => return Err(DeliverError::Refused { reason }),
            Behaviour::Away(0) => self.mailroom.behave(Behaviour::Willing),
            Behaviour::Away(left) => {
                self.mailroom.behave(Behaviour::Away(left - 1));
                return Err(away("the mail room is closed"));
            }
        }
        let mut files = Vec::new();
        for it in delivery.attachments() {
            let bytes = delivery.attachment(&it.id).map_err(away)?.all().await.map_err(away)?;
            files.push((it.id.clone(), it.file_name.clone(), bytes));
        }
        let received = Received {
            message_id: id.clone(),
            kind: delivery.kind(),
            format: delivery.format().to_owned(),
            sender: delivery.sender().to_owned(),
            index: delivery.index(),
            conversation: delivery.conversation().to_owned(),
            body: delivery.body().await.map_err(away)?.to_vec(),
            files,
        };
        // The same message again changes nothing and gets the same answer.
        self.mailroom.inbox.send_if_modified(|inbox| {
            let is_new = inbox.iter().all(|it| it.message_id != received.message_id);
            if is_new {
                inbox.push(received);
            }
            is_new
        });
        Ok(Taken { reference: format!("mailroom/{id}") })
    }

    async fn collect(
        &self,
        outlet: Outlet,
        shutdown: CancellationToken,
    ) -> Result<(), CollectError> {
        let mut offers = self.mailroom.offers.lock().await;
        let mut sending = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(_done) = sending.join_next(), if !sending.is_empty() => {}
                offer = offers.recv() => {
                    let Some((item, answer)) = offer else { break };
                    let outlet = outlet.clone();
                    sending.spawn(async move {
                        // Whoever offered it may have gone; the item is on the bus all the same.
                        drop(answer.send(outlet.submit(&item).await));
                    });
                }
            }
        }
        while sending.join_next().await.is_some() {}
        Ok(())
    }

    async fn has(&self, message_id: &str) -> Result<Option<Taken>, DeliverError> {
        let known = self.mailroom.inbox.borrow().iter().any(|it| it.message_id == message_id);
        Ok(known.then(|| Taken { reference: format!("mailroom/{message_id}") }))
    }
}
