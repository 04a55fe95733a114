from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
import zmq

from common.errors import ConfigError
from common.rundir import MAX_SOCKET_PATH, RunDir
from common.transport import sockets


def test_sockets_lie_below_the_run_directory_and_are_private() -> None:
    run_dir = RunDir(Path(tempfile.mkdtemp()) / "d")
    run_dir.create()
    assert run_dir.endpoint("md.x") == f"ipc://{run_dir.path}/ipc/md.x"
    assert run_dir.sockets.stat().st_mode & 0o777 == 0o700
    for directory in (run_dir.sockets, run_dir.logs, run_dir.state, run_dir.latch):
        directory.rmdir()
    run_dir.path.rmdir()
    run_dir.path.parent.rmdir()


def test_a_long_run_directory_gets_a_short_private_one_and_a_pointer(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path / ("x" * 60) / ("y" * 60))
    run_dir.create()
    path = run_dir.socket_path("position_queries.deribit.a_long_account_name")
    assert len(os.fsencode(path)) <= MAX_SOCKET_PATH
    assert (run_dir.path / "ipc.path").read_text().strip() == str(run_dir.sockets)
    assert RunDir(run_dir.path).sockets == run_dir.sockets
    run_dir.sockets.rmdir()


def test_the_short_directory_is_the_first_one_whatever_tmpdir_is_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Path(tempfile.mkdtemp(dir="/tmp"))  # the one of the tests may be too long
    run_dir = RunDir(tmp_path / ("x" * 90))
    run_dir.create()
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    assert RunDir(run_dir.path).sockets == run_dir.sockets
    copy = tmp_path / ("y" * 90)
    run_dir.path.rename(copy)
    assert RunDir(copy).sockets.parent == short  # not the other's
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("z" * 90)))
    assert RunDir(copy).sockets.parent == Path("/tmp")
    run_dir.sockets.rmdir()
    short.rmdir()


def test_what_nobody_holds_is_removed_and_what_lives_stays(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path / ("x" * 90))
    run_dir.create()
    for name in ("md.dead", "supervisor.sock"):
        run_dir.socket_path(name).touch()
    run_dir.socket_path("md.dead.lock").touch()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with context.socket(zmq.XPUB) as socket:
        lock = sockets.bind(socket, run_dir.endpoint("md.alive"))
        run_dir.clear_sockets()
        left = {path.name for path in run_dir.sockets.iterdir()}
        assert left == {"md.alive", "md.alive.lock"}
    assert lock is not None
    lock.close()
    context.term()
    run_dir.clear_sockets()
    assert not run_dir.sockets.exists() and not (run_dir.path / "ipc.path").exists()
    run_dir.clear_sockets()


def test_a_socket_directory_below_the_run_directory_stays(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path)
    run_dir.sockets = tmp_path / "ipc"
    run_dir.create()
    run_dir.socket_path("md.dead").touch()
    run_dir.clear_sockets()
    assert list(run_dir.sockets.iterdir()) == []


def test_two_run_directories_never_share_sockets(tmp_path: Path) -> None:
    one, other = RunDir(tmp_path / ("x" * 90) / "a"), RunDir(tmp_path / ("x" * 90) / "b")
    assert one.sockets != other.sockets


def test_a_run_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="run-dir"):
        RunDir(tmp_path / "file" / "run").create()
