#!/usr/bin/env python3
"""Writes unique keys and remembers which writes were acknowledged; later asks for them all.

load.py write FILE SECONDS THREADS PORT...   appends `key value` to FILE for each 200/201
load.py check FILE PORT                      every acknowledged key must answer its value

A client of the documented HTTP API only; it knows nothing of the insides. Bounded in time and,
by closed-loop clients, in count. A 503 or 429 promises that nothing was written: those keys are
remembered as `!key` and checked to be absent.
"""
import http.client
import sys
import threading
import time

PATIENCE_SECONDS = 20  # of a check, with a node that answers 429, 503 or 504


def write(path, seconds, threads, ports):
    end = time.monotonic() + seconds
    lock = threading.Lock()
    out = open(path, "a", buffering=1)
    counts = {}

    def client(number):
        connection = None
        count = 0
        at = number
        while time.monotonic() < end:
            count += 1
            key = f"w{number}-{time.time_ns()}"
            value = f"value-{number}-{count}-" + "x" * (count % 200)
            try:
                if connection is None:
                    port = ports[at % len(ports)]
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=8)
                connection.request("PUT", "/" + key, value)
                reply = connection.getresponse()
                reply.read()
                status = reply.status
            except OSError:
                status, connection, at = 0, None, at + 1
                time.sleep(0.02)
            except http.client.HTTPException:
                status, connection, at = 0, None, at + 1
            with lock:
                counts[status] = counts.get(status, 0) + 1
                if status in (200, 201):
                    out.write(f"{key} {value}\n")
                elif status in (429, 503):
                    out.write(f"!{key} -\n")
            if status in (429, 503, 504):
                connection, at = None, at + 1
                time.sleep(0.02)

    running = [threading.Thread(target=client, args=(i,)) for i in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    print("answers:", dict(sorted(counts.items())))


def get(port, key, connection):
    """(status, body, connection); asked again while the node only says that it cannot tell now."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
        connection.request("GET", "/" + key)
        reply = connection.getresponse()
        body = reply.read().decode()
        if reply.status not in (429, 503, 504) or time.monotonic() >= end:
            return reply.status, body, connection
        connection.close()
        connection = None
        time.sleep(0.05)


def check(path, port):
    connection = None
    wrong = total = refused = 0
    for line in open(path):
        key, value = line.split()
        status, body, connection = get(port, key.lstrip("!"), connection)
        if key.startswith("!"):
            refused += 1
            bad = status != 404
        else:
            total += 1
            bad = status != 200 or body != value
        if bad:
            wrong += 1
            print(f"{key}: status {status}, expected {value[:40]}, got {body[:40]}")
        if status not in (200, 404):
            break  # it does not serve: no other key would tell more
    print(f"{total} acknowledged, {refused} refused, {wrong} wrong")
    return 1 if wrong or not total else 0


if sys.argv[1] == "write":
    write(sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), [int(p) for p in sys.argv[5:]])
else:
    sys.exit(check(sys.argv[2], int(sys.argv[3])))
