//! The program. It sends the file whose path is on each line of its input, and logs each message it
//! receives.
//!
//! ```sh
//! export LIENTHONG__ADAPTER_SAMPLE__GATEWAY=http://127.0.0.1:7400
//! export LIENTHONG__ADAPTER_SAMPLE__TOKEN_FILE=app.token
//! export LIENTHONG__ADAPTER_SAMPLE__APPLICATION=tinhuy-app
//! cargo run -p lienthong-adapter-sample
//! ```

use std::path::PathBuf;

use adapter_sample::{Config, DEFAULTS, SampleApplication};
use chassis::config::Layers;
use sdk::{Item, SubmitError};
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let layers = Layers::read(None)?;
    let telemetry_defaults = chassis::telemetry::DEFAULTS;
    layers.check(&[("adapter_sample", DEFAULTS), ("telemetry", telemetry_defaults)])?;
    let config: Config = layers.section("adapter_sample", DEFAULTS)?;
    let telemetry_settings = layers.section("telemetry", telemetry_defaults)?;
    let telemetry = chassis::telemetry::init("adapter-sample", &telemetry_settings)?;
    let shutdown = chassis::shutdown_signal()?;
    let application = SampleApplication::new();
    let adapter = chassis::supervise("adapter-sample", &shutdown, || {
        adapter_sample::run(config.clone(), application.clone(), shutdown.clone())
    });
    tokio::select! {
        () = adapter => {}
        _ = async { tokio::join!(send_files(&application, read_lines()), log_inbox(&application)) } => {}
    }
    tokio::task::spawn_blocking(move || telemetry.flush()).await?;
    Ok(())
}

/// The lines of the standard input. A thread of its own reads them and is not joined, because a
/// blocking read of a terminal cannot be cancelled.
fn read_lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

async fn send_files(application: &SampleApplication, mut paths: mpsc::Receiver<String>) {
    while let Some(path) = paths.recv().await {
        let body = PathBuf::from(&path).into();
        let item = Item { format: "auto".to_owned(), body, ..Item::default() };
        match application.send(item).await {
            Ok(receipt) => tracing::info!(path, message_id = receipt.message_id, "file sent"),
            Err(SubmitError::Refused(fault)) => {
                tracing::warn!(path, code = fault.code, "file refused");
            }
            Err(error) => tracing::warn!(path, %error, "file was not sent"),
        }
    }
}

async fn log_inbox(application: &SampleApplication) {
    let mut inbox = application.watch();
    let mut logged = 0;
    loop {
        for it in inbox.borrow_and_update().iter().skip(logged) {
            logged += 1;
            let (message_id, sender, number) = (&it.message_id, &it.sender, &it.index.number);
            tracing::info!(message_id, sender, number, "message received");
        }
        if inbox.changed().await.is_err() {
            return;
        }
    }
}
