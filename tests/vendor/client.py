"""A vendor's client in Python, over gRPC with stubs that grpcio-tools generates, and over HTTP with JSON.

usage: client.py PROTO_FOLDER WORK_FOLDER GATEWAY_HOST_PORT
"""

import base64
import hashlib
import http.client
import json
import pathlib
import shutil
import sys
import time
import urllib.parse

from grpc_tools import protoc

protos, work, gateway = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
# What a vendor gets. `protoc` sees no other file: it fails when one of these imports more.
contract = work / "contract"
for package in ["exchange", "message", "fault"]:
    shutil.copytree(protos / package / "v1", contract / package / "v1")
files = [str(it.relative_to(contract)) for it in contract.glob("*/v1/*.proto")]
wellknown = pathlib.Path(protoc.__file__).parent / "_proto"
here = pathlib.Path(__file__).parent
exit_code = protoc.main(
    ["protoc", f"-I{contract}", f"-I{here}", f"-I{wellknown}", f"--python_out={work}", f"--grpc_python_out={work}",
     "status.proto", *files]
)
assert exit_code == 0, "the contracts do not compile"
sys.path.insert(0, str(work))

import grpc  # noqa: E402
import status_pb2  # noqa: E402
from exchange.v1 import exchange_pb2 as x  # noqa: E402
from exchange.v1 import exchange_pb2_grpc  # noqa: E402
from fault.v1 import fault_pb2  # noqa: E402
from message.v1 import message_pb2  # noqa: E402

# Deadline of every call, seconds.
DEADLINE_S = 60

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


class StubWithDeadline:
    """A gRPC stub that sets a deadline on every call."""

    def __init__(self, stub):
        self.stub = stub

    def __getattr__(self, name):
        call = getattr(self.stub, name)
        return lambda request, metadata: call(request, metadata=metadata, timeout=DEADLINE_S)


def refusal_details(call, request, metadata):
    """Makes a call that must be refused: the details of its status, by the names of their messages."""
    try:
        call(request, metadata=metadata)
    except grpc.RpcError as error:
        raw = dict(error.trailing_metadata())["grpc-status-details-bin"]
        kinds = [status_pb2.ErrorInfo, status_pb2.BadRequest, status_pb2.LocalizedMessage, status_pb2.RetryInfo]
        details = {}
        for packed in status_pb2.Status.FromString(raw).details:
            for kind in [*kinds, fault_pb2.Fault]:
                if packed.Is(kind.DESCRIPTOR):
                    details[kind.DESCRIPTOR.name] = kind.FromString(packed.value)
        return details
    raise AssertionError(f"not refused: {request}")


def refusal_code(call, request, metadata):
    """The error code of a refused call, which ErrorInfo and Fault both hold."""
    details = refusal_details(call, request, metadata)
    assert details["ErrorInfo"].domain == "lienthong"
    assert details["ErrorInfo"].reason == details["Fault"].code
    return details["ErrorInfo"].reason


def check_refusals(stub, metadata):
    """Checks that a refusal names its code, its fields and whether a retry helps."""
    hello = x.HelloRequest(protocol_versions=[9], adapter="python")
    details = refusal_details(stub.Hello, hello, metadata)
    assert details["ErrorInfo"].reason == "LT-EX-001"
    assert details["ErrorInfo"].metadata["theirs"] == "9"
    assert details["LocalizedMessage"].locale == "vi"
    assert "giao thức" in details["LocalizedMessage"].message
    assert "RetryInfo" not in details, "a retry does not help"
    item = x.SubmitRequest(key="py-bad", format="auto", part="not-uploaded")
    details = refusal_details(stub.Submit, item, metadata)
    assert details["BadRequest"].field_violations[0].field == "part", details
    document = json.loads(portal("py-bad", "9"))
    document["Value"]["Data"][0].update(NgayBanHanh="31/02/2026", Attachments=[])
    item = x.SubmitRequest(key="py-bad", format="ioffice.portal", inline=json.dumps(document).encode())
    fields = [it.field for it in refusal_details(stub.Submit, item, metadata)["BadRequest"].field_violations]
    assert any("NgayBanHanh" in it for it in fields), fields


def lost_lease(stub, one, two):
    """Settles a delivery whose lease went to a newer session: the late answer is refused, the other taken."""
    document = json.loads(portal("py-guid-2", "3"))
    document["Value"]["Data"][0]["Attachments"] = []
    body = json.dumps(document).encode()
    stub.Submit(x.SubmitRequest(key="py-2", format="ioffice.portal", inline=body), metadata=one)
    hello = x.HelloRequest(protocol_versions=[1], adapter="python")
    settles = []
    for attempt in (1, 2):
        session = stub.Hello(hello, metadata=two).session
        stream = stub.Receive(x.ReceiveRequest(session=session), metadata=two)
        delivery = next(stream)
        assert delivery.index.document_id == "py-guid-2", delivery
        assert delivery.attempt == attempt, delivery
        settles.append(x.SettleRequest(
            session=session, message_id=delivery.message_id, lease=delivery.lease, taken=x.Taken(reference="so-9")
        ))
    assert settles[0].lease != settles[1].lease
    assert refusal_code(stub.Settle, settles[0], two) == "LT-EX-012"
    assert not stub.Settle(settles[1], metadata=two).repeat, "the holder of the lease settles"
    assert stub.Settle(settles[0], metadata=two).repeat, "the same answer again is a repeat"
    settles[0].message_id = "0198c0de-0000-5000-8000-000000000000"
    results = stub.SettleBatch(x.SettleBatchRequest(items=settles), metadata=two).results
    assert results[0].refused.fault.code == "LT-EX-014", "each answer of a batch has its own outcome"
    assert results[1].settled.repeat
    stream.cancel()


def abandoned_stream(stub, one, two):
    """An adapter whose stream broke is promised nothing more: another session gets the next message at once."""
    open_session = lambda name: stub.Hello(x.HelloRequest(protocol_versions=[1], adapter=name), metadata=two).session
    gone, other = open_session("python-gone"), open_session("python-other")
    stream = stub.Receive(x.ReceiveRequest(session=gone), metadata=two)
    stream.cancel()
    waiting = stub.Receive(x.ReceiveRequest(session=other), metadata=two)
    begun = time.monotonic()
    for number in range(4, 8):
        document = json.loads(portal(f"py-guid-{number}", str(number)))
        document["Value"]["Data"][0]["Attachments"] = []
        item = x.SubmitRequest(key=f"py-{number}", format="auto", inline=json.dumps(document).encode())
        stub.Submit(item, metadata=one)
        delivery = next(waiting)
        assert delivery.index.document_id == f"py-guid-{number}", delivery
        stub.Settle(x.SettleRequest(
            session=other, message_id=delivery.message_id, lease=delivery.lease, taken=x.Taken()
        ), metadata=two)
    assert time.monotonic() - begun < 10, "a message waited for the stream that broke"
    waiting.cancel()


def over_grpc():
    stub = StubWithDeadline(exchange_pb2_grpc.ExchangeStub(grpc.insecure_channel(gateway)))
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
    # As after a lost receipt: the repeat brings no file.
    assert stub.Submit(submit, metadata=one).receipt.repeat, "the same content is a repeat"
    bad = x.SubmitRequest(key="py-several", format="ioffice.portal", inline=b"{")
    results = stub.SubmitBatch(x.SubmitBatchRequest(items=[bad, bad]), metadata=one).results
    assert [it.refused.fault.code for it in results] == ["LT-MAP-002"] * 2, results

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
    assert tracked.recipients[0].state == message_pb2.TAKEN, tracked
    assert tracked.recipients[0].detail == "so-7"
    stream.cancel()
    check_refusals(stub, one)
    lost_lease(stub, one, two)
    abandoned_stream(stub, one, two)


def call(method, path, token, body=None, expect=200):
    connection = http.client.HTTPConnection(gateway, timeout=DEADLINE_S)
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
