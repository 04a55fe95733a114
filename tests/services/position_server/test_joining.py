"""Joining a busy position server's topic over real sockets, and losing its last word."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

import common.transport.loop as loop_module
from common import core as c, messages as m
from common.client import Client, Lost, Received
from common.rundir import RunDir
from common.transport.loop import Shell
from services.position_server.events import SaveDay
from tests.services.position_server.scenes import Scene, fill
from tests.transport.test_shell import Running, wait_for

TOPIC = "account.sim.main"
TOTAL = 1_500  # fills
AT_ONCE = 5
EVERY_S = 0.005
JOINERS = 12
PATIENCE_S = 60.0
SILENT = "the publisher is silent"


class Server:
    """A real core on real sockets; fills are fed to it, each moves the position by one."""

    def __init__(self, run_dir: RunDir) -> None:
        core = Scene().started().core
        self.shell = Shell("position_server", core, run_dir, publisher="positions.sim.main")
        for kind in (c.LinkOpen, c.LinkSend, c.LinkClose, SaveDay):  # there is no venue, no disk
            self.shell.extend(kind, lambda command: None)
        self.done = 0
        self.running = Running(self.shell)

    def start(self) -> None:
        self.shell.loop.call_soon_threadsafe(self._work)

    def _work(self) -> None:
        for _ in range(min(AT_ONCE, TOTAL - self.done)):
            self.done += 1
            message = fill(self.done, 1, 100, at=self.done)
            self.shell.feed(c.BusMessage("fill.sim.main.me", message, 1, 1, 0, 0, 0, 0))
        if self.done < TOTAL:
            self.shell.loop.call_later(EVERY_S, self._work)

    def lose_a_message(self) -> None:
        """One that was numbered and never arrived."""
        publisher = self.shell._publisher
        publisher._sequences[TOPIC] += 1
        publisher._changed.add(TOPIC)


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    return RunDir(tmp_path / "run")


@pytest.fixture
def server(run_dir: RunDir, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(loop_module.uvloop, "new_event_loop", asyncio.SelectorEventLoop)
    made = Server(run_dir)
    yield made
    made.running.stop()


def quantity_of(message: m.Event) -> int | None:
    """Of a snapshot or an update of the position; None of anything else."""
    if isinstance(message, m.AccountSnapshot):
        return int(message.positions[0].quantity) if message.positions else 0
    return int(message.quantity) if isinstance(message, m.PositionUpdated) else None


def followed(client: Client) -> list[int]:
    """The position after each message, until it is the last one; nothing may be lost.

    On a machine that stops for seconds a reader may think the publisher silent, and joins again.
    """
    quantities: list[int] = []
    sequence = None
    for received in client.messages(timeout_s=PATIENCE_S):
        if isinstance(received, Lost):
            assert received.reason == SILENT
            quantities, sequence = [], None
            continue
        assert quantities or isinstance(received.message, m.AccountSnapshot)
        assert sequence is None or received.sequence == sequence + 1
        sequence, quantity = received.sequence, quantity_of(received.message)
        if quantity is not None:
            quantities.append(quantity)
        if quantities[-1] == TOTAL:
            break
    return quantities


def test_row_58_joiners_of_a_busy_account_miss_nothing(server: Server, run_dir: RunDir) -> None:
    clients = [Client(run_dir, f"joiner{number}") for number in range(JOINERS)]
    try:
        server.start()
        for number, client in enumerate(clients):
            wait_for(lambda: server.done >= number * TOTAL // (2 * JOINERS))  # noqa: B023
            client.subscribe_account("sim")
        for client in clients:
            quantities = followed(client)
            assert quantities == list(range(quantities[0], TOTAL + 1))
    finally:
        for client in clients:
            client.close()


def test_row_61_the_loss_of_an_accounts_last_message_is_told_and_made_good(
    server: Server, run_dir: RunDir
) -> None:
    server.start()
    with Client(run_dir, "reader") as client:
        client.subscribe_account("sim")
        assert followed(client)[-1] == TOTAL
        server.shell.loop.call_soon_threadsafe(server.lose_a_message)
        told = client.messages(timeout_s=PATIENCE_S)
        assert Lost(TOPIC, "the last messages are missing") in told  # reads up to it
        fresh = next(received for received in told if isinstance(received, Received))
        assert quantity_of(fresh.message) == TOTAL
