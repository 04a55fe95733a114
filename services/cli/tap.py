"""`crossdesk tap`: what passes on the bus, as it is; needs no running gateway."""

from __future__ import annotations

from typing import Annotated, Any

import msgpack
import typer
import zmq

from common.codec import subscription
from common.config import DeskConfig
from services.cli import output
from services.cli.processes import processes
from services.cli.settings import CliError, Settings, UsageError
from services.cli.supervisor import Supervisor
from services.recorder.topics import problem_of

ENVELOPE = (
    "schema",
    "publisher_start_ns",
    "sequence",
    "venue_sequence",
    "venue_time_ns",
    "received_ns",
    "sent_ns",
    "message",
)


def register(app: typer.Typer) -> None:
    app.command()(tap)


def tap(
    context: typer.Context,
    topics: Annotated[
        list[str],
        typer.Argument(
            metavar="TOPIC...",
            help='Exact, e.g. quote.deribit.BTC-PERPETUAL, or a prefix that ends in "."',
        ),
    ],
    count: Annotated[int, typer.Option("--count", "-n", min=0, help="Stop after so many.")] = 0,
) -> None:
    """Print bus messages until Ctrl-C. An exact topic starts the venue's feed, a prefix not."""
    settings: Settings = context.obj
    config = settings.load_config()
    if problem := problem_of(topics, config):
        raise UsageError(problem, "topics")
    if Supervisor(settings.run_dir).pid() is None:
        raise CliError(f"no desk runs in {settings.run_dir.path}; start one with `crossdesk up`")
    socket = _socket(settings, config)
    try:
        for topic in topics:
            socket.subscribe(subscription(topic))
        seen = 0
        while not count or seen < count:
            seen += _show(socket.recv(), settings.as_json)
    finally:
        socket.close()


def _socket(settings: Settings, config: DeskConfig) -> zmq.Socket[bytes]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, 0)
    for process in processes(config):
        for name, kind in process.sockets.items():
            if kind == "XPUB":
                socket.connect(settings.run_dir.endpoint(name))
    return socket


def _show(frame: bytes, as_json: bool) -> int:
    topic, _, body = frame.partition(b"\0")
    envelope = dict(zip(ENVELOPE, msgpack.unpackb(body), strict=False))
    message: list[Any] = envelope["message"]
    if as_json:
        output.print_json({"topic": topic.decode(), **envelope})
    else:
        fields = " ".join(str(field) for field in message[1:])
        print(f"{topic.decode()} #{envelope['sequence']} {message[0]} {fields}", flush=True)
    return 1
