"""Reads everything that a publisher sends, so that publishing costs what it costs.

python -m tests.bench.sink ZMQ_ENDPOINT [TOPIC ...]
"""

from __future__ import annotations

import sys

import zmq


def main() -> None:
    subscriber = zmq.Context().socket(zmq.SUB)
    subscriber.setsockopt(zmq.RCVHWM, 0)
    for topic in sys.argv[2:] or [""]:
        subscriber.setsockopt(zmq.SUBSCRIBE, topic.encode() + (b"\0" if topic else b""))
    subscriber.connect(sys.argv[1])
    while True:
        subscriber.recv()


if __name__ == "__main__":
    main()
