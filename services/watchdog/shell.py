"""supervisord's event listener protocol on stdin and stdout, signals, and telling people."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from loguru import logger

from common.transport.loop import Shell
from common.transport.receivers import Courier
from services.cli.settings import CliError
from services.cli.supervisor import Supervisor
from services.watchdog.core import AT_REST
from services.watchdog.events import GiveUp, Kill, ProcessChanged, ProcessesListed, Tell

STDIN, STDOUT = 0, 1
READ_BYTES = 65536
PREFIX = "PROCESS_STATE_"
MAX_BUFFER = 1 << 20
WAKES, WAKE_S = 3, 0.05
ASK_AGAIN_S = 0.2
STOP_S = 60.0


class Listener:
    """Feeds a shell's core with process states, and carries out what it decides."""

    def __init__(
        self, shell: Shell, supervisor: Supervisor, desk: str, couriers: Sequence[Courier] = ()
    ) -> None:
        """desk: its name, which people are told with each alert."""
        self._shell = shell
        self._supervisor = supervisor
        self._desk = desk
        self._couriers = couriers
        self._buffer = b""
        shell.extend(Kill, self._kill)
        shell.extend(GiveUp, self._give_up)
        shell.extend(Tell, self._tell)
        shell.on_start(self._start)

    async def _start(self) -> None:
        """Every process as it is now: what happened before we were there nobody tells again."""
        self._in_background(self._read_states)
        os.set_blocking(STDIN, False)
        self._shell.loop.add_reader(STDIN, self._on_readable)
        self._say("READY\n")

    def _read_states(self) -> None:
        while not (rows := self._supervisor.states()):
            time.sleep(ASK_AGAIN_S)
        listed = [
            ProcessChanged(
                row["name"], row["statename"], int(row["pid"]), max(0, row["now"] - row["start"])
            )
            for row in rows
        ]
        self._shell.loop.call_soon_threadsafe(self._shell.feed, ProcessesListed(listed))

    # --- supervisord's protocol ---------------------------------------------------------------

    @staticmethod
    def _say(text: str) -> None:
        os.write(STDOUT, text.encode())

    def _on_readable(self) -> None:
        try:
            data = os.read(STDIN, READ_BYTES)
        except BlockingIOError:
            return
        if not data or len(self._buffer) > MAX_BUFFER:  # supervisord is gone
            self._shell.loop.remove_reader(STDIN)
            self._shell.stop()
            return
        self._buffer += data
        while (event := self._next_event()) is not None:
            self._say("RESULT 2\nOKREADY\n")
            self._on_event(*event)

    def _next_event(self) -> tuple[str, dict[str, str]] | None:
        """The name and the body of the first whole event of the buffer."""
        line, mark, rest = self._buffer.partition(b"\n")
        if not mark:
            return None
        header = _pairs(line.decode("utf-8", "replace"))
        length = int(header.get("len", "0"))
        if len(rest) < length:
            return None
        self._buffer = rest[length:]
        return header.get("eventname", ""), _pairs(rest[:length].decode("utf-8", "replace"))

    def _on_event(self, name: str, body: dict[str, str]) -> None:
        if name.startswith(PREFIX) and "processname" in body:
            state, pid = name.removeprefix(PREFIX), int(body.get("pid", "0"))
            self._shell.feed(ProcessChanged(body["processname"], state, pid))

    # --- doing --------------------------------------------------------------------------------

    def _kill(self, command: Kill) -> None:
        try:
            os.kill(command.pid, signal.SIGKILL)
        except ProcessLookupError:
            logger.info("{} was gone already", command.name)
        self._in_background(self._wake_supervisord)

    def _wake_supervisord(self) -> None:
        """It looks after its children once a second, or when somebody calls it."""
        for _ in range(WAKES):
            time.sleep(WAKE_S)
            self._supervisor.states()

    def _give_up(self, command: GiveUp) -> None:
        self._in_background(partial(self._stop_process, command.name))

    def _stop_process(self, name: str) -> None:
        """Also one that has ended and is started again: supervisord stops only what runs."""
        deadline = time.monotonic() + STOP_S
        try:
            while not self._supervisor.stop_process(name, wait=False) and not self._rests(name):
                if time.monotonic() > deadline:
                    raise CliError("it ends and starts all the time")
                time.sleep(ASK_AGAIN_S)
        except CliError as error:
            logger.warning("{} was not stopped: {}", name, error.text)

    def _rests(self, name: str) -> bool:
        states = {row["name"]: row["statename"] for row in self._supervisor.states()}
        return states.get(name) in AT_REST

    def _tell(self, command: Tell) -> None:
        for courier in self._couriers:
            courier.give(f"desk {self._desk}: {command.text}")

    @staticmethod
    def _in_background(work: Any) -> None:
        threading.Thread(target=work, daemon=True).start()


def _pairs(text: str) -> dict[str, str]:
    """ "a:1 b:2" as supervisord writes it."""
    words = (word.partition(":") for word in text.split())
    return {key: value for key, _, value in words}
