#!/usr/bin/python3
# fairness.py ENDPOINT GREEDY PID...: GREEDY clients keep their pipes full with batches of writes, far
# beyond what they may have waiting; a modest one has one request at a time. The processes PID, the
# other nodes, stand still until the first batches are there: nothing of them is decided before.
# Prints, as `name value`: how often each side was overloaded, and the latencies of the modest one and
# of the batches that were written. Only pyzmq and msgpack-python.
import os
import signal
import sys
import threading
import time

import msgpack
import zmq

BATCH, BATCHES, VALUE, TRIES = 1024, 24, b"x" * 100, 5
SECONDS, SECONDS_MAX, ANSWERED_LEAST = 2, 20, 10  # of the modest one
WRITTEN = ("created", "updated")
SERVED = WRITTEN + ("ok", "not_found")
endpoint, greedy_count = sys.argv[1], int(sys.argv[2])
others = [int(pid) for pid in sys.argv[3:]]
context = zmq.Context()


def dealer():
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.RCVTIMEO, 20000)
    socket.connect(endpoint)
    return socket


class Contest:
    def __init__(self):
        self.is_answered = threading.Event()
        self.is_over = threading.Event()
        self.is_full = threading.Barrier(greedy_count + 1)
        self.lock = threading.Lock()
        self.counts = {}
        self.batches_ms = []  # of those that were written at least in part
        self.modest_ms = []  # of those that were answered
        self.modest_overloaded = 0

    def be_greedy(self, number):
        socket = dealer()
        batches = [msgpack.packb([[at * BATCH + i, "put", "g%d/%d" % (number, i), VALUE]
                                  for i in range(BATCH)]) for at in range(BATCHES)]
        begun = [time.monotonic()] * BATCHES
        own, own_ms = {}, []
        for batch in batches:
            socket.send(batch)
        for turn in range(1 << 30):
            answers = msgpack.unpackb(socket.recv())
            self.is_answered.set()
            at = answers[0][0] // BATCH
            for answer in answers:
                own[answer[1]] = own.get(answer[1], 0) + 1
            if any(answer[1] in WRITTEN for answer in answers):
                own_ms.append((time.monotonic() - begun[at]) * 1000)
            if turn == BATCHES:
                self.is_full.wait()
            if self.is_over.is_set():
                break
            begun[at] = time.monotonic()
            socket.send(batches[at])
        with self.lock:
            for code, count in own.items():
                self.counts[code] = self.counts.get(code, 0) + count
            self.batches_ms += own_ms
        socket.close()

    def be_modest(self):
        socket = dealer()
        begun_all = time.monotonic()
        for turn in range(1 << 30):
            begun = time.monotonic()
            lasts = begun - begun_all
            is_enough = lasts > SECONDS and len(self.modest_ms) >= ANSWERED_LEAST
            if is_enough or lasts > SECONDS_MAX:
                break
            op = ["put", "modest", b"v"] if turn % 2 else ["get", "modest"]
            socket.send(msgpack.packb([1] + op))
            code = msgpack.unpackb(socket.recv())[1]
            if code in SERVED:
                self.modest_ms.append((time.monotonic() - begun) * 1000)
            self.modest_overloaded += code == "overloaded"
        socket.close()

    def run(self):
        threads = [threading.Thread(target=self.be_greedy, args=(i,))
                   for i in range(greedy_count)]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        try:
            for thread in threads:
                thread.start()
            self.is_answered.wait(10)  # what is refused is answered at once
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)
        self.is_full.wait()
        self.be_modest()
        self.is_over.set()
        for thread in threads:
            thread.join()


def of(latencies, percent):
    return round(sorted(latencies)[len(latencies) * percent // 100]) if latencies else 0


# On a busy machine the node may miss its quorum before it has taken so much: then once more.
for _ in range(TRIES):
    contest = Contest()
    contest.run()
    if contest.counts.get("overloaded", 0) > 0 and contest.batches_ms:
        break
print("modest_answered", len(contest.modest_ms))
print("modest_overloaded", contest.modest_overloaded)
print("modest_p50_ms", of(contest.modest_ms, 50))
print("modest_p99_ms", of(contest.modest_ms, 99))
print("modest_max_ms", round(max(contest.modest_ms, default=0)))
print("greedy_overloaded", contest.counts.get("overloaded", 0))
print("greedy_written", sum(contest.counts.get(code, 0) for code in WRITTEN))
print("greedy_p50_ms", of(contest.batches_ms, 50))
