//! An application in memory, its adapter, and its fault switch.

use std::sync::Arc;

use proto::message::v1::{Index, MessageType, Receipt};
use sdk::{
    Application, CollectError, DeliverError, Delivery, Description, Item, SubmitError,
    SubmitHandle, Taken,
};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How many submissions may wait for the adapter; further callers wait in
/// [`SimulatedApplication::submit`].
const WAITING_SUBMISSIONS_MAX: usize = 1_024;

/// A message that the application has taken.
#[derive(Clone, Debug)]
pub struct DeliveredMessage {
    /// The message's id.
    pub message_id: String,
    /// Its type.
    pub message_type: MessageType,
    /// Format of the body.
    pub format: String,
    /// Registry key of the sending organisation.
    pub sender: String,
    /// Number, identifier and subject of the document.
    pub index: Index,
    /// The conversation it belongs to.
    pub conversation: String,
    /// The body, in the application's format.
    pub body: Vec<u8>,
    /// Content of each attachment, in the order of the delivery.
    pub attachments: Vec<Vec<u8>>,
}

/// A fault of the application. While one is set, deliveries fail as a broken application would
/// make them fail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FaultSwitch {
    /// No fault: every delivery is taken.
    #[default]
    Off,
    /// Every delivery is refused for good, with this reason.
    Refuse {
        /// The text that the sender reads.
        reason: String,
    },
    /// This many deliveries are answered "unavailable", then the switch goes off.
    Unavailable {
        /// Deliveries that still fail.
        deliveries: u32,
    },
}

/// An item and the channel for its receipt.
type Submission = (Item, oneshot::Sender<Result<Receipt, SubmitError>>);

/// An application in memory. Clones share the state, so a test keeps one and the adapter another.
#[derive(Clone, Debug)]
pub struct SimulatedApplication {
    inbox: watch::Sender<Vec<DeliveredMessage>>,
    delivery_log: watch::Sender<Vec<String>>,
    fault: watch::Sender<FaultSwitch>,
    submissions: mpsc::Sender<Submission>,
    waiting: Arc<Mutex<mpsc::Receiver<Submission>>>,
}

impl Default for SimulatedApplication {
    fn default() -> Self {
        let (submissions, waiting) = mpsc::channel(WAITING_SUBMISSIONS_MAX);
        Self {
            inbox: watch::Sender::new(Vec::new()),
            delivery_log: watch::Sender::new(Vec::new()),
            fault: watch::Sender::new(FaultSwitch::Off),
            submissions,
            waiting: Arc::new(Mutex::new(waiting)),
        }
    }
}

impl SimulatedApplication {
    /// An application with an empty inbox and no fault.
    pub fn new() -> Self {
        Self::default()
    }

    /// The messages it has taken, each once, in their order.
    pub fn inbox(&self) -> Vec<DeliveredMessage> {
        self.inbox.borrow().clone()
    }

    /// How many messages of a type it has taken.
    pub fn count(&self, message_type: MessageType) -> usize {
        self.inbox.borrow().iter().filter(|it| it.message_type == message_type).count()
    }

    /// Follows the inbox.
    pub fn watch_inbox(&self) -> watch::Receiver<Vec<DeliveredMessage>> {
        self.inbox.subscribe()
    }

    /// Ids of all deliveries in their order, repeated and failed ones included.
    pub fn delivery_log(&self) -> Vec<String> {
        self.delivery_log.borrow().clone()
    }

    /// Sets or clears a fault; it holds from the next delivery on.
    pub fn set_fault(&self, fault: FaultSwitch) {
        self.fault.send_replace(fault);
    }

    /// Submits an item and waits for its receipt, and first for the adapter if it is not connected.
    ///
    /// # Errors
    ///
    /// The gateway refuses the item, or cannot be reached.
    pub async fn submit(&self, item: Item) -> Result<Receipt, SubmitError> {
        let (reply, receipt) = oneshot::channel();
        if self.submissions.send((item, reply)).await.is_err() {
            return Err(SubmitError::Unavailable(adapter_stopped()));
        }
        receipt.await.unwrap_or_else(|_dropped| Err(SubmitError::Unavailable(adapter_stopped())))
    }

    /// Takes the next fault of a delivery, if one is due.
    fn next_fault(&self) -> Option<DeliverError> {
        let mut error = None;
        self.fault.send_if_modified(|fault| match fault {
            FaultSwitch::Off => false,
            FaultSwitch::Refuse { reason } => {
                error = Some(DeliverError::Refused { reason: reason.clone() });
                false
            }
            FaultSwitch::Unavailable { deliveries: 0 } => {
                *fault = FaultSwitch::Off;
                true
            }
            FaultSwitch::Unavailable { deliveries } => {
                *deliveries -= 1;
                error = Some(unavailable("the application is switched to unavailable"));
                true
            }
        });
        error
    }

    /// Adds a message to the inbox; the same message again changes nothing.
    fn take(&self, message: DeliveredMessage) {
        self.inbox.send_if_modified(|inbox| {
            let is_new = inbox.iter().all(|it| it.message_id != message.message_id);
            if is_new {
                inbox.push(message);
            }
            is_new
        });
    }
}

fn adapter_stopped() -> sdk::Status {
    sdk::Status::unavailable("the adapter of the simulated application stopped")
}

fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> DeliverError {
    DeliverError::Unavailable { source: source.into() }
}

/// The application's own reference of a message.
fn reference(message_id: &str) -> Taken {
    Taken { reference: format!("sandbox/{message_id}") }
}

/// The adapter of a simulated application.
#[derive(Debug)]
pub(crate) struct SimulatedAdapter {
    /// The application's id in the registry.
    pub(crate) application_id: String,
    pub(crate) application: SimulatedApplication,
}

impl Application for SimulatedAdapter {
    fn describe(&self) -> Description {
        Description {
            application: self.application_id.clone(),
            adapter: "sandbox".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Description::default()
        }
    }

    async fn deliver(&self, delivery: Delivery) -> Result<Taken, DeliverError> {
        let message_id = delivery.message_id().to_owned();
        self.application.delivery_log.send_modify(|log| log.push(message_id.clone()));
        if let Some(error) = self.application.next_fault() {
            return Err(error);
        }
        let mut attachments = Vec::new();
        for it in delivery.attachments() {
            let fetch = delivery.attachment(&it.id).map_err(unavailable)?;
            attachments.push(fetch.all().await.map_err(unavailable)?);
        }
        let taken = reference(&message_id);
        self.application.take(DeliveredMessage {
            message_id,
            message_type: delivery.message_type(),
            format: delivery.format().to_owned(),
            sender: delivery.sender().to_owned(),
            index: delivery.index(),
            conversation: delivery.conversation().to_owned(),
            body: delivery.body().await.map_err(unavailable)?.to_vec(),
            attachments,
        });
        Ok(taken)
    }

    async fn collect(
        &self,
        submit_handle: SubmitHandle,
        shutdown: CancellationToken,
    ) -> Result<(), CollectError> {
        let mut waiting = self.application.waiting.lock().await;
        let mut submitting = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(_submitted) = submitting.join_next(), if !submitting.is_empty() => {}
                submission = waiting.recv() => {
                    let Some((item, reply)) = submission else { break };
                    let submit_handle = submit_handle.clone();
                    submitting.spawn(async move {
                        // A caller that no longer waits loses the receipt only: the item is
                        // accepted all the same.
                        drop(reply.send(submit_handle.submit(&item).await));
                    });
                }
            }
        }
        while submitting.join_next().await.is_some() {}
        Ok(())
    }

    async fn find_delivered(&self, message_id: &str) -> Result<Option<Taken>, DeliverError> {
        let is_taken = self.application.inbox.borrow().iter().any(|it| it.message_id == message_id);
        Ok(is_taken.then(|| reference(message_id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unavailable_application_recovers_after_the_given_number_of_deliveries() {
        let application = SimulatedApplication::new();
        application.set_fault(FaultSwitch::Unavailable { deliveries: 2 });
        for _ in 0..2 {
            let error = application.next_fault().unwrap();
            assert!(matches!(error, DeliverError::Unavailable { .. }));
        }
        assert!(application.next_fault().is_none());
        assert_eq!(*application.fault.borrow(), FaultSwitch::Off);
    }

    #[test]
    fn a_refusing_application_refuses_until_the_fault_is_cleared() {
        let application = SimulatedApplication::new();
        application.set_fault(FaultSwitch::Refuse { reason: "sai thẩm quyền".to_owned() });
        for _ in 0..2 {
            let error = application.next_fault().unwrap();
            assert!(
                matches!(error, DeliverError::Refused { reason } if reason == "sai thẩm quyền")
            );
        }
        application.set_fault(FaultSwitch::Off);
        assert!(application.next_fault().is_none());
    }

    #[test]
    fn a_message_delivered_twice_is_in_the_inbox_once() {
        let application = SimulatedApplication::new();
        for _ in 0..2 {
            application.take(DeliveredMessage {
                message_id: "m1".to_owned(),
                message_type: MessageType::Document,
                format: String::new(),
                sender: String::new(),
                index: Index::default(),
                conversation: String::new(),
                body: Vec::new(),
                attachments: Vec::new(),
            });
        }
        assert_eq!(application.count(MessageType::Document), 1);
    }
}
