//! The sample as a program: each line of its input names a file to send, and each message that
//! comes is a line of its log.
//!
//! ```sh
//! export LIENTHONG__ADAPTER_SAMPLE__GATEWAY=http://127.0.0.1:7400
//! export LIENTHONG__ADAPTER_SAMPLE__TOKEN_FILE=app.token
//! export LIENTHONG__ADAPTER_SAMPLE__APPLICATION=tinhuy-app
//! cargo run -p lienthong-adapter-sample
//! ```

use std::path::PathBuf;

use adapter_sample::{Config, DEFAULTS, Mailroom};
use chassis::config::Layers;
use sdk::{Item, SubmitError};
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let layers = Layers::read(None)?;
    let telemetry = chassis::telemetry::DEFAULTS;
    layers.check(&[("adapter_sample", DEFAULTS), ("telemetry", telemetry)])?;
    let config: Config = layers.section("adapter_sample", DEFAULTS)?;
    let telemetry = layers.section("telemetry", telemetry)?;
    let telemetry = chassis::telemetry::init("adapter-sample", &telemetry)?;
    let shutdown = chassis::shutdown_signal()?;
    let mailroom = Mailroom::new();
    let adapter = chassis::supervise("adapter-sample", &shutdown, || {
        adapter_sample::run(config.clone(), mailroom.clone(), shutdown.clone())
    });
    tokio::select! {
        () = adapter => {}
        _ = async { tokio::join!(send(&mailroom, lines()), tell(&mailroom)) } => {}
    }
    tokio::task::spawn_blocking(move || telemetry.flush()).await?;
    Ok(())
}

/// The lines of the input. They are read on a thread that nobody waits for, because a read of a
/// terminal cannot be given up.
fn lines() -> mpsc::Receiver<String> {
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

async fn send(mailroom: &Mailroom, mut paths: mpsc::Receiver<String>) {
    while let Some(path) = paths.recv().await {
        let body = PathBuf::from(&path).into();
        let item = Item { format: "auto".to_owned(), body, ..Item::default() };
        match mailroom.send(item).await {
            Ok(receipt) => tracing::info!(path, message_id = receipt.message_id, "file sent"),
            Err(SubmitError::Refused(fault)) => {
                tracing::warn!(path, code = fault.code, "file refused");
            }
            Err(error) => tracing::warn!(path, %error, "file was not sent"),
        }
    }
}

async fn tell(mailroom: &Mailroom) {
    let mut inbox = mailroom.watch();
    let mut told = 0;
    loop {
        for it in inbox.borrow_and_update().iter().skip(told) {
            told += 1;
            let (message_id, sender, number) = (&it.message_id, &it.sender, &it.index.number);
            tracing::info!(message_id, sender, number, "message received");
        }
        if inbox.changed().await.is_err() {
            return;
        }
    }
}
