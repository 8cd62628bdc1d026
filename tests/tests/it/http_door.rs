//! One document over HTTP in the forms of ordinary clients, against the running product: every form
//! is the same item as over gRPC, or is told what it is (case H01).

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use lienthong_tests::up::{Agency, Up, write_registry};
use sdk::{Connection, Item};
use serde_json::{Value, json};

fn portal() -> Vec<u8> {
    let document = json!({
        "Guid": "g-1", "SoHieu": "1", "KyHieu": "BC-VP", "TrichYeu": "Báo cáo tình hình",
        "NgayBanHanh": "20/11/2026", "DoMat": "0", "MaDinhDanh": "A99.1",
        "DonViNhanVanBanNgoaDonVi": [{ "MaDonVi": "A99.2" }], "Attachments": [],
    });
    json!({ "Code": 0, "Value": { "Total": 1, "Data": [document] } }).to_string().into_bytes()
}

/// Submits a body with these header lines; the status and the answer.
fn submit(gateway: &str, lines: &str, body: &[u8]) -> (u16, Value) {
    let address = gateway.trim_start_matches("http://");
    let mut socket = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /v1/submit HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nauthorization: Bearer \
         mot-token\r\n{lines}content-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).unwrap();
    socket.write_all(body).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_forms_of_ordinary_clients_are_one_item_or_are_told_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let agencies = [
        Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" },
        Agency { key: "hai", code: "A99.2", takes: "ioffice.portal" },
    ];
    write_registry(&folder.path().join("registry"), &agencies);
    let up = Up::start(folder.path(), &[]);
    let connection = Connection::new(up.gateway(), "mot-token");
    let item = Item { format: "auto".to_owned(), body: portal().into(), ..Item::default() };
    let first = connection.submit_handle().unwrap().submit(&item).await.unwrap();

    let inline = base64_simd::STANDARD.encode_to_string(portal());
    let call = |inline: &str| json!({ "format": "auto", "inline": inline }).to_string();
    let folded: Vec<&str> =
        inline.as_bytes().chunks(76).map(|it| std::str::from_utf8(it).unwrap()).collect();
    let url = inline.replace('+', "-").replace('/', "_");
    let json_type = "content-type: application/json; charset=utf-8\r\n";
    for (lines, body) in [
        (json_type, call(&inline)),
        ("", call(&inline)),
        ("content-type: application/x-www-form-urlencoded\r\n", call(&inline)),
        (json_type, format!("\u{feff}{}\r\n", call(&inline))),
        (json_type, call(&folded.join("\r\n"))),
        (json_type, call(url.trim_end_matches('='))),
        (json_type, call(&format!("data:application/json;base64,{inline}"))),
    ] {
        let (status, answer) = submit(&up.gateway(), lines, body.as_bytes());
        assert_eq!(status, 200, "{lines}{body}: {answer}");
        assert_eq!(answer["receipt"]["message_id"], json!(first.message_id), "{lines}{body}");
    }
    let repeated = call(&inline).replace('{', "{\"format\":\"auto\",");
    let (status, answer) = submit(&up.gateway(), json_type, repeated.as_bytes());
    assert_eq!((status, &answer["violations"][0]["field"]), (400, &json!("format")), "{answer}");
    for (lines, body) in [
        ("content-type: application/xml\r\n", b"<edXML/>".to_vec()),
        ("content-type: application/json\r\ncontent-encoding: gzip\r\n", b"\x1f\x8b\x08".to_vec()),
    ] {
        let (status, answer) = submit(&up.gateway(), lines, &body);
        assert_eq!((status, &answer["code"]), (415, &json!("LT-EX-017")), "{answer}");
    }
}
