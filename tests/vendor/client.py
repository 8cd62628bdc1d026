"""A vendor's client in Python: made from the contracts by grpcio-tools, and once more over plain HTTP.

usage: client.py PROTO_FOLDER WORK_FOLDER GATEWAY_HOST_PORT
"""

import base64
import hashlib
import http.client
import json
import pathlib
import sys
import urllib.parse

from grpc_tools import protoc

protos, work, gateway = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
files = [str(it.relative_to(protos)) for it in protos.glob("*/v1/*.proto")]
wellknown = pathlib.Path(protoc.__file__).parent / "_proto"
made = protoc.main(
    ["protoc", f"-I{protos}", f"-I{wellknown}", f"--python_out={work}", f"--grpc_python_out={work}", *files]
)
assert made == 0, "the contracts do not compile"
sys.path.insert(0, str(work))

import grpc  # noqa: E402
from exchange.v1 import exchange_pb2 as x  # noqa: E402
from exchange.v1 import exchange_pb2_grpc  # noqa: E402
from journal.v1 import journal_pb2  # noqa: E402

PDF = b"%PDF-1.4 " + bytes(range(256)) * 9000
DIGEST = hashlib.sha256(PDF).digest()


def portal(guid, number):
    """A document as the portal gives it."""
    document = {
        "Guid": guid, "SoHieu": number, "KyHieu": "BC-VP", "TrichYeu": "Báo cáo của " + guid,
        "NgayBanHanh": "20/11/2026", "DoMat": "0",
        "DonViNhanVanBanNgoaDonVi": [{"MaDonVi": "A99.2"}],
        "Attachments": [{"Id": "1", "FileName": "bc.pdf", "FilePath": "/u/bc.pdf", "FileSize": str(len(PDF))}],
    }
    return json.dumps({"Code": 0, "Value": {"Total": 1, "Data": [document]}}).encode()


def over_grpc():
    stub = exchange_pb2_grpc.ExchangeStub(grpc.insecure_channel(gateway))
    one = [("authorization", "Bearer mot-token")]
    two = [("authorization", "Bearer hai-token")]
    hello = stub.Hello(x.HelloRequest(protocol_versions=[1], adapter="python"), metadata=one)
    offset = 0
    while True:
        chunk = PDF[offset:offset + hello.limits.chunk_bytes_max]
        answer = stub.PutPart(
            x.PutPartRequest(part="bc", offset=offset, data=chunk, size=len(PDF), sha256=DIGEST), metadata=one
        )
        offset = answer.received
        if answer.complete:
            break
    submit = x.SubmitRequest(
        key="py-1", format="ioffice.portal", inline=portal("py-guid-1", "1"),
        attachments=[x.SubmittedAttachment(reference="/u/bc.pdf", part="bc", file_name="bc.pdf")],
    )
    receipt = stub.Submit(submit, metadata=one).receipt
    assert not receipt.repeat
    # The uploads are used up, so the repeat brings its file again.
    stub.PutPart(x.PutPartRequest(part="bc", offset=0, data=PDF[:1 << 20], size=len(PDF), sha256=DIGEST), metadata=one)
    offset = 1 << 20
    while offset < len(PDF):
        chunk = PDF[offset:offset + (1 << 20)]
        offset = stub.PutPart(
            x.PutPartRequest(part="bc", offset=offset, data=chunk, size=len(PDF), sha256=DIGEST), metadata=one
        ).received
    assert stub.Submit(submit, metadata=one).receipt.repeat, "the same content is a repeat"

    session = stub.Hello(x.HelloRequest(protocol_versions=[1], adapter="python"), metadata=two).session
    stream = stub.Receive(x.ReceiveRequest(session=session), metadata=two)
    delivery = next(stream)
    assert delivery.message_id and delivery.index.document_id == "py-guid-1", delivery
    files = {}
    for it in delivery.attachments:
        request = x.GetPartRequest(session=session, message_id=delivery.message_id, attachment=it.id)
        files[it.id] = b"".join(chunk.data for chunk in stub.GetPart(request, metadata=two))
    assert list(files.values()) == [PDF], "the file is bit-identical"
    settle = x.SettleRequest(
        session=session, message_id=delivery.message_id, lease=delivery.lease, taken=x.Taken(reference="so-7")
    )
    assert not stub.Settle(settle, metadata=two).repeat
    assert stub.Settle(settle, metadata=two).repeat, "the same answer again is a repeat"
    tracked = stub.Track(x.TrackRequest(key="py-1"), metadata=one).messages[0]
    assert tracked.recipients[0].state == journal_pb2.TAKEN, tracked
    assert tracked.recipients[0].detail == "so-7"
    try:
        stub.Hello(x.HelloRequest(protocol_versions=[9], adapter="python"), metadata=one)
        raise AssertionError("version 9 was taken")
    except grpc.RpcError as error:
        assert "LT-EX-001" in error.details(), error.details()
    stream.cancel()


def call(method, path, token, body=None, expect=200):
    connection = http.client.HTTPConnection(gateway)
    headers = {"authorization": f"Bearer {token}"}
    if isinstance(body, dict):
        body = json.dumps(body)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    raw = answer.read()
    assert answer.status == expect, (answer.status, raw)
    return raw if answer.getheader("content-type", "").startswith("application/octet") else json.loads(raw)


def over_http():
    call("POST", "/v1/hello", "wrong", {"adapter": "curl"}, expect=401)
    session = call("POST", "/v1/hello", "hai-token", {"protocol_versions": [1], "adapter": "curl"})["session"]
    hexed = hashlib.sha256(PDF).hexdigest()
    for offset in range(0, len(PDF), 1 << 20):
        query = urllib.parse.urlencode({"offset": offset, "size": len(PDF), "sha256": hexed})
        part = call("PUT", f"/v1/parts/bc?{query}", "mot-token", PDF[offset:offset + (1 << 20)])
    assert part["complete"]
    query = urllib.parse.urlencode({"offset": 5, "size": len(PDF), "sha256": hexed})
    assert call("PUT", f"/v1/parts/bc?{query}", "mot-token", b"x", expect=416)["code"] == "LT-EX-003"
    submit = {
        "key": "http-1", "format": "auto", "inline": base64.b64encode(portal("http-guid-1", "2")).decode(),
        "attachments": [{"reference": "/u/bc.pdf", "part": "bc", "file_name": "bc.pdf"}],
    }
    receipt = call("POST", "/v1/submit", "mot-token", submit)["receipt"]
    assert receipt["repeat"] is False
    bad = dict(submit, key="http-2", inline=base64.b64encode(b"<edXML>").decode(), attachments=[])
    assert call("POST", "/v1/submit", "mot-token", bad, expect=400)["code"] == "LT-MAP-001"
    deliveries = []
    for _ in range(20):
        deliveries = call("GET", f"/v1/receive?session={session}&wait_ms=1000", "hai-token")["deliveries"]
        if deliveries:
            break
    delivery = deliveries[0]
    assert delivery["index"]["document_id"] == "http-guid-1", delivery
    part = delivery["attachments"][0]["id"]
    path = f"/v1/deliveries/{delivery['message_id']}/parts/{part}?session={session}&offset="
    assert call("GET", path + "0", "hai-token") == PDF
    assert call("GET", path + "2000000", "hai-token") == PDF[2000000:]
    settle = {
        "session": session, "message_id": delivery["message_id"], "lease": delivery["lease"],
        "taken": {"reference": "so-8"},
    }
    assert call("POST", "/v1/settle", "hai-token", settle)["repeat"] is False
    assert call("POST", "/v1/settle", "hai-token", dict(settle, lease=1), expect=200)["repeat"] is True
    other = dict(settle, message_id="0198c0de-0000-5000-8000-000000000000")
    assert call("POST", "/v1/settle", "hai-token", other, expect=404)["code"] == "LT-EX-014"
    tracked = call("GET", "/v1/track?key=http-1", "mot-token")["messages"][0]
    assert tracked["recipients"][0]["state"] == "TAKEN", tracked
    assert call("GET", "/v1/lookup?text=A99.2", "mot-token")["organisations"][0]["organisation"]["key"] == "hai"
    call("GET", "/v1/nothing", "mot-token", expect=404)


over_grpc()
over_http()
print("vendor flow over gRPC and HTTP passed")
