// client.mjs ENDPOINT=PID...: include/consens/protocol.md as a stranger would use it, with the npm
// packages zeromq and @msgpack/msgpack and nothing of ours. The endpoints are those of one cluster,
// all nodes up, each with its process: two are stopped for a while, the leader's is killed at the end.
// Prints `ok` or `FAIL` for each check; closes with `N passed, N failed`.
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { decode, encode } from "@msgpack/msgpack";
import { Dealer, Request } from "zeromq";

let passed = 0;
let failed = 0;
function check(what, expected, got) {
  if (isDeepStrictEqual(expected, got)) {
    passed++;
    console.log("ok  ", what);
  } else {
    failed++;
    console.log("FAIL", what + ": expected", expected, "got", got);
  }
}

const [ID, CODE, REVISION, ITEM, , VERSION, VALUE, INFO] = [0, 1, 2, 3, 4, 5, 6, 7];
const bytes = (text) => Buffer.from(text, "latin1");
const text = (value) => value && Buffer.from(value).toString("latin1");
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function connect(kind, endpoint) {
  const socket = new kind({ linger: 0, receiveTimeout: 10000 });
  socket.connect(endpoint);
  return socket;
}
async function receive(socket) {
  const [message] = await socket.receive();
  return decode(message);
}
async function askOnce(socket, message) {
  await socket.send(encode(message));
  return receive(socket);
}
// Again while a node that this machine let stand still hears no quorum: nothing was applied.
async function ask(socket, message) {
  for (let tries = 0; ; tries++) {
    const answer = await askOnce(socket, message);
    const items = Array.isArray(answer[0]) ? answer : [answer];
    if (tries === 200 || !items.every((item) => ["no_quorum", "no_leader"].includes(item[CODE]))) {
      return answer;
    }
    await sleep(50);
  }
}

const nodes = process.argv.slice(2).map((word) => {
  const [endpoint, pid] = word.split("=");
  return { endpoint, pid: Number(pid), dealer: connect(Dealer, endpoint) };
});
const first = nodes[0].dealer;
const last = nodes[nodes.length - 1].dealer;

async function stop(among) {
  among.forEach((node) => process.kill(node.pid, "SIGSTOP"));
  await sleep(20); // until all their threads stand still
}
function resume(among) {
  among.forEach((node) => process.kill(node.pid, "SIGCONT"));
}
async function statusOf(node) {
  return JSON.parse(text((await ask(node.dealer, [50, "status"]))[VALUE]));
}
async function untilAllFollow() { // what a node that stood still says at first is of before
  await sleep(100);
  for (let tries = 0; tries < 200; tries++) {
    const leaders = [];
    for (const node of nodes) leaders.push((await statusOf(node)).leader);
    if (leaders[0] !== null && leaders.every((leader) => leader === leaders[0])) return;
    await sleep(50);
  }
  throw new Error("not all nodes name one leader");
}

// ---- the vectors ----

const vectors = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url)));
function meant(value) {
  if (Array.isArray(value)) return value.map(meant);
  if (value === null || typeof value !== "object") return value;
  if ("bin" in value) return new Uint8Array(Buffer.from(value.bin, "hex"));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, meant(item)]));
}
for (const section of ["requests", "malformed", "answers"]) {
  const wrong = vectors[section].filter(({ message, hex }) =>
    Buffer.from(encode(meant(message))).toString("hex") !== hex ||
    !isDeepStrictEqual(decode(new Uint8Array(Buffer.from(hex, "hex"))), meant(message)));
  check("vectors: " + section, [], wrong);
}
for (const { name, hex } of vectors.malformed) {
  await first.send(Buffer.from(hex, "hex"));
  const answer = await receive(first);
  check("malformed: " + name, [0, "malformed", "no", false],
    [answer[ID], answer[CODE], answer[INFO].applied, answer[INFO].retryable]);
}
for (const { name, message, hex } of vectors.requests) {
  await last.send(Buffer.from(hex, "hex"));
  const answer = await receive(last);
  const isBatch = Array.isArray(message[0]);
  check("taken: " + name, (isBatch ? message : [message]).map((item) => item[ID]),
    (isBatch ? answer : [answer]).filter((item) => item.length === 8).map((item) => item[ID]));
}

// ---- operations and conditions ----

let answer = await ask(first, [1, "put", bytes("n\0/.."), bytes("v\0")]);
check("put creates", [1, "created", null, null], [answer[ID], answer[CODE], answer[VALUE], answer[INFO]]);
const revision = answer[ITEM];
answer = await ask(last, [2, "get", bytes("n\0/..")]);
check("another node reads it, byte for byte", ["ok", "v\0"], [answer[CODE], text(answer[VALUE])]);
answer = await ask(last, [3, "head", bytes("n\0/..")]);
check("head has no value", ["ok", revision, null], [answer[CODE], answer[ITEM], answer[VALUE]]);
check("unless_revision", "not_modified",
  (await ask(last, [4, "get", bytes("n\0/.."), { unless_revision: revision }]))[CODE]);
check("str and bin are the same", "v\0", text((await ask(last, [5, "get", "n\0/.."]))[VALUE]));
answer = await ask(first, [6, "put", "n\0/..", "w"]);
check("put updates", ["updated", 2], [answer[CODE], answer[VERSION]]);
for (const [id, key, options, code] of [
  [10, "n1", { if_absent: true }, "created"],
  [11, "n1", { if_absent: true }, "precondition_failed"],
  [12, "n1", { if_exists: true }, "updated"],
  [13, "n2", { if_exists: true }, "precondition_failed"],
  [14, "n1", { if_revision: 1 }, "precondition_failed"],
]) {
  answer = await ask(first, [id, "put", key, "x", options]);
  check("put " + key + " " + JSON.stringify(options), code, answer[CODE]);
}
check("a failed condition says which revision there is, and that nothing was applied", [true, "no"],
  [answer[ITEM] > 1, answer[INFO].applied]);
check("compare and set", "updated",
  (await ask(last, [15, "put", "n1", "y", { if_revision: answer[ITEM] }]))[CODE]);
check("delete if_revision", "precondition_failed",
  (await ask(first, [16, "delete", "n1", { if_revision: answer[ITEM] }]))[CODE]);
check("delete", "deleted", (await ask(first, [17, "delete", "n1"]))[CODE]);
check("delete of nothing", "not_found", (await ask(first, [18, "delete", "n1"]))[CODE]);
answer = await ask(last, [19, "get", "n1"]);
check("what is gone", ["not_found", 0, null], [answer[CODE], answer[ITEM], answer[VALUE]]);
check("status is JSON", "string", typeof JSON.parse(text((await ask(first, [20, "status"]))[VALUE])).role);

// ---- consistency ----

answer = await ask(last, [21, "get", "n\0/..", { consistency: "local" }]);
check("a local read says how old", ["ok", "number"], [answer[CODE], typeof answer[INFO].lag_ms]);
answer = await ask(first, [22, "put", "m", "w"]);
answer = await ask(last, [23, "get", "m", { consistency: "local", min_revision: answer[REVISION] }]);
check("read your writes anywhere", "w", text(answer[VALUE]));
answer = await ask(last, [24, "get", "m", { min_revision: 2 ** 40, timeout_ms: 100 }]);
check("a revision that does not come", ["timed_out", "no", true],
  [answer[CODE], answer[INFO].applied, answer[INFO].retryable]);

// ---- batches, pipelining, REQ ----

const batch = Array.from({ length: 64 }, (_, i) => [100 + i, "put", "nb" + i, bytes("x".repeat(i))]);
check("a batch is answered in order", batch.map((item) => item[ID]),
  (await ask(last, batch)).filter((item) => item[CODE] === "created").map((item) => item[ID]));
const ids = Array.from({ length: 300 }, (_, i) => i);
for (const id of ids) await first.send(encode([id, "get", "nb7"]));
const seen = [];
for (const _ of ids) seen.push((await receive(first))[ID]);
check("pipelined requests are all answered", ids, seen.sort((a, b) => a - b));
const req = connect(Request, nodes[0].endpoint);
check("REQ", "x", text((await ask(req, [25, "get", "nb1"]))[VALUE]));
check("REQ again", [26, 27], (await ask(req, [[26, "get", "nb1"], [27, "head", "nb1"]])).map((item) => item[ID]));

// ---- limits ----

answer = await ask(first, [30, "put", "k", Buffer.alloc(1024 * 1024 + 1)]);
check("a value that is too large", [30, "too_large", 1048576, 1048577],
  [answer[ID], answer[CODE], answer[INFO].limit, answer[INFO].actual]);
answer = await ask(first, [31, "get", "k".repeat(1025)]);
check("a key that is too long", [31, "key_too_long", 1024, 1025],
  [answer[ID], answer[CODE], answer[INFO].limit, answer[INFO].actual]);
answer = await ask(first, Array.from({ length: 1025 }, (_, i) => [i, "get", "k"]));
check("a batch that is too long", [0, "malformed"], [answer[ID], answer[CODE]]);
const flood = encode(Array.from({ length: 1024 }, (_, i) => [i, "put", "flood", "x"]));
const floodCodes = new Set();
for (let tries = 0; tries < 5; tries++) { // a busy machine may miss its quorum before it has taken all
  await stop(nodes.slice(1)); // nothing is decided until all of it has come
  for (let i = 0; i < 16; i++) await first.send(flood);
  for (let i = 0; i < 16; i++) {
    for (const item of await receive(first)) floodCodes.add(item[CODE]);
    if (i === 0) resume(nodes.slice(1)); // what is refused is answered at once
  }
  await untilAllFollow();
  if (floodCodes.has("overloaded") && floodCodes.has("updated")) break;
}
check("more than it may have waiting", true, floodCodes.has("overloaded") && floodCodes.has("updated"));

// ---- sessions ----

const session = (await ask(first, [40, "session"]))[INFO].session;
const once = [41, "put", "n-once", "1", { session: [session, 1, 0], if_absent: true }];
const created = await ask(first, once);
check("a write in a session", "created", created[CODE]);
answer = await ask(last, once);
check("a retry through another node has the first answer",
  ["created", created[REVISION], true], [answer[CODE], answer[REVISION], answer[INFO].replay]);
answer = await ask(first, [42, "put", "n-once", "2", { session: [10 ** 9, 1, 0] }]);
check("a session nobody opened", ["session_expired", "unknown"], [answer[CODE], answer[INFO].applied]);
for (let i = 2; i <= 20; i++) {
  await ask(first, [43, "put", "n-many", "x", { session: [session, i, i - 1] }]);
}
answer = await ask(last, once);
check("a retry that comes too late", ["session_stale", "unknown"], [answer[CODE], answer[INFO].applied]);

// ---- faults: the answers that are neither yes nor no ----

async function findLeader(among) {
  for (let tries = 0; tries < 100; tries++) {
    for (const node of among) if ((await statusOf(node)).role === "leader") return node;
    await sleep(50);
  }
  throw new Error("no node leads");
}
let leader, others, lost;
let sequence = 20;
for (let tries = 0; tries < 5; tries++) { // a busy machine may be too late for what is meant here
  sequence++;
  leader = await findLeader(nodes);
  others = nodes.filter((node) => node !== leader);
  lost = [51, "put", "n-lost" + sequence, "1",
    { session: [session, sequence, sequence - 1], timeout_ms: 400 }];
  await stop(others);
  answer = await askOnce(leader.dealer, lost);
  if (answer[CODE] === "outcome_unknown") break;
  resume(others);
  await untilAllFollow();
}
let refused;
try {
  check("handed on, and no answer in time", ["outcome_unknown", "unknown", true],
    [answer[CODE], answer[INFO]?.applied, answer[INFO]?.retryable]);
  for (let tries = 0; tries < 5; tries++) { // where it has not missed them yet it hands that on too
    refused = "n-refused" + tries;
    answer = await askOnce(leader.dealer, [52, "put", refused, "1", { timeout_ms: 400 }]);
    if (answer[CODE] === "no_quorum") break;
  }
  check("no majority: certainly not applied", ["no_quorum", "no", true],
    [answer[CODE], answer[INFO]?.applied, answer[INFO]?.retryable]);
  check("a local read goes on", "ok",
    (await ask(leader.dealer, [53, "get", "m", { consistency: "local" }]))[CODE]);
} finally {
  resume(others);
}
await untilAllFollow();
async function untilApplied(dealer, message) { // as a careful client does
  for (let tries = 0; tries < 100; tries++) {
    const got = await ask(dealer, message);
    if (!got[INFO]?.retryable) return got;
    await sleep(50);
  }
  throw new Error("never applied");
}
answer = await untilApplied(others[0].dealer, lost);
check("a retry of what was unknown, through another node", "created", answer[CODE]);
check("has one effect", 1, (await ask(others[1].dealer, [54, "head", lost[2]]))[VERSION]);
check("what was refused has none", "not_found", (await ask(others[1].dealer, [55, "head", refused]))[CODE]);

leader = await findLeader(nodes);
others = nodes.filter((node) => node !== leader);
const kept = [56, "put", "n-kept", "1", { session: [session, sequence + 1, sequence] }];
const before = await ask(leader.dealer, kept);
check("a write through the leader", "created", before[CODE]);
process.kill(leader.pid, "SIGKILL");
answer = await untilApplied(others[0].dealer, kept);
check("its retry after kill -9 of that node has the first answer",
  ["created", before[REVISION], before[ITEM], 1, true],
  [answer[CODE], answer[REVISION], answer[ITEM], answer[VERSION], answer[INFO].replay]);
check("and one effect", 1, (await ask(others[1].dealer, [57, "head", "n-kept"]))[VERSION]);

console.log("%d passed, %d failed", passed, failed);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
