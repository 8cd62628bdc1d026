//! One submission in the forms that ordinary HTTP clients send: taken as over gRPC, or refused with
//! the field or the kind of content (case H01).

use proto::exchange::v1::SubmitRequest;
use proto::exchange::v1::submit_request::Body as SubmittedBody;
use serde_json::{Value, json};

use crate::environment::{Environment, item};
use crate::http_json::{base64, call_with};

const BODY: &[u8] =
    b"native words, long enough for a second line of base64 in MIME form \xc3\xb4\xff";

/// The submission of a client: its header lines and the bytes that it sends.
struct Form {
    name: &'static str,
    headers: &'static str,
    body: Vec<u8>,
}

impl Form {
    fn new(name: &'static str, headers: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { name, headers, body: body.into() }
    }
}

/// The call with this text as `inline`.
fn submission(inline: &str) -> String {
    json!({ "key": "k1", "format": "plain", "inline": inline }).to_string()
}

fn folded(line_end: &str) -> String {
    let text = base64(BODY);
    let lines: Vec<&str> =
        text.as_bytes().chunks(76).map(|it| std::str::from_utf8(it).unwrap()).collect();
    lines.join(line_end) + line_end
}

/// UTF-16 with a byte order mark, as PowerShell's `>` writes it.
fn utf16(text: &str, mark: &[u8], bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    mark.iter().copied().chain(text.encode_utf16().flat_map(bytes)).collect()
}

async fn submit(address: &str, form: &Form) -> (String, Value) {
    let (head, body) = call_with(address, ("POST /v1/submit", form.headers), &form.body).await;
    let answer = serde_json::from_slice(&body);
    (head, answer.unwrap_or_else(|_| panic!("{}: {}", form.name, String::from_utf8_lossy(&body))))
}

#[tokio::test]
async fn every_form_of_the_same_submission_is_the_item_that_grpc_sends() {
    let plain = submission(&base64(BODY));
    let url = base64(BODY).replace('+', "-").replace('/', "_");
    let json = "content-type: application/json\r\n";
    let forms = [
        Form::new("requests, fetch", json, plain.clone()),
        Form::new("no type", "", plain.clone()),
        Form::new(".NET", "content-type: application/json; charset=utf-8\r\n", plain.clone()),
        Form::new("quoted", "content-type: Application/JSON;charset=\"UTF-8\"\r\n", plain.clone()),
        Form::new(
            "ASCII as Latin-1",
            "content-type: application/json; charset=iso-8859-1\r\n",
            plain.clone(),
        ),
        Form::new("curl -d", "content-type: application/x-www-form-urlencoded\r\n", plain.clone()),
        Form::new("text", "content-type: text/plain;charset=UTF-8\r\n", plain.clone()),
        Form::new("suffix", "content-type: application/vnd.api+json\r\n", plain.clone()),
        Form::new("identity", "content-encoding: identity\r\n", plain.clone()),
        Form::new("curl --compressed", "accept-encoding: gzip, deflate\r\n", plain.clone()),
        Form::new("byte order mark", json, ["\u{feff}", &plain].concat()),
        Form::new("line end behind", json, [&plain, "\r\n"].concat()),
        Form::new(
            "indented",
            json,
            serde_json::to_string_pretty(&serde_json::from_str::<Value>(&plain).unwrap()).unwrap(),
        ),
        Form::new("base64 with CR LF", json, submission(&folded("\r\n"))),
        Form::new("base64 with LF", json, submission(&folded("\n"))),
        Form::new("base64url", json, submission(&url)),
        Form::new("base64url, no padding", json, submission(url.trim_end_matches('='))),
        Form::new("no padding", json, submission(base64(BODY).trim_end_matches('='))),
        Form::new("data URI", json, submission(&format!("data:text/xml;base64,{}", base64(BODY)))),
        Form::new("escaped slash", json, plain.replace('/', "\\/")),
        Form::new(
            "null members",
            json,
            plain.replace('{', "{\"part\":null,\"recipients\":null,\"attachments\":[],"),
        ),
    ];
    let environment = Environment::new().await;
    let first = environment.submit("k1", BODY).await.unwrap().receipt.unwrap();
    for form in forms {
        let (head, answer) = submit(&environment.address, &form).await;
        assert!(head.starts_with("http/1.1 200"), "{}: {answer}", form.name);
        assert_eq!(answer["receipt"]["message_id"], json!(first.message_id), "{}", form.name);
        assert_eq!(answer["receipt"]["repeat"], json!(true), "{}", form.name);
    }
}

#[tokio::test]
async fn what_is_no_json_is_told_as_such() {
    let plain = submission(&base64(BODY));
    let xml = "<?xml version=\"1.0\"?><edXML/>";
    let json = "content-type: application/json\r\n";
    let forms = [
        Form::new("gzip", "content-encoding: gzip\r\n", plain.clone()),
        Form::new("two codings", "content-encoding: identity, br\r\n", plain.clone()),
        Form::new("gzip unsaid", json, b"\x1f\x8b\x08\x00\x00\x00\x00\x00".to_vec()),
        Form::new("raw XML", "content-type: application/xml\r\n", xml),
        Form::new("XML as JSON", json, xml),
        Form::new("XML, no type", "", ["\u{feff} ", xml].concat()),
        Form::new(
            "form",
            "content-type: application/x-www-form-urlencoded\r\n",
            "key=k1&format=auto",
        ),
        Form::new(
            "multipart",
            "content-type: multipart/form-data; boundary=x\r\n",
            "--x\r\n\r\n{}\r\n--x--",
        ),
        Form::new("protobuf", "content-type: application/x-protobuf\r\n", b"\x0a\x02k1".to_vec()),
        Form::new("UTF-16 LE", json, utf16(&plain, b"\xff\xfe", u16::to_le_bytes)),
        Form::new("UTF-16 BE", json, utf16(&plain, b"\xfe\xff", u16::to_be_bytes)),
        Form::new("UTF-16 without mark", json, utf16(&plain, b"", u16::to_le_bytes)),
        Form::new("charset", "content-type: application/json; charset=utf-16\r\n", plain.clone()),
        Form::new(
            "Latin-1",
            "content-type: application/json; charset=latin1\r\n",
            plain.replace("k1", "k\u{f4}"),
        ),
    ];
    let environment = Environment::new().await;
    for form in forms {
        let (head, answer) = submit(&environment.address, &form).await;
        assert!(head.starts_with("http/1.1 415"), "{}: {answer}", form.name);
        assert!(head.contains("accept-encoding: identity"), "{}", form.name);
        assert_eq!(answer["code"], json!("LT-EX-017"), "{}", form.name);
        assert_eq!(answer["violations"][0]["field"], json!("body"), "{}", form.name);
    }
    let put = call_with(
        &environment.address,
        ("PUT /v1/parts/p?size=1&sha256=00", "content-encoding: gzip\r\n"),
        b"x",
    );
    assert!(put.await.0.starts_with("http/1.1 415"));
}

#[tokio::test]
async fn what_is_wrong_in_the_json_is_named_by_its_path_in_both_languages() {
    let json = "content-type: application/json\r\n";
    let table: [(&'static str, Vec<u8>, &'static str); 9] = [
        ("empty", Vec::new(), "body"),
        ("only white space", b"\xef\xbb\xbf \r\n".to_vec(), "body"),
        ("Latin-1 of PowerShell", b"{\"key\":\"c\xf4ng\"}".to_vec(), "body"),
        ("cut off", b"{\"key\":".to_vec(), "body"),
        ("behind the end", b"{\"key\":\"k\"}x".to_vec(), "body"),
        ("repeated", b"{\"key\":\"k\",\"key\":\"l\"}".to_vec(), "key"),
        (
            "repeated as JSON name",
            b"{\"attachments\":[{\"file_name\":\"a\",\"fileName\":\"b\"}]}".to_vec(),
            "attachments[0].file_name",
        ),
        (
            "unknown",
            b"{\"attachments\":[{},{\"filename\":\"a\"}]}".to_vec(),
            "attachments[1].filename",
        ),
        ("invisible in the key", "{\"key\":\"k\u{200b}\"}".as_bytes().to_vec(), "key"),
    ];
    let environment = Environment::new().await;
    for (name, body, field) in table {
        let form = Form { name, headers: json, body };
        let (head, answer) = submit(&environment.address, &form).await;
        assert!(head.starts_with("http/1.1 400"), "{name}: {answer}");
        assert_eq!(answer["code"], json!("LT-EX-011"), "{name}");
        let violation = &answer["violations"][0];
        assert_eq!(violation["field"], json!(field), "{name}: {answer}");
        assert_ne!(violation["description_vi"], violation["description_en"], "{name}");
        assert!(answer["title_vi"].as_str().unwrap().contains(field), "{name}");
    }
    for (path, field) in [
        ("/v1/track?key=a&key=b", "key"),
        ("/v1/track?key=%zz", "key"),
        ("/v1/track?key=c%F4ng", "key"),
        ("/v1/track?key=a&number=b", "query"),
        ("/v1/lookup?txt=a", "txt"),
        ("/v1/receive?session=s&wait_ms=1s", "wait_ms"),
        ("/v1/parts/%ff?size=1", "path"),
    ] {
        let (head, body) = call_with(&environment.address, (&format!("GET {path}"), ""), b"").await;
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert!(head.starts_with("http/1.1 400"), "{path}: {answer}");
        assert_eq!(answer["violations"][0]["field"], json!(field), "{path}: {answer}");
    }
}

/// The bounds and characters of fields are one rule behind both doors.
#[tokio::test]
async fn grpc_and_http_refuse_the_same_item_with_the_same_words() {
    let environment = Environment::new().await;
    let inline = || SubmittedBody::Inline(BODY.into());
    let items = [
        item("k\u{feff}", inline(), &[]),
        item(&"k".repeat(201), inline(), &[]),
        SubmitRequest { format: String::new(), ..item("k", inline(), &[]) },
        SubmitRequest { recipients: vec!["A".repeat(101)], ..item("k", inline(), &[]) },
        item("k", SubmittedBody::Part("none".to_owned()), &[]),
        item("k", inline(), &["none"]),
        SubmitRequest { body: None, ..item("k", inline(), &[]) },
    ];
    for it in items {
        let attachments: Vec<Value> = it
            .attachments
            .iter()
            .map(|it| json!({ "reference": it.reference, "part": it.part, "fileName": it.file_name }))
            .collect();
        let (inline, part) = match &it.body {
            Some(SubmittedBody::Inline(bytes)) => (json!(base64(bytes)), Value::Null),
            Some(SubmittedBody::Part(part)) => (Value::Null, json!(part)),
            None => (Value::Null, Value::Null),
        };
        let call = json!({
            "key": it.key, "format": it.format, "recipients": it.recipients,
            "attachments": attachments, "inline": inline, "part": part,
        });
        let form = Form::new("same", "", call.to_string());
        let (_, answer) = submit(&environment.address, &form).await;
        let fault = environment.submit_item(it).await.unwrap_err();
        assert_eq!(answer["code"], json!(fault.code));
        let violations = fault.violations.iter().map(|it| {
            json!({
                "field": it.field,
                "description_vi": it.description_vi,
                "description_en": it.description_en,
            })
        });
        assert_eq!(answer["violations"], Value::Array(violations.collect()));
    }
}
