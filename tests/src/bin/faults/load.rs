//! The clients: agencies that send and receive documents over plain HTTP, and tell the history what
//! they saw.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use lienthong_tests::packet::packet;
use lienthong_tests::up::Agency;
use lienthong_tests::vendor_client::VendorClient;
use serde_json::{Value, json};

use crate::history::{Accepted, Effect};
use crate::random::Random;

/// Agencies that send; each sends to every one that receives.
pub(crate) const SENDERS: [Agency; 3] = [
    Agency { key: "gui-1", code: "A99.1", takes: "edxml.document" },
    Agency { key: "gui-2", code: "A99.2", takes: "edxml.document" },
    Agency { key: "gui-3", code: "A99.3", takes: "edxml.document" },
];

/// Agencies that receive.
pub(crate) const RECEIVERS: [Agency; 3] = [
    Agency { key: "nhan-1", code: "A98.1", takes: "ioffice.portal" },
    Agency { key: "nhan-2", code: "A98.2", takes: "ioffice.portal" },
    Agency { key: "nhan-3", code: "A98.3", takes: "ioffice.portal" },
];

/// Items about one document before a sender turns to another one.
const ITEMS_OF_DOCUMENT: u32 = 4;
/// Documents that a sender has under way at a time.
const DOCUMENTS_OPEN: usize = 40;
/// Size of a file: above the size up to which an upload needs no file of its own.
const FILE_BYTES: usize = 100_000;
/// The subject of every document, before the token that tells it from the others.
const SUBJECT: &str = "Về việc phối hợp chuẩn bị hội nghị lần thứ";
/// How long a client waits before it repeats a failed call.
const PAUSE: Duration = Duration::from_millis(200);

/// What a client tells the history.
#[derive(Debug)]
pub(crate) enum Event {
    Accepted(Accepted),
    Effect(Effect),
    /// A message was offered again after the bus had confirmed its answer.
    OfferedAgain(String),
    /// A call was refused that should not be.
    Refused(String),
    /// A sender got an error instead of a receipt, and repeats the call.
    Failed(Instant),
}

/// What the clients share.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    pub(crate) gateway: String,
    /// False: senders stop.
    pub(crate) is_sending: Arc<AtomicBool>,
    /// False: receivers stop.
    pub(crate) is_receiving: Arc<AtomicBool>,
    /// Receivers that do not ask for documents at the moment.
    pub(crate) away: [Arc<AtomicBool>; RECEIVERS.len()],
    pub(crate) events: Sender<Event>,
    /// Numbers of documents, none of which is used twice.
    pub(crate) numbers: Arc<AtomicU64>,
    /// One number for each test run, so that its texts differ from those of another.
    pub(crate) seed: u64,
}

/// A document that a sender sends several items about.
#[derive(Debug)]
struct OpenDocument {
    number: u64,
    ordinal: u32,
    receiver: usize,
}

impl Clients {
    /// Makes a receiver stop asking for documents, or ask again.
    pub(crate) fn set_away(&self, receiver: usize, is_away: bool) {
        self.away[receiver].store(is_away, Ordering::Relaxed);
    }

    /// Starts a thread that sends `rate` items a second.
    pub(crate) fn send(&self, sender: usize, rate: f64) -> JoinHandle<()> {
        let clients = self.clone();
        spawn(move || clients.send_all(sender, Duration::from_secs_f64(1.0 / rate)))
    }

    fn send_all(&self, sender: usize, interval: Duration) {
        let agency = SENDERS[sender];
        let client = VendorClient::new(&self.gateway, format!("{}-token", agency.key));
        let mut random = Random(self.seed ^ sender as u64);
        let mut open: VecDeque<OpenDocument> = VecDeque::new();
        let mut next = Instant::now();
        while self.is_sending.load(Ordering::Relaxed) {
            while open.len() < DOCUMENTS_OPEN {
                let number = self.numbers.fetch_add(1, Ordering::Relaxed);
                let receiver = random.below(RECEIVERS.len());
                open.push_back(OpenDocument { number, ordinal: 0, receiver });
            }
            let index = random.below(open.len());
            let document = &mut open[index];
            document.ordinal += 1;
            let has_file = random.below(8) == 0;
            if !self.send_one(&client, &agency, document, has_file) {
                return;
            }
            if document.ordinal == ITEMS_OF_DOCUMENT {
                open.remove(index);
            }
            next += interval;
            sleep(next.saturating_duration_since(Instant::now()));
            // After an outage the backlog is not sent at once.
            next = next.max(Instant::now());
        }
    }

    /// Sends one item, and repeats the call until there is a receipt.
    fn send_one(
        &self,
        client: &VendorClient,
        agency: &Agency,
        document: &OpenDocument,
        has_file: bool,
    ) -> bool {
        let OpenDocument { number, ordinal, receiver } = *document;
        let receiver = RECEIVERS[receiver];
        let token = format!("{:x}-{number}-{ordinal}", self.seed);
        let mut text = packet(usize::try_from(number).unwrap_or_default(), agency, &receiver)
            .replace(&format!("lần thứ {number}"), &format!("lần thứ {token}."));
        let mut digest = DefaultHasher::new();
        format!("{SUBJECT} {token}").hash(&mut digest);
        if has_file {
            let file = file_content(&token);
            file.hash(&mut digest);
            text = with_file(&text, &token, &file);
        }
        let body = json!({
            "key": token, "format": "auto", "inline": base64_simd::STANDARD.encode_to_string(text),
        });
        while self.is_receiving.load(Ordering::Relaxed) {
            match client.try_call("POST", "/v1/submit", &body) {
                Some((200, _)) => {
                    let accepted = Accepted {
                        sender: agency.key,
                        conversation: format!("{}-{number}", agency.key),
                        receiver: receiver.key.to_owned(),
                        digest: digest.finish(),
                        at: Instant::now(),
                        token,
                        ordinal,
                    };
                    return self.events.send(Event::Accepted(accepted)).is_ok();
                }
                Some((status, answer)) if status < 500 && status != 429 => {
                    let refused = format!("{token}: {status} {}", answer["code"]);
                    return self.events.send(Event::Refused(refused)).is_ok();
                }
                Some(_) | None => {
                    // The observer ends after its clients.
                    drop(self.events.send(Event::Failed(Instant::now())));
                    sleep(PAUSE);
                }
            }
        }
        false
    }

    /// Starts a thread that receives for one agency.
    pub(crate) fn receive(&self, receiver: usize) -> JoinHandle<()> {
        let clients = self.clone();
        spawn(move || clients.receive_all(receiver))
    }

    fn receive_all(&self, receiver: usize) {
        let (clients, agency) = (self.clone(), RECEIVERS[receiver]);
        let client = VendorClient::new(&clients.gateway, format!("{}-token", agency.key));
        let is_away = clients.away[receiver].clone();
        let confirmed = HashSet::new();
        let mut receiving = Receiving { clients, client, agency, is_away, confirmed };
        while self.is_receiving.load(Ordering::Relaxed) {
            if receiving.run_session().is_none() {
                sleep(PAUSE);
            }
        }
    }
}

/// The receiving side of one agency.
struct Receiving {
    clients: Clients,
    client: VendorClient,
    agency: Agency,
    is_away: Arc<AtomicBool>,
    /// Ids whose answer the bus confirmed.
    confirmed: HashSet<String>,
}

impl Receiving {
    /// Opens a session and receives until a call fails.
    fn run_session(&mut self) -> Option<()> {
        let hello = json!({ "adapter": "faults" });
        let (status, opened) = self.client.try_call("POST", "/v1/hello", &hello)?;
        let session = (status == 200).then(|| opened["session"].as_str())??.to_owned();
        while self.clients.is_receiving.load(Ordering::Relaxed) {
            if self.is_away.load(Ordering::Relaxed) {
                sleep(PAUSE);
                continue;
            }
            let path = format!("/v1/receive?session={session}&wait_ms=1000&max=20");
            let (status, found) = self.client.try_call("GET", &path, &Value::Null)?;
            let deliveries = (status == 200).then(|| found["deliveries"].as_array())??;
            for delivery in deliveries {
                self.take(&session, delivery)?;
            }
        }
        Some(())
    }

    fn take(&mut self, session: &str, delivery: &Value) -> Option<()> {
        let message_id = delivery["message_id"].as_str()?.to_owned();
        let (token, digest) = self.read(session, delivery)?;
        if self.confirmed.contains(&message_id) {
            self.clients.events.send(Event::OfferedAgain(message_id.clone())).ok()?;
        }
        let answer = json!({
            "session": session, "message_id": message_id, "lease": delivery["lease"], "taken": {},
        });
        // The answer of a settle may be lost, so it is repeated until there is one.
        while self.clients.is_receiving.load(Ordering::Relaxed) {
            match self.client.try_call("POST", "/v1/settle", &answer) {
                Some((200, _)) => {
                    return self.confirm((message_id, token, digest));
                }
                // The lease has ended; the message comes again.
                Some((status, _)) if status < 500 && status != 429 => return Some(()),
                Some(_) | None => sleep(PAUSE),
            }
        }
        None
    }

    /// Tells the history of an answer that the bus confirmed, the first time.
    fn confirm(&mut self, (message_id, token, digest): (String, String, u64)) -> Option<()> {
        if self.confirmed.insert(message_id.clone()) {
            let receiver = self.agency.key.to_owned();
            let effect = Effect { receiver, message_id, token, digest, at: Instant::now() };
            self.clients.events.send(Event::Effect(effect)).ok()?;
        }
        Some(())
    }

    /// The token in a delivery, and the digest of what arrived.
    fn read(&self, session: &str, delivery: &Value) -> Option<(String, u64)> {
        let body = delivery["inline"].as_str();
        let subject = delivery["index"]["subject"].as_str().unwrap_or_default().to_owned();
        let text = match body {
            Some(inline) => {
                let bytes = base64_simd::STANDARD.decode_to_vec(inline).ok()?;
                String::from_utf8_lossy(&bytes).into_owned()
            }
            None => subject,
        };
        let sentence = between(&text, "Về việc ", ".")?;
        let token = sentence.rsplit(' ').next()?.to_owned();
        let mut digest = DefaultHasher::new();
        format!("Về việc {sentence}").hash(&mut digest);
        for file in delivery["attachments"].as_array().into_iter().flatten() {
            let path = format!(
                "/v1/deliveries/{}/parts/{}?session={session}&offset=0",
                delivery["message_id"].as_str()?,
                file["id"].as_str()?
            );
            self.client.try_bytes("GET", &path)?.hash(&mut digest);
        }
        Some((token, digest.finish()))
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}

/// A file whose content differs for each token.
fn file_content(token: &str) -> Vec<u8> {
    let mut content = format!("%PDF-1.4 {token} ").into_bytes();
    let length = content.len();
    content.extend((length..FILE_BYTES).map(|it| (it % 251) as u8));
    content
}

/// The packet with a file in it.
fn with_file(packet: &str, token: &str, file: &[u8]) -> String {
    let encoded = base64_simd::STANDARD.encode_to_string(file);
    let reference = format!(
        "<edXML:edXMLBody><edXML:edXMLManifest version=\"1.0\"><edXML:Reference>\
         <edXML:ContentId>cid:{token}</edXML:ContentId>\
         <edXML:AttachmentName>van-ban.pdf</edXML:AttachmentName>\
         </edXML:Reference></edXML:edXMLManifest></edXML:edXMLBody></edXML:edXMLEnvelope>\
         <AttachmentEncoded><Attachment><ContentId>{token}</ContentId>\
         <AttachmentName>van-ban.pdf</AttachmentName>\
         <ContentTransferEncoded>{encoded}</ContentTransferEncoded>\
         </Attachment></AttachmentEncoded>"
    );
    packet.replace("</edXML:edXMLEnvelope>", &reference)
}
