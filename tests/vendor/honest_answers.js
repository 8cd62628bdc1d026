// A vendor's two applications in Node, with the standard library alone, and the traps they must not meet.
//
// usage: node honest_answers.js GATEWAY_URL

const assert = require("node:assert");
const { createHash } = require("node:crypto");
const net = require("node:net");
const { setTimeout: sleep } = require("node:timers/promises");

const gateway = new URL(process.argv[2]);
const name = "node";
const [sender, receiver] = ["mot-token", "hai-token"];
const scan = Buffer.alloc(1_600_000, "%PDF-1.4 ");
const chunk = 1 << 20;

async function call(method, path, token, body) {
  const isText = body && !Buffer.isBuffer(body);
  const answer = await fetch(new URL(path, gateway), {
    method,
    headers: { authorization: `Bearer ${token}` },
    body: isText ? JSON.stringify(body) : body,
  });
  return { status: answer.status, content: await answer.json() };
}

async function expect(status, method, path, token, body) {
  const answer = await call(method, path, token, body);
  assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.content)}`);
  return answer.content;
}

const hello = async (token, adapter) => (await expect(200, "POST", "/v1/hello", token, { adapter })).session;

const settle = (token, session, delivery, answer) =>
  expect(200, "POST", "/v1/settle", token, {
    session,
    message_id: delivery.message_id,
    lease: delivery.lease,
    ...answer,
  });

// Polls until a delivery of this type comes.
async function poll(token, session, type) {
  const limit = Date.now() + 30_000;
  while (Date.now() < limit) {
    const found = await expect(200, "GET", `/v1/receive?session=${session}&wait_ms=2000`, token);
    for (const delivery of found.deliveries) {
      if (delivery.type === type) return delivery;
      await settle(token, session, delivery, { taken: {} });
    }
  }
  throw new Error(`no ${type} within 30 s`);
}

async function upload(part) {
  const digest = createHash("sha256").update(scan).digest("hex");
  let done;
  for (let offset = 0; offset < scan.length; offset += chunk) {
    const path = `/v1/parts/${part}?offset=${offset}&size=${scan.length}&sha256=${digest}`;
    done = await expect(200, "PUT", path, sender, scan.subarray(offset, offset + chunk));
  }
  assert(done.complete);
}

function item(key, issuedOn = "20/11/2026") {
  const document = {
    Guid: `${name}-guid`,
    SoHieu: "72",
    KyHieu: "BC-VP",
    TrichYeu: `Báo cáo từ ${name}`,
    NgayBanHanh: issuedOn,
    DoMat: "0",
    DonViNhanVanBanNgoaDonVi: [{ MaDonVi: "A99.2" }],
    Attachments: [{ Id: "1", FileName: "bc.pdf", FilePath: "/u/bc.pdf", FileSize: String(scan.length) }],
  };
  const body = JSON.stringify({ Code: 0, Value: { Total: 1, Data: [document] } });
  return {
    key,
    format: "ioffice.portal",
    inline: Buffer.from(body).toString("base64"),
    attachments: [{ reference: "/u/bc.pdf", part: `${name}-bc`, file_name: "bc.pdf" }],
  };
}

const submit = async () => (await expect(200, "POST", "/v1/submit", sender, item(`${name}-1`))).receipt;

// Begins a long poll, and goes away while it waits.
async function abandonPoll(session) {
  const connection = net.connect(Number(gateway.port), gateway.hostname);
  connection.write(
    `GET /v1/receive?session=${session}&wait_ms=20000 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${receiver}\r\n\r\n`,
  );
  await sleep(300);
  connection.destroy();
}

async function main() {
  const own = await hello(sender, `${name}-sender`);
  const gone = await hello(receiver, `${name}-gone`);
  const other = await hello(receiver, `${name}-other`);

  // The receipt is lost: the same call again sends no file.
  await upload(`${name}-bc`);
  const first = await submit();
  const again = await submit();
  assert(!first.repeat && again.repeat && again.message_id === first.message_id);

  // The receiver refuses: the sender is told.
  const offered = await poll(receiver, gone, "DOCUMENT");
  await settle(receiver, gone, offered, { refused: { reason: "Sai thẩm quyền" } });
  const report = await poll(sender, own, "DELIVERY_REPORT");
  const words = Buffer.from(report.inline, "base64").toString();
  assert(words.includes("Sai thẩm quyền") && words.includes(first.message_id), words);
  await settle(sender, own, report, { taken: {} });
  const tracked = (await expect(200, "GET", `/v1/track?key=${name}-1`, sender)).messages[0].recipients[0];
  assert.deepEqual([tracked.state, tracked.detail], ["REFUSED", "Sai thẩm quyền"]);

  // An adapter goes away in a poll. What was refused is sent again under the same key.
  await abandonPoll(gone);
  await upload(`${name}-bc`);
  const second = await submit();
  assert(!second.repeat && second.message_id !== first.message_id);

  // The adapter that went away keeps nothing back from the next one.
  const begun = Date.now();
  const delivery = await poll(receiver, other, "DOCUMENT");
  assert(Date.now() - begun < 5_000, "the other session waited for the one that went away");
  await settle(receiver, other, delivery, { taken: { reference: "so-72" } });
  const third = await submit();
  assert(third.repeat && third.message_id === second.message_id);

  // A refusal at the door names its field.
  await upload(`${name}-bc`);
  const refused = await call("POST", "/v1/submit", sender, item(`${name}-bad`, "31/02/2026"));
  assert.equal(refused.status, 400);
  assert(refused.content.violations.some((it) => it.field.includes("NgayBanHanh")));
  console.log("passed");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
