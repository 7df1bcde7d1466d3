"""Clients of the documented HTTP API that write down what they asked and were told.

The history is text in the format of tests/lincheck/lines.h. Values are unique: a number, and a
pattern that follows from it. Keys are of three sorts: a few hot ones that change every EPOCH
seconds, so that each key's history stays short; older ones, now and then; and keys that are
written once.
"""
import http.client
import random
import socket
import threading
import time

EPOCH = 8.0
HOT_KEYS = 5
THINK = 0.03
PATIENCE = 4.0  # longer than the longest ?timeout=
STATUS_FAILED = (429, 503, 507)  # certainly not applied


def value_of(number):
    extra = 40000 if number % 97 == 0 else number * 7919 % 300
    return b"%d|" % number + bytes([97 + number % 26]) * extra


def number_of(body):
    """The number that the value names, or None: bytes that nobody wrote."""
    head = body.split(b"|", 1)[0]
    if not head.isdigit() or len(head) > 18 or value_of(int(head)) != body:
        return None
    return int(head)


class Connection:
    """To one node at a time; knows whether anything may have reached it."""

    def __init__(self, addresses, port):
        self.addresses = addresses
        self.port = port
        self.http = None

    def close(self):
        if self.http is not None:
            self.http.close()
            self.http = None

    def ask(self, node, method, path, body, headers):
        """(status, headers, body); status 0: never sent; None: sent, no answer."""
        if self.http is None or self.http.host != self.addresses[node]:
            self.close()
            self.http = http.client.HTTPConnection(self.addresses[node], self.port,
                                                   timeout=PATIENCE)
            try:
                self.http.connect()
                self.http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                self.close()
                return 0, {}, b""
        try:
            self.http.request(method, path, body, headers)
            reply = self.http.getresponse()
            return reply.status, reply.headers, reply.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return None, {}, b""


class Workload:
    def __init__(self, addresses, port, seed, count, path):
        self.addresses = addresses
        self.port = port
        self.seed = seed
        self.count = count
        self.history = open(path, "w", encoding="ascii", buffering=1 << 16)
        self.lock = threading.Lock()
        self.next_value = 0
        self.seen = {}   # key: a revision that was told of it
        self.keys = {}   # every key that was ever asked for, in order
        self.once = {}   # key: the number acknowledged for it
        self.statuses = {}
        self.begun = time.monotonic()
        self.is_over = threading.Event()
        self.problem = None
        self.threads = [threading.Thread(target=self._guard, args=(i,), daemon=True)
                        for i in range(count)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join(PATIENCE * 3)

    # ---- one client --------------------------------------------------------------------

    def _guard(self, client):
        try:
            self._work(client)
        except Exception as problem:  # a client that falls silent would be no test
            self.problem = f"client {client}: {problem!r}"
            raise

    def _work(self, client):
        chance = random.Random(self.seed * 1000 + client)
        connection = Connection(self.addresses, self.port)
        node = client % len(self.addresses)
        while not self.is_over.is_set():
            status = self._operate(client, chance, connection, node)
            if status in (0, None, 429, 503, 504, 507) or chance.random() < 0.05:
                node = chance.randrange(len(self.addresses))
            time.sleep(THINK * chance.uniform(0.3, 1.7) if status else 0.1)
        connection.close()

    def _draw_key(self, chance):
        epoch = int((time.monotonic() - self.begun) / EPOCH)
        if epoch > 0 and chance.random() < 0.04:
            epoch = chance.randrange(epoch)
        return f"e{epoch}-{chance.randrange(HOT_KEYS)}"

    def _operate(self, client, chance, connection, node):
        kind = chance.random()
        if kind < 0.12:
            with self.lock:
                key = f"once-{self.next_value + 1}"
            return self.put(client, connection, node, key, None, "2s")
        key = self._draw_key(chance)
        limit = chance.choice(("200ms", "1s", "2s"))
        if kind < 0.45:
            return self.get(client, connection, node, key, limit)
        condition = None
        if chance.random() < 0.45:
            seen = self.seen.get(key, 1)
            condition = chance.choice(("absent", "exists", f"rev:{seen}", f"rev:{seen}"))
        if kind < 0.92:
            return self.put(client, connection, node, key, condition, limit)
        if condition == "absent":  # of a delete that would be refused as nonsense
            condition = None
        return self.delete(client, connection, node, key, condition, limit)

    # ---- operations -------------------------------------------------------------------

    def get(self, client, connection, node, key, limit):
        called = time.monotonic_ns()
        status, headers, body = connection.ask(node, "GET", f"/{key}?timeout={limit}",
                                               None, {})
        returned = time.monotonic_ns()
        if status == 200:
            number = number_of(body)
            self._note(client, called, returned, "get", key,
                       "?" if number is None else number, "-", "found", headers)
        elif status == 404:
            self._note(client, called, returned, "get", key, "-", "-", "absent", headers)
        else:
            self._count("get", status)
        return status

    def put(self, client, connection, node, key, condition, limit):
        with self.lock:
            self.next_value += 1
            number = self.next_value
        if key.startswith("once-"):
            key = f"once-{number}"
        called = time.monotonic_ns()
        status, headers, _ = connection.ask(node, "PUT", f"/{key}?timeout={limit}",
                                            value_of(number), headers_for(condition))
        returned = time.monotonic_ns()
        outcome = {201: "created", 200: "updated"}.get(status) or outcome_of(status)
        self._note(client, called, returned, "put", key, number, condition or "-", outcome,
                   headers)
        if key.startswith("once-") and outcome == "created":
            self.once[key] = number
        return status

    def delete(self, client, connection, node, key, condition, limit):
        called = time.monotonic_ns()
        status, headers, _ = connection.ask(node, "DELETE", f"/{key}?timeout={limit}", None,
                                            headers_for(condition))
        returned = time.monotonic_ns()
        outcome = {200: "deleted", 404: "absent"}.get(status) or outcome_of(status)
        self._note(client, called, returned, "delete", key, "-", condition or "-", outcome,
                   headers)
        return status

    # ---- what was told ----------------------------------------------------------------

    def _count(self, kind, word):
        with self.lock:
            self.statuses[(kind, word)] = self.statuses.get((kind, word), 0) + 1

    def _note(self, client, called, returned, kind, key, value, condition, outcome, headers):
        is_open = outcome == "unknown"
        revision = (headers.get("ETag") or "").strip('"')
        seen = headers.get("Consens-Revision") or "-"
        if outcome in ("absent", "refused") and not revision:
            revision = "0"
        if outcome == "deleted" or is_open or outcome == "failed":
            revision = ""
        end = "-" if is_open else returned
        line = (f"{client} {called} {end} {kind} {key} {value} {condition} {outcome} "
                f"{revision or '-'} {'-' if is_open or outcome == 'failed' else seen}\n")
        with self.lock:
            self.history.write(line)
            self.keys[key] = True
            if revision.isdigit() and revision != "0":
                self.seen[key] = revision
            word = (kind, outcome)
            self.statuses[word] = self.statuses.get(word, 0) + 1

    # ---- the end ----------------------------------------------------------------------

    def read_everything(self):
        """Every key once more, spread over the nodes; answers how many of the acknowledged
        writes of keys that were written once are missing, with an example."""
        connection = Connection(self.addresses, self.port)
        missing = []
        for at, key in enumerate(list(self.keys)):
            for attempt in range(20):
                node = (at + attempt) % len(self.addresses)
                called = time.monotonic_ns()
                status, headers, body = connection.ask(node, "GET", f"/{key}", None, {})
                if status in (200, 404):
                    break
                time.sleep(0.2)
            else:
                missing.append(f"{key} cannot be read: {status}")
                continue
            number = number_of(body) if status == 200 else None
            self._note(self.count, called, time.monotonic_ns(), "get", key,
                       "-" if status == 404 else "?" if number is None else number, "-",
                       "absent" if status == 404 else "found", headers)
            if key in self.once and self.once[key] != number:
                missing.append(f"{key}: acknowledged {self.once[key]}, read {number}")
        connection.close()
        self.history.close()
        return missing


def headers_for(condition):
    if condition is None:
        return {}
    if condition == "absent":
        return {"If-None-Match": "*"}
    if condition == "exists":
        return {"If-Match": "*"}
    return {"If-Match": f'"{condition[4:]}"'}


def outcome_of(status):
    if status == 412:
        return "refused"
    if status == 0 or status in STATUS_FAILED:
        return "failed"
    if status in (None, 504):
        return "unknown"
    raise ValueError(f"an answer that no request may get: {status}")
