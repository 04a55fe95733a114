"""The connection of who asks: told of by a monitor that nobody may read for long."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import zmq

from common.transport.requests import Connection
from tests.ports import free_port

MORE_THAN_FIT = 2200  # events, into two queues of 1000
AT_ONCE = 20  # connections of one socket


@pytest.fixture
def hasty() -> Iterator[str]:
    """Somebody who takes connections and ends them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    listener.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_events_that_nobody_reads_stop_no_other_socket(hasty: str) -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.RECONNECT_IVL, 1)
        unread = Connection(dealer)
        watched = Connection(other := context.socket(zmq.DEALER))
        other.setsockopt(zmq.LINGER, 0)
        other.setsockopt(zmq.RECONNECT_IVL, 1)
        for _ in range(AT_ONCE):
            dealer.connect(hasty)
            other.connect(hasty)
        for _ in range(MORE_THAN_FIT):
            assert watched.monitor.poll(60_000)
            watched.monitor.recv_multipart()
        watched.close()
        other.close()
        unread.close()


def test_who_came_back_before_is_not_told_of() -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.RECONNECT_IVL, 10)
        connection = Connection(dealer)
        port = free_port()
        dealer.connect(f"tcp://127.0.0.1:{port}")
        with zmq.Context() as own, own.socket(zmq.ROUTER) as first:
            first.bind(f"tcp://127.0.0.1:{port}")
            assert not connection.came_back(_next(connection))
        assert not connection.came_back(_next(connection))  # it is gone
        connection.catch_up()
        with zmq.Context() as own, own.socket(zmq.ROUTER) as second:
            second.bind(f"tcp://127.0.0.1:{port}")
            assert connection.came_back(_next(connection))
        connection.close()


def _next(connection: Connection) -> list[bytes]:
    assert connection.monitor.poll(60_000)
    return connection.monitor.recv_multipart()
