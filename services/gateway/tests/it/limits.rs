//! The limits that Hello tells are the limits: the largest is taken and one more is refused with the
//! name of the field, over gRPC and HTTP alike.

use bytes::Bytes;
use proto::exchange::v1::submit_request::Body as SubmittedBody;
use proto::exchange::v1::*;
use proto::fault::v1::Fault;
use serde_json::{Value, json};

use crate::environment::{Environment, into_result, item, request};
use crate::http_json::{base64, call, post};

/// The code of a refusal and the field that it names.
type Refusal = (String, String);

fn of_fault(fault: &Fault) -> Refusal {
    let field = fault.violations.first().map(|it| it.field.clone());
    (fault.code.clone(), field.unwrap_or_default())
}

fn of_json((status, body): (u16, Value)) -> Result<(), Refusal> {
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    match status {
        200 => Ok(()),
        _ => Err((text(&body["code"]), text(&body["violations"][0]["field"]))),
    }
}

fn refusal(code: &str, field: &str) -> Result<(), Refusal> {
    Err((code.to_owned(), field.to_owned()))
}

async fn limits(environment: &mut Environment) -> Limits {
    environment.hello("one").await.limits.unwrap()
}

/// Submits an inline body of a size over both protocols.
async fn submit(environment: &Environment, size: usize) -> [Result<(), Refusal>; 2] {
    let body = vec![b'x'; size];
    let grpc = environment.submit("", &body).await;
    let item = json!({ "format": "plain", "inline": base64(&body) });
    let http = post(&environment.address, "/v1/submit", &item).await;
    [grpc.map(drop).map_err(|it| of_fault(&it)), of_json(http)]
}

#[tokio::test]
async fn an_inline_body_is_taken_up_to_its_limit() {
    let mut environment = Environment::new().await;
    let most = limits(&mut environment).await.body_inline_bytes_max as usize;
    assert_eq!(submit(&environment, most).await, [Ok(()), Ok(())]);
    let refused = || refusal("LT-EX-011", "inline");
    assert_eq!(submit(&environment, most + 1).await, [refused(), refused()]);
}

/// Uploads the first chunk of a file over both protocols.
async fn put(environment: &Environment, chunk: usize, size: u64) -> [Result<(), Refusal>; 2] {
    let data = vec![b'x'; chunk];
    let sha256 = bus::Claim::from_content(&data);
    let put = PutPartRequest {
        part: format!("grpc-{chunk}-{size}"),
        offset: 0,
        size,
        sha256: Bytes::copy_from_slice(&sha256.sha256),
        data: data.clone().into(),
    };
    let grpc = into_result(environment.client.clone().put_part(request(put)).await);
    let sha256 = sha256.sha256_hex();
    let head = format!("PUT /v1/parts/http-{chunk}-{size}?offset=0&size={size}&sha256={sha256}");
    let (status, answer) = call(&environment.address, &head, &data).await;
    let http = (status, serde_json::from_slice(&answer).unwrap());
    [grpc.map(drop).map_err(|it| of_fault(&it)), of_json(http)]
}

#[tokio::test]
async fn a_chunk_is_taken_up_to_its_limit() {
    let mut environment = Environment::new().await;
    let most = limits(&mut environment).await.chunk_bytes_max as usize;
    let size = |chunk: usize| chunk as u64;
    assert_eq!(put(&environment, most, size(most)).await, [Ok(()), Ok(())]);
    let refused = || refusal("LT-EX-011", "data");
    assert_eq!(put(&environment, most + 1, size(most) + 1).await, [refused(), refused()]);
}

#[tokio::test]
async fn a_file_is_taken_up_to_its_limit() {
    let mut environment = Environment::with(|it| it.part_bytes_max = 1_000).await;
    let most = limits(&mut environment).await.part_bytes_max;
    assert_eq!(put(&environment, 10, most).await, [Ok(()), Ok(())]);
    let refused = || refusal("LT-EX-010", "size");
    assert_eq!(put(&environment, 10, most + 1).await, [refused(), refused()]);
}

/// Submits a batch over both protocols; `sizes` are those of its bodies.
async fn batch(environment: &Environment, sizes: &[usize]) -> [Result<(), Refusal>; 2] {
    let bodies = sizes.iter().map(|size| vec![b'x'; *size]);
    let items: Vec<_> = bodies.map(|it| item("", SubmittedBody::Inline(it.into()), &[])).collect();
    let http = items.iter().map(|it| match &it.body {
        Some(SubmittedBody::Inline(bytes)) => json!({ "format": "plain", "inline": base64(bytes) }),
        Some(SubmittedBody::Part(_)) | None => json!({}),
    });
    let http = json!({ "items": http.collect::<Vec<_>>() });
    let http = post(&environment.address, "/v1/submit-batch", &http).await;
    let grpc = environment.submit_batch(items).await;
    [grpc.map(drop).map_err(|it| of_fault(&it)), of_json(http)]
}

#[tokio::test]
async fn a_batch_is_taken_up_to_its_limits() {
    let mut environment = Environment::new().await;
    let limits = limits(&mut environment).await;
    let (items, bytes) = (limits.batch_items_max as usize, limits.batch_bytes_max as usize);
    assert_eq!(batch(&environment, &vec![1; items]).await, [Ok(()), Ok(())]);
    let refused = || refusal("LT-EX-011", "items");
    assert_eq!(batch(&environment, &vec![1; items + 1]).await, [refused(), refused()]);
    let half = bytes / 2;
    assert_eq!(batch(&environment, &[half, half]).await, [Ok(()), Ok(())]);
    let refused = || refusal("LT-EX-011", "items.inline");
    assert_eq!(batch(&environment, &[half, half - 1, 2]).await, [refused(), refused()]);
}

#[tokio::test]
async fn settlements_are_taken_up_to_the_limit_of_a_batch() {
    let mut environment = Environment::new().await;
    let most = limits(&mut environment).await.batch_items_max as usize;
    for (count, expected) in [(most, Ok(())), (most + 1, refusal("LT-EX-011", "items"))] {
        let items = vec![SettleRequest::default(); count];
        let grpc = environment.settle_batch(items).await;
        let items = json!({ "items": vec![json!({}); count] });
        let http = post(&environment.address, "/v1/settle-batch", &items).await;
        assert_eq!(grpc.map(drop).map_err(|it| of_fault(&it)), expected, "{count}");
        assert_eq!(of_json(http), expected, "{count}");
    }
}

/// Submits an item with so many files over one protocol.
async fn submit_files(
    environment: &Environment,
    protocol: &str,
    count: usize,
) -> Result<(), Refusal> {
    let parts: Vec<_> = (0..count).map(|it| format!("{protocol}-{it}")).collect();
    for part in &parts {
        environment.put(part, 0, part.as_bytes(), part.as_bytes()).await.unwrap();
    }
    if protocol == "grpc" {
        let (body, parts) = (SubmittedBody::Inline("grpc".into()), parts.iter());
        let parts: Vec<_> = parts.map(String::as_str).collect();
        let outcome = environment.submit_with("", body, &parts).await;
        return outcome.map(drop).map_err(|it| of_fault(&it));
    }
    let attachment = |it: &String| json!({ "reference": it, "part": it, "file_name": it });
    let attachments: Vec<_> = parts.iter().map(attachment).collect();
    let item = json!({ "format": "plain", "inline": base64(b"http"), "attachments": attachments });
    of_json(post(&environment.address, "/v1/submit", &item).await)
}

#[tokio::test]
async fn files_of_an_item_are_taken_up_to_their_limit() {
    let mut environment = Environment::with(|it| it.attachments_max = 2).await;
    let most = limits(&mut environment).await.attachments_max as usize;
    let refused = || refusal("LT-GW-002", "attachments");
    for protocol in ["grpc", "http"] {
        assert_eq!(submit_files(&environment, protocol, most).await, Ok(()), "{protocol}");
        assert_eq!(submit_files(&environment, protocol, most + 1).await, refused(), "{protocol}");
    }
}

#[tokio::test]
async fn an_uploaded_body_is_taken_up_to_its_limit() {
    let mut environment = Environment::with(|it| it.body_bytes_max = 1_000).await;
    let most = usize::try_from(limits(&mut environment).await.body_bytes_max).unwrap();
    for (size, expected) in [(most, Ok(())), (most + 1, refusal("LT-GW-001", "part"))] {
        let whole = vec![b'x'; size];
        environment.put("body", 0, &whole, &whole).await.unwrap();
        let http = json!({ "format": "plain", "part": "body" });
        let http = of_json(post(&environment.address, "/v1/submit", &http).await);
        drop(environment.put("body", 0, &whole, &whole).await);
        let body = SubmittedBody::Part("body".to_owned());
        let grpc = environment.submit_with("", body, &[]).await;
        assert_eq!(http, expected, "{size}");
        assert_eq!(grpc.map(drop).map_err(|it| of_fault(&it)), expected, "{size}");
    }
}
