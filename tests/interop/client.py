#!/usr/bin/python3
# client.py ENDPOINT...: include/consens/protocol.md as a stranger would use it, with pyzmq and
# msgpack-python and nothing of ours. The endpoints are those of one cluster, all nodes up. Prints
# `ok` or `FAIL` for each check; closes with `N passed, N failed`.
import json
import os
import sys
import time

import msgpack
import zmq

passed = failed = 0


def check(what, expected, got):
    global passed, failed
    if expected == got:
        passed += 1
        print("ok  ", what)
    else:
        failed += 1
        print("FAIL %s: expected %r, got %r" % (what, expected, got))


context = zmq.Context()


def connect(kind, endpoint):
    socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.RCVTIMEO, 10000)
    socket.connect(endpoint)
    return socket


def ask(socket, message):
    """Again while a node that this machine let stand still hears no quorum: nothing was applied."""
    for _ in range(200):
        socket.send(msgpack.packb(message))
        answer = msgpack.unpackb(socket.recv())
        items = answer if isinstance(answer[0], list) else [answer]
        if not all(item[1] in ("no_quorum", "no_leader") for item in items):
            break
        time.sleep(0.05)
    return answer


endpoints = sys.argv[1:]
dealers = [connect(zmq.DEALER, endpoint) for endpoint in endpoints]
first, last = dealers[0], dealers[-1]

def meant(value):
    if isinstance(value, list):
        return [meant(item) for item in value]
    if isinstance(value, dict):
        if "bin" in value:
            return bytes.fromhex(value["bin"])
        return {key: meant(item) for key, item in value.items()}
    return value


with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "vectors.json")) as file:
    vectors = json.load(file)
for section in ("requests", "malformed", "answers"):
    check("vectors: " + section, [],
          [vector["name"] for vector in vectors[section]
           if msgpack.packb(meant(vector["message"])).hex() != vector["hex"] or
           msgpack.unpackb(bytes.fromhex(vector["hex"])) != meant(vector["message"])])
for vector in vectors["malformed"]:
    first.send(bytes.fromhex(vector["hex"]))
    check("malformed: " + vector["name"], [0, "malformed"], msgpack.unpackb(first.recv())[:2])
for vector in vectors["requests"]:
    last.send(bytes.fromhex(vector["hex"]))
    answers, requests = msgpack.unpackb(last.recv()), vector["message"]
    if not isinstance(requests[0], list):
        answers, requests = [answers], [requests]
    check("taken: " + vector["name"], [request[0] for request in requests],
          [answer[0] for answer in answers if len(answer) == 8])

answer = ask(first, [1, "put", b"k\x00/..", b"v\x00"])
check("put creates", [1, "created", None, None], answer[:2] + answer[6:])
revision = answer[3]
answer = ask(last, [2, "get", b"k\x00/.."])
check("another node reads it, byte for byte", ["ok", b"v\x00"], [answer[1], answer[6]])
check("head has no value", ["ok", None], [ask(last, [3, "head", b"k\x00/.."])[i] for i in (1, 6)])
check("unless_revision", "not_modified",
      ask(last, [4, "get", b"k\x00/..", {"unless_revision": revision}])[1])
check("str and bin are the same", "ok", ask(first, [5, "put", "s", "t"])[1].replace("created", "ok"))
check("if_absent of a key that is there", ["precondition_failed", "no"],
      [(a := ask(last, [6, "put", "s", "u", {"if_absent": True}]))[1], a[7]["applied"]])
check("compare and set", "updated",
      ask(first, [7, "put", "s", "u", {"if_revision": ask(last, [0, "head", "s"])[3]}])[1])
check("a local read says how old", True,
      "lag_ms" in ask(last, [8, "get", "s", {"consistency": "local"}])[7])
check("read your writes anywhere", b"w",
      ask(last, [9, "get", "m", {"consistency": "local",
                                 "min_revision": ask(first, [0, "put", "m", "w"])[2]}])[6])
check("delete", "deleted", ask(first, [10, "delete", "s"])[1])
check("what is gone", "not_found", ask(last, [11, "get", "s"])[1])
check("status is JSON", b"{", ask(first, [12, "status"])[6][:1])

batch = [[100 + i, "put", "b%d" % i, b"x" * i] for i in range(64)]
check("a batch is answered in order", [100 + i for i in range(64)],
      [a[0] for a in ask(last, batch) if a[1] == "created"])
for i in range(300):
    first.send(msgpack.packb([i, "get", "b7"]))
check("pipelined requests are all answered", set(range(300)),
      {msgpack.unpackb(first.recv())[0] for _ in range(300)})

req = connect(zmq.REQ, endpoints[0])
check("REQ", "ok", ask(req, [13, "get", "b1"])[1])

check("an unknown op", [0, "malformed"], ask(first, [14, "frobnicate", "k"])[:2])
check("an unknown option", [0, "malformed"], ask(first, [15, "get", "k", {"ttl": 5}])[:2])
first.send(b"\xdd\xff\xff\xff\xff")
check("no message at all", [0, "malformed"], msgpack.unpackb(first.recv())[:2])
answer = ask(first, [16, "put", "k", b"x" * (1024 * 1024 + 1)])
check("a value that is too large", ["too_large", 1024 * 1024, 1024 * 1024 + 1],
      [answer[1], answer[7]["limit"], answer[7]["actual"]])
answer = ask(first, [17, "get", "k" * 1025])
check("a key that is too long", ["key_too_long", 1024, 1025],
      [answer[1], answer[7]["limit"], answer[7]["actual"]])

session = ask(first, [18, "session"])[7]["session"]
write = [19, "put", "once", "1", {"session": [session, 1, 0], "if_absent": True}]
check("a write in a session", "created", ask(first, write)[1])
answer = ask(last, write)
check("a retry through another node has the first answer", ["created", True],
      [answer[1], answer[7]["replay"]])
check("and one effect", 1, ask(last, [20, "head", "once"])[5])
answer = ask(first, [21, "put", "once", "2", {"session": [10**9, 1, 0]}])
check("a session nobody opened", ["session_expired", "unknown"],
      [answer[1], answer[7]["applied"]])

print("%d passed, %d failed" % (passed, failed))
sys.exit(0 if failed == 0 and passed > 0 else 1)
