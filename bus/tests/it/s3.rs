//! An object store in memory with the part of S3 that the claim store uses.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream},
    net::{TcpListener, TcpStream},
    sync::Mutex,
    task::JoinSet,
};

/// The stored objects by path, and what the tests count and change.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) objects: BTreeMap<String, Vec<u8>>,
    /// Uploads that are neither finished nor aborted, and their parts.
    pub(crate) uploads: HashMap<String, BTreeMap<u32, Vec<u8>>>,
    pub(crate) parts: usize,
    /// Uploads in parts that began.
    pub(crate) begun: usize,
    /// Uploads with a body, and how many of them had a digest.
    pub(crate) puts: usize,
    pub(crate) digests: usize,
    /// A pause after each tenth of a body.
    pub(crate) pause: Option<Duration>,
    /// A pause before each answer.
    pub(crate) delay: Option<Duration>,
    /// When true, no request is answered.
    pub(crate) is_silent: bool,
}

/// A running service, stopped when it is dropped.
pub(crate) struct Service {
    pub(crate) endpoint: String,
    pub(crate) contents: Arc<Mutex<Contents>>,
    _tasks: JoinSet<()>,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let contents = Arc::new(Mutex::new(Contents::default()));
        let mut tasks = JoinSet::new();
        let served = Arc::clone(&contents);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.spawn(serve(connection, Arc::clone(&served)));
            }
        });
        Self { endpoint, contents, _tasks: tasks }
    }
}

struct Request {
    method: String,
    path: String,
    query: String,
    range_begin: Option<usize>,
    has_digest: bool,
    body: Vec<u8>,
}

/// Answers one request; the client opens another connection for the next.
async fn serve(connection: TcpStream, contents: Arc<Mutex<Contents>>) {
    let mut stream = BufStream::new(connection);
    let Some(request) = read(&mut stream).await else { return };
    let (is_silent, pause, delay) = {
        let contents = contents.lock().await;
        (contents.is_silent, contents.pause, contents.delay)
    };
    if is_silent {
        return std::future::pending().await;
    }
    tokio::time::sleep(delay.unwrap_or_default()).await;
    let (status, headers, body) = answer(&request, &mut *contents.lock().await);
    let length = if request.method == "HEAD" { headers.len() } else { body.len() };
    let length = match headers.strip_prefix("length:") {
        Some(length) => length.parse().unwrap(),
        None => length,
    };
    let range = request.range_begin.filter(|_| status == 206).map_or_else(String::new, |begin| {
        let total = begin + body.len();
        format!("Content-Range: bytes {begin}-{}/{total}\r\n", total - 1)
    });
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nETag: \"tag\"\r\n\
         Last-Modified: Tue, 24 Nov 2026 00:00:00 GMT\r\n{range}Connection: close\r\n\r\n"
    );
    drop(stream.write_all(head.as_bytes()).await);
    for part in body.chunks((body.len() / 10).max(1)) {
        drop(stream.write_all(part).await);
        drop(stream.flush().await);
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
    drop(stream.flush().await);
}

async fn read(stream: &mut BufStream<TcpStream>) -> Option<Request> {
    let mut first = String::new();
    stream.read_line(&mut first).await.ok()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (mut length, mut range_begin, mut has_digest) = (0, None, false);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "x-amz-checksum-sha256" => has_digest = true,
            "content-length" => length = value.parse().ok()?,
            "range" => {
                let begin = value.strip_prefix("bytes=")?.trim_end_matches('-');
                range_begin = Some(begin.parse().ok()?);
            }
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let (path, query) = (path.to_owned(), query.to_owned());
    Some(Request { method, path, query, range_begin, has_digest, body })
}

fn answer(request: &Request, contents: &mut Contents) -> (u16, String, Vec<u8>) {
    let query: HashMap<_, _> =
        request.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    let none = String::new;
    if request.method == "PUT" {
        contents.puts += 1;
        contents.digests += usize::from(request.has_digest);
    }
    match (request.method.as_str(), query.get("uploadId")) {
        ("HEAD", _) => match contents.objects.get(&request.path) {
            Some(object) => (200, format!("length:{}", object.len()), Vec::new()),
            None => (404, none(), Vec::new()),
        },
        ("GET", _) => match (contents.objects.get(&request.path), request.range_begin) {
            (Some(object), Some(begin)) => (206, none(), object[begin..].to_vec()),
            (Some(object), None) => (200, none(), object.clone()),
            (None, _) => (404, none(), Vec::new()),
        },
        ("PUT", Some(upload)) => {
            let part = query["partNumber"].parse().unwrap();
            contents.parts += 1;
            let Some(parts) = contents.uploads.get_mut(*upload) else {
                return (404, none(), Vec::new());
            };
            parts.insert(part, request.body.clone());
            (200, none(), Vec::new())
        }
        ("PUT", None) => {
            contents.objects.insert(request.path.clone(), request.body.clone());
            (200, none(), Vec::new())
        }
        ("DELETE", Some(upload)) => {
            contents.uploads.remove(*upload);
            (204, none(), Vec::new())
        }
        ("POST", Some(upload)) => {
            let parts = contents.uploads.remove(*upload).unwrap();
            contents.objects.insert(request.path.clone(), parts.into_values().flatten().collect());
            let xml = "<CompleteMultipartUploadResult><ETag>tag</ETag>\
                       </CompleteMultipartUploadResult>";
            (200, none(), xml.into())
        }
        ("POST", None) => {
            contents.begun += 1;
            let upload = format!("upload{}", contents.begun);
            contents.uploads.insert(upload.clone(), BTreeMap::new());
            let xml = format!(
                "<InitiateMultipartUploadResult><UploadId>{upload}</UploadId>\
                 </InitiateMultipartUploadResult>"
            );
            (200, none(), xml.into())
        }
        _ => (400, none(), Vec::new()),
    }
}
