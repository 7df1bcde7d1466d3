#!/usr/bin/python3
# fairness.py ENDPOINT [GREEDY]: GREEDY clients (1) keep their pipes full with batches of writes, far
# beyond what they may have waiting; a modest one has one request at a time. Prints, as `name value`:
# how often the greedy were overloaded, and the latencies of the modest one. Only pyzmq and
# msgpack-python.
import sys
import threading
import time

import msgpack
import zmq

BATCH, BATCHES, VALUE, SECONDS = 1024, 24, b"x" * 100, 2
endpoint, greedy_count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
context = zmq.Context()
is_over = threading.Event()
is_full = threading.Barrier(greedy_count + 1)
counts = {}
lock = threading.Lock()


def dealer():
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.RCVTIMEO, 20000)
    socket.connect(endpoint)
    return socket


def be_greedy(number):
    socket = dealer()
    batch = msgpack.packb([[i, "put", "g%d/%d" % (number, i), VALUE] for i in range(BATCH)])
    for _ in range(BATCHES):
        socket.send(batch)
    own = {}
    for turn in range(1 << 30):
        for answer in msgpack.unpackb(socket.recv()):
            own[answer[1]] = own.get(answer[1], 0) + 1
        if turn == BATCHES:
            is_full.wait()
        if is_over.is_set():
            break
        socket.send(batch)
    with lock:
        for code, count in own.items():
            counts[code] = counts.get(code, 0) + count
    socket.close()


threads = [threading.Thread(target=be_greedy, args=(i,)) for i in range(greedy_count)]
for thread in threads:
    thread.start()
modest = dealer()
is_full.wait()
latencies, refused = [], 0
end = time.monotonic() + SECONDS
while time.monotonic() < end:
    op = ["put", "modest", b"v"] if len(latencies) % 2 else ["get", "modest"]
    begun = time.monotonic()
    modest.send(msgpack.packb([1] + op))
    code = msgpack.unpackb(modest.recv())[1]
    latencies.append((time.monotonic() - begun) * 1000)
    refused += code not in ("created", "updated", "ok", "not_found")
is_over.set()
for thread in threads:
    thread.join()
latencies.sort()
print("modest_requests", len(latencies))
print("modest_refused", refused)
print("modest_p50_ms", round(latencies[len(latencies) // 2]))
print("modest_p99_ms", round(latencies[len(latencies) * 99 // 100]))
print("modest_max_ms", round(latencies[-1]))
print("greedy_overloaded", counts.get("overloaded", 0))
print("greedy_written", counts.get("created", 0) + counts.get("updated", 0))
