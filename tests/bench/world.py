"""The feeder with both stacks behind it, idle until a measurement wants one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench import frames
from tests.bench.stacks import Processes, Service, answers, processes, wait_for
from tests.ports import HOST, free_ports


@dataclass
class World:
    running: Processes
    service: Service
    feeder: str
    gateway: str
    naive_gateway: str

    def endpoint(self, who: str) -> str:
        return self.service.run_dir.endpoint("md.deribit" if who == "ours" else "naive")

    def market_data(self, who: str) -> str:
        """The name of the process that reads the venue."""
        return "market_data" if who == "ours" else "naive_market_data"


@contextmanager
def world() -> Iterator[World]:
    feeder_port, gateway_port, naive_port = free_ports(3)
    with processes() as running:
        feeder = f"http://{HOST}:{feeder_port}"
        config = _config(feeder_port, gateway_port)
        made = World(
            running,
            Service(running, config),
            feeder,
            f"ws://{HOST}:{gateway_port}",
            f"ws://{HOST}:{naive_port}",
        )
        running.start("feeder", "tests.bench.feeder", str(feeder_port))
        wait_for("feeder", lambda: answers(f"{feeder}/api/v2/public/get_instruments"))
        made.service.start("market_data", "--venue", "deribit")
        made.service.start("gateway")
        naive = made.endpoint("naive")
        url = f"ws://{HOST}:{feeder_port}/naive"
        running.start("naive_market_data", "tests.bench.naive", "market_data", url, naive)
        running.start("naive_gateway", "tests.bench.naive", "gateway", str(naive_port), naive)
        topics = [
            f"{kind}.deribit.{name}" for kind in ("book", "depth") for name in frames.INSTRUMENTS
        ]
        running.start("sink", "tests.bench.sink", made.endpoint("ours"), *topics)
        running.start("naive_sink", "tests.bench.sink", naive)
        wait_for("gateway", lambda: _books_are_live(gateway_port))
        yield made


def _books_are_live(gateway_port: int) -> bool | None:
    names = ",".join(f"deribit.{name}" for name in frames.INSTRUMENTS)
    told = answers(f"http://{HOST}:{gateway_port}/api/v1/books?instruments={names}&levels=1")
    books = told.get("books", []) if told else []
    return len(books) == len(frames.INSTRUMENTS) and not any(b["stale"] for b in books) or None


def _config(feeder_port: int, gateway_port: int) -> dict[str, object]:
    return {
        "desk": "bench",
        "gateway": {"host": HOST, "port": gateway_port},
        "venues": {
            "deribit": {
                "websocket_url": f"ws://{HOST}:{feeder_port}/ws/api/v2",
                "http_url": f"http://{HOST}:{feeder_port}/api/v2",
                "market_data": {
                    "read_only_credentials": {"client_id": "bench", "client_secret": "bench"},
                    "check_every_s": 3600,
                },
            }
        },
    }
