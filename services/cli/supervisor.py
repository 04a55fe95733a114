"""supervisord: its configuration from ours, starting and stopping it, and asking it things."""

from __future__ import annotations

import http.client
import os
import shlex
import signal
import subprocess
import sys
import time
import xmlrpc.client
from pathlib import Path
from string import Template
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from common.rundir import RunDir
from services.cli.processes import Process
from services.cli.settings import CHECKOUT, CliError

TEMPLATE = CHECKOUT / "deploy" / "supervisord.conf.template"
PROGRAM_MARK = ";; program\n"
STOP_TIMEOUT_S = 40.0
WATCHDOG = Process("watchdog", "watchdog", "health.watchdog", sockets={"health.watchdog": "XPUB"})
NOT_RUNNING_FAULT, ALREADY_STARTED_FAULT = 70, 60
NOT_THERE = (FileNotFoundError, ConnectionRefusedError, ConnectionResetError, BrokenPipeError)


class Supervisor:
    """The supervisord of one run directory."""

    def __init__(self, run_dir: RunDir) -> None:
        self.run_dir = run_dir
        self.socket = run_dir.socket_path("supervisor.sock")
        self.config_path = run_dir.path / "supervisord.conf"
        self.pid_path = run_dir.path / "supervisord.pid"

    # --- configuration ---

    def render(self, processes: list[Process], config_path: Path, log_level: str) -> str:
        """The whole supervisord configuration, from deploy/supervisord.conf.template."""
        whole = TEMPLATE.read_text()
        head, _, program = whole.partition(PROGRAM_MARK)
        common = {
            "socket": _escape(str(self.socket)),
            "pid_file": _escape(str(self.pid_path)),
            "logs": _escape(str(self.run_dir.logs)),
            "checkout": _escape(str(CHECKOUT)),
        }
        watchdog = _command(WATCHDOG, config_path, self.run_dir.path, log_level)
        listener = {"watchdog": _escape(shlex.join(watchdog))}
        sections = [Template(head).substitute(common, **listener)]
        for process in processes:
            command = _command(process, config_path, self.run_dir.path, log_level)
            sections.append(
                Template(program).substitute(
                    common,
                    name=process.name,
                    command=_escape(shlex.join(command)),
                    priority=process.priority,
                )
            )
        return "".join(sections)

    # --- life ---

    def start(self, configuration: str) -> None:
        """Start supervisord in the background; it starts the processes.

        Raises:
            CliError: it did not come up.
        """
        self.config_path.write_text(configuration)
        self.socket.unlink(missing_ok=True)
        self.run_dir.clock.unlink(missing_ok=True)  # a desk that starts reads the wall clock anew
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self.config_path)]
        done = subprocess.run(
            command, cwd=CHECKOUT, capture_output=True, text=True, timeout=30, umask=0o077
        )
        if done.returncode != 0:
            problem = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
            raise CliError(f"supervisord did not start: {problem[0]}")

    def pid(self) -> int | None:
        """The pid of the running supervisord, None when there is none."""
        try:
            return int(self.call("getPID"))
        except NOT_THERE:
            return None

    def stop(self) -> bool:
        """Stop all processes and supervisord, and wait. False: nothing was running.

        Raises:
            CliError: it is still there after 40 s.
        """
        pid = self.pid()
        if pid is None:
            self.run_dir.clear_sockets()
            return False
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while _alive(pid):
            if time.monotonic() > deadline:
                raise CliError(f"supervisord (pid {pid}) did not stop within {STOP_TIMEOUT_S:g} s")
            time.sleep(0.05)
        self.run_dir.clear_sockets()
        return True

    def start_process(self, name: str, *, wait: bool = False) -> None:
        """Fine if it runs already. wait: until it has stayed up for a second. Raises: CliError."""
        self._tell("startProcess", name, wait, fine=ALREADY_STARTED_FAULT)

    def stop_process(self, name: str, *, wait: bool = True) -> bool:
        """Stop it; False: it did not run. wait: until it has ended. Raises: CliError."""
        return self._tell("stopProcess", name, wait, fine=NOT_RUNNING_FAULT)

    def _tell(self, method: str, *arguments: object, fine: int) -> bool:
        """fine: the fault that says that it is so already."""
        try:
            return bool(self.call(method, *arguments))
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == fine:
                return False
            raise CliError(f"supervisord: {fault.faultString}") from None
        except NOT_THERE:
            raise CliError("supervisord does not answer") from None

    # --- questions ---

    def call(self, method: str, *arguments: object) -> Any:
        """One call of supervisord's XML-RPC interface over its unix socket.

        Raises:
            FileNotFoundError, ConnectionError: it is not running.
        """
        transport = SupervisorTransport(None, None, f"unix://{self.socket}")
        server = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
        try:
            return getattr(server.supervisor, method)(*arguments)
        except http.client.HTTPException as error:
            raise ConnectionResetError(str(error)) from None
        finally:
            transport.close()

    def states(self) -> list[dict[str, Any]]:
        """getAllProcessInfo; an empty list when supervisord is not running."""
        try:
            return list(self.call("getAllProcessInfo"))
        except NOT_THERE:
            return []


def _command(process: Process, config_path: Path, run_dir: Path, log_level: str) -> list[str]:
    command = [sys.executable, "-m", f"services.{process.service}"]
    command += ["--config", str(config_path), "--run-dir", str(run_dir)]
    if process.venue:
        command += ["--venue", process.venue]
    if process.account:
        command += ["--account", process.account]
    if process.strategy:
        command += ["--name", process.strategy]
    return [*command, "--log-level", log_level]


def _escape(text: str) -> str:
    return text.replace("%", "%%")


def _alive(pid: int) -> bool:
    """Running, and not merely waiting for its parent to collect it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")
