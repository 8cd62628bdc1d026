//! A simulated agency: its application, the adapter that connects it, and its clerk.

use std::sync::Arc;

use proto::message::v1::Receipt;
use sdk::{Connection, File, Item, SubmitError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::application::{FaultSwitch, SimulatedAdapter, SimulatedApplication};
use crate::clerk::Clerk;
use crate::document::OfficialDocument;
use crate::native_reader::NativeReader;
use crate::profile::{AgencyProfile, Software};

/// An agency that is connected to a gateway. Dropped, it is gone as a crashed process is.
#[derive(Debug)]
pub struct SimulatedAgency {
    profile: &'static AgencyProfile,
    key: String,
    application: SimulatedApplication,
    online: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl SimulatedAgency {
    /// Connects the application over gRPC until `shutdown`, and starts the clerk. The suffix is
    /// appended to the registry keys of the profile.
    ///
    /// # Errors
    ///
    /// The shipped formats have mistakes.
    pub fn connect(
        profile: &'static AgencyProfile,
        name_suffix: &str,
        connection: Connection,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let reader = NativeReader::new()?;
        let application = SimulatedApplication::new();
        let online = watch::Sender::new(true);
        let adapter = Arc::new(SimulatedAdapter {
            application_id: format!("{}{name_suffix}", profile.application),
            application: application.clone(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_while_online(adapter, connection, online.subscribe(), shutdown.clone()));
        let clerk = Clerk { profile, application: application.clone(), reader };
        let stop = shutdown.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = clerk.answer_deliveries() => {}
            }
        });
        let key = format!("{}{name_suffix}", profile.key);
        Ok(Self { profile, key, application, online, tasks })
    }

    /// The profile it was made from.
    pub fn profile(&self) -> &'static AgencyProfile {
        self.profile
    }

    /// Its key in the registry, with the suffix of the run.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its application: inbox and delivery log.
    pub fn application(&self) -> &SimulatedApplication {
        &self.application
    }

    /// Submits a document under the application's own key; an empty key is none.
    ///
    /// # Errors
    ///
    /// The gateway refuses the document, or cannot be reached.
    pub async fn submit(
        &self,
        document: &OfficialDocument,
        key: &str,
    ) -> Result<Receipt, SubmitError> {
        self.submit_native(document, key, document.native()).await
    }

    /// Submits these bytes in place of the document's own, with the document's files.
    ///
    /// # Errors
    ///
    /// As [`SimulatedAgency::submit`].
    pub async fn submit_native(
        &self,
        document: &OfficialDocument,
        key: &str,
        native: String,
    ) -> Result<Receipt, SubmitError> {
        let software = document.sender.software;
        let item = Item {
            key: key.to_owned(),
            format: software.document_format().to_owned(),
            body: native.into(),
            files: files_beside(document),
            recipients: Vec::new(),
        };
        self.application.submit(item).await
    }

    /// Sets or clears a fault of the application.
    pub fn set_fault(&self, fault: FaultSwitch) {
        self.application.set_fault(fault);
    }

    /// Cuts the adapter off in the middle of whatever it does, as a crash or a broken network
    /// would, and keeps it off until [`SimulatedAgency::reconnect`].
    pub fn disconnect(&self) {
        self.online.send_replace(false);
    }

    /// Connects the adapter again.
    pub fn reconnect(&self) {
        self.online.send_replace(true);
    }

    /// Waits until adapter and clerk have ended after `shutdown`.
    pub async fn stopped(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// Ends adapter and clerk at once.
    pub async fn abort(&mut self) {
        self.tasks.shutdown().await;
    }
}

/// The files that travel beside the body: those of iOffice. A packet of edXML holds its own.
fn files_beside(document: &OfficialDocument) -> Vec<File> {
    match document.sender.software {
        Software::Edxml => Vec::new(),
        Software::Ioffice => document
            .files
            .iter()
            .map(|it| File {
                reference: format!("/uploads/{}", it.name),
                name: it.name.clone(),
                media_type: "application/pdf".to_owned(),
                content: it.bytes.clone().into(),
            })
            .collect(),
    }
}

/// Serves the adapter until `shutdown`, with pauses while the agency is disconnected.
async fn serve_while_online(
    adapter: Arc<SimulatedAdapter>,
    connection: Connection,
    mut online: watch::Receiver<bool>,
    shutdown: CancellationToken,
) {
    loop {
        let is_online = tokio::select! {
            () = shutdown.cancelled() => return,
            changed = online.wait_for(|is_online| *is_online) => changed.is_ok(),
        };
        if !is_online {
            return;
        }
        let serving = chassis::supervise("simulated adapter", &shutdown, || async {
            Ok(sdk::serve(adapter.clone(), &connection, shutdown.clone()).await?)
        });
        // Dropping `serving` breaks the connection without a goodbye.
        tokio::select! {
            () = serving => return,
            _changed = online.wait_for(|is_online| !*is_online) => {}
        }
    }
}
