#!/usr/bin/env python3
"""liar.py FRONT BACK [lie]: carries the client port's messages to and fro, faithfully, or
but for one answer: a get that tells what its key held at least twenty writes ago. Single
requests only. Says when it is ready; runs until it is ended."""
import sys

import msgpack
import zmq

VERSIONS_BEHIND = 20
OP, KEY = 1, 2
CODE, VERSION = 1, 5


class Liar:
    def __init__(self, must_lie):
        self.must_lie = must_lie
        self.asked = {}  # number of a request sent on -> who asked, its id, the key of a get
        self.count = 0
        self.first = {}  # key -> the first answer to a get of it

    def ask(self, sender, bytes_in):
        request = msgpack.unpackb(bytes_in)
        self.count += 1
        key = request[KEY] if request[OP] == "get" else None
        self.asked[self.count] = (sender, request[0], key)
        return msgpack.packb([self.count] + request[1:])

    def answer(self, bytes_in):
        answer = msgpack.unpackb(bytes_in)
        sender, number, key = self.asked.pop(answer[0])
        if key is not None and answer[CODE] == "ok":
            first = self.first.setdefault(key, answer)
            if self.must_lie and answer[VERSION] >= first[VERSION] + VERSIONS_BEHIND:
                answer = first
                self.must_lie = False
                print("lied about", key.decode(), flush=True)
        return sender, msgpack.packb([number] + answer[1:])


def main():
    liar = Liar(sys.argv[3:] == ["lie"])
    context = zmq.Context()
    front = context.socket(zmq.ROUTER)
    front.bind(sys.argv[1])
    back = context.socket(zmq.DEALER)
    back.connect(sys.argv[2])
    print("ready", flush=True)
    poller = zmq.Poller()
    poller.register(front, zmq.POLLIN)
    poller.register(back, zmq.POLLIN)
    while True:
        for ready, _ in poller.poll():
            if ready is front:
                sender, body = front.recv_multipart()
                back.send(liar.ask(sender, body))
            else:
                sender, body = liar.answer(back.recv())
                front.send_multipart([sender, body])


main()
