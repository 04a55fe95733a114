"""The run directory: everything a desk writes, and where its sockets are.

ipc/    sockets, mode 0700          logs/   JSON lines, one file per process
state/  journals and locks          latch/  the kill switch
clock   what all clocks of the desk count from
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from common.errors import ConfigError
from common.transport.bus import Bus, Secured

MAX_SOCKET_PATH = 100
LONGEST_SOCKET_NAME = 44
LOCK = ".lock"  # of the process that binds the socket of that name
POINTER = "ipc.path"


class RunDir:
    """Paths below one run directory. A path too long for sockets gets a short private directory.

    bus: which sockets are on tcp too, or on another host.
    """

    def __init__(self, path: str | Path, bus: Bus | None = None) -> None:
        self.path = Path(path).absolute()
        self.bus = bus
        self.logs = self.path / "logs"
        self.state = self.path / "state"
        self.latch = self.path / "latch"
        self.clock = self.path / "clock"
        self.sockets = self._socket_directory()

    def _socket_directory(self) -> Path:
        direct = self.path / "ipc"
        if _fits(direct):
            return direct
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        name = f"crossdesk-{os.getuid()}-{digest}"
        told = self._told_directory()
        if told is not None and told.name == name:  # else the run directory was copied or moved
            return told
        made = Path(tempfile.gettempdir()) / name
        return made if _fits(made) else Path("/tmp") / name

    def _told_directory(self) -> Path | None:
        """The one of whoever came first here, whose TMPDIR may have been another."""
        try:
            return Path((self.path / POINTER).read_text().strip())
        except (OSError, ValueError):
            return None

    def create(self) -> None:
        """Make the directories, readable by their owner only.

        Raises:
            ConfigError: the directory cannot be made or belongs to somebody else.
        """
        for directory in (self.path, self.logs, self.state, self.latch, self.sockets):
            try:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError(str(directory), "run-dir", error.strerror or str(error)) from None
        if self.sockets.lstat().st_uid != os.getuid() or self.sockets.is_symlink():
            raise ConfigError(str(self.sockets), "run-dir", "belongs to another user")
        self.sockets.chmod(0o700)
        if self.sockets.parent != self.path:
            (self.path / POINTER).write_text(f"{self.sockets}\n")

    def clear_sockets(self) -> None:
        """Remove the sockets and locks that no living process holds, and the short directory once
        it is empty. Only while no supervisord runs here: its socket has no lock."""
        if not self.sockets.is_dir():
            return
        for path in list(self.sockets.iterdir()):
            if not _is_held(path.with_name(f"{path.name.removesuffix(LOCK)}{LOCK}")):
                path.unlink(missing_ok=True)
        if self.sockets.parent != self.path:
            with suppress(OSError):  # somebody still has a socket there
                self.sockets.rmdir()
                (self.path / POINTER).unlink(missing_ok=True)

    def endpoint(self, name: str) -> str:
        """The address of a socket of this host, e.g. endpoint("md.deribit")."""
        return f"ipc://{self.sockets / name}"

    def address(self, name: str) -> str | Secured:
        """Where to connect to: the socket's endpoint, or its address on the host that has it."""
        elsewhere = self.bus.connect.get(name) if self.bus else None
        return elsewhere or self.endpoint(name)

    def listens(self, name: str) -> Secured | None:
        """Where else to bind a socket, for other hosts."""
        return self.bus.listen.get(name) if self.bus else None

    def socket_path(self, name: str) -> Path:
        return self.sockets / name


def _fits(directory: Path) -> bool:
    return len(os.fsencode(directory)) + 1 + LONGEST_SOCKET_NAME <= MAX_SOCKET_PATH


def _is_held(lock: Path) -> bool:
    try:
        with lock.open() as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
