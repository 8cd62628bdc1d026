"""A vendor's two applications in Python, with the standard library alone, and the traps they must not meet.

usage: honest_answers.py GATEWAY_URL
"""

import base64
import hashlib
import http.client
import json
import socket
import sys
import time
import urllib.parse

GATEWAY = urllib.parse.urlsplit(sys.argv[1])
NAME = "python"
SENDER, RECEIVER = "mot-token", "hai-token"
SCAN = b"%PDF-1.4 " + bytes(range(256)) * 6000
CHUNK = 1 << 20


def call(method, path, token, body=None):
    """One call: its status and its JSON."""
    connection = http.client.HTTPConnection(GATEWAY.hostname, GATEWAY.port, timeout=60)
    if isinstance(body, dict):
        body = json.dumps(body)
    connection.request(method, path, body, {"authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()
    return answer.status, content


def expect(status, method, path, token, body=None):
    found, content = call(method, path, token, body)
    assert found == status, (method, path, found, content)
    return content


def hello(token, adapter):
    return expect(200, "POST", "/v1/hello", token, {"adapter": adapter})["session"]


def poll(token, session, kind):
    """Polls until a delivery of this type comes."""
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        query = urllib.parse.urlencode({"session": session, "wait_ms": 2000})
        for delivery in expect(200, "GET", f"/v1/receive?{query}", token)["deliveries"]:
            if delivery["type"] == kind:
                return delivery
            settle(token, session, delivery, {"taken": {}})
    raise AssertionError(f"no {kind} within 30 s")


def settle(token, session, delivery, answer):
    named = {"session": session, "message_id": delivery["message_id"], "lease": delivery["lease"]}
    expect(200, "POST", "/v1/settle", token, named | answer)


def upload(part):
    digest = hashlib.sha256(SCAN).hexdigest()
    for offset in range(0, len(SCAN), CHUNK):
        query = urllib.parse.urlencode({"offset": offset, "size": len(SCAN), "sha256": digest})
        done = expect(200, "PUT", f"/v1/parts/{part}?{query}", SENDER, SCAN[offset:offset + CHUNK])
    assert done["complete"], done


def item(key, issued_on="20/11/2026"):
    document = {
        "Guid": f"{NAME}-guid", "SoHieu": "71", "KyHieu": "BC-VP", "TrichYeu": f"Báo cáo từ {NAME}",
        "NgayBanHanh": issued_on, "DoMat": "0", "DonViNhanVanBanNgoaDonVi": [{"MaDonVi": "A99.2"}],
        "Attachments": [{"Id": "1", "FileName": "bc.pdf", "FilePath": "/u/bc.pdf", "FileSize": str(len(SCAN))}],
    }
    body = json.dumps({"Code": 0, "Value": {"Total": 1, "Data": [document]}}).encode()
    attachment = {"reference": "/u/bc.pdf", "part": f"{NAME}-bc", "file_name": "bc.pdf"}
    return {"key": key, "format": "ioffice.portal", "inline": base64.b64encode(body).decode(), "attachments": [attachment]}


def submit():
    return expect(200, "POST", "/v1/submit", SENDER, item(f"{NAME}-1"))["receipt"]


def abandon_poll(session):
    """Begins a long poll, and goes away while it waits."""
    with socket.create_connection((GATEWAY.hostname, GATEWAY.port)) as connection:
        query = urllib.parse.urlencode({"session": session, "wait_ms": 20000})
        request = f"GET /v1/receive?{query} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {RECEIVER}\r\n\r\n"
        connection.sendall(request.encode())
        time.sleep(0.3)


sender = hello(SENDER, f"{NAME}-sender")
gone, other = hello(RECEIVER, f"{NAME}-gone"), hello(RECEIVER, f"{NAME}-other")

# The receipt is lost: the same call again sends no file.
upload(f"{NAME}-bc")
first = submit()
again = submit()
assert not first["repeat"] and again["repeat"] and again["message_id"] == first["message_id"], again

# The receiver refuses: the sender is told.
settle(RECEIVER, gone, poll(RECEIVER, gone, "DOCUMENT"), {"refused": {"reason": "Sai thẩm quyền"}})
report = poll(SENDER, sender, "DELIVERY_REPORT")
words = base64.b64decode(report["inline"]).decode()
assert "Sai thẩm quyền" in words and first["message_id"] in words, words
settle(SENDER, sender, report, {"taken": {}})
tracked = expect(200, "GET", f"/v1/track?key={NAME}-1", SENDER)["messages"][0]["recipients"][0]
assert tracked["state"] == "REFUSED" and tracked["detail"] == "Sai thẩm quyền", tracked

# An adapter goes away in a poll. What was refused is sent again under the same key.
abandon_poll(gone)
upload(f"{NAME}-bc")
second = submit()
assert not second["repeat"] and second["message_id"] != first["message_id"], second

# The adapter that went away keeps nothing back from the next one.
begun = time.monotonic()
delivery = poll(RECEIVER, other, "DOCUMENT")
assert time.monotonic() - begun < 5, "the other session waited for the one that went away"
settle(RECEIVER, other, delivery, {"taken": {"reference": "so-71"}})
third = submit()
assert third["repeat"] and third["message_id"] == second["message_id"], third

# A refusal at the door names its field.
upload(f"{NAME}-bc")
status, refused = call("POST", "/v1/submit", SENDER, item(f"{NAME}-bad", "31/02/2026"))
assert status == 400 and any("NgayBanHanh" in it["field"] for it in refused["violations"]), refused
print("passed")
