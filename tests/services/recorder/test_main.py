"""The recorder as a process: a directory that cannot be written degrades it and ends nothing."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zmq

from common import codec, config as configuration, messages as m
from common.rundir import RunDir
from services.recorder import recording
from services.recorder.shell import Directory
from tests.services.recorder.test_files import book

CHECKOUT = Path(__file__).parents[3]
CONFIG = """
desk: test
venues: {}
recorder: {topics: [health.], directory: %s}
"""


def command(config: Path, run_dir: Path) -> list[str]:
    words = [sys.executable, "-m", "services.recorder"]
    return [*words, "--config", str(config), "--run-dir", str(run_dir)]


def test_a_directory_that_cannot_be_made_degrades_the_recorder(tmp_path: Path) -> None:
    config = tmp_path / "desk.yaml"
    config.write_text(CONFIG % "/proc/none/recordings")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.connect(RunDir(tmp_path / "run").endpoint("health.recorder"))
    socket.subscribe(b"health.")
    process = subprocess.Popen(command(config, tmp_path / "run"), cwd=CHECKOUT)
    try:
        deadline = time.monotonic() + 60
        state = ""
        while state != "degraded" and time.monotonic() < deadline:
            if socket.poll(200):
                beat = codec.decode(socket.recv())[1].message
                assert isinstance(beat, m.Health)
                state = beat.state
        assert state == "degraded" and "recording has stopped: /proc/none" in beat.text
        assert process.poll() is None
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        socket.close()
        context.term()


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("", "topics"),
        ("topics: [a], rotate_mb: 0", "rotate_mb"),
        ("topics: ['']", "empty"),
        ("topics: [foo.bar]", "recorder.topics: no topic begins with 'foo'"),
    ],
)
def test_a_bad_configuration_is_one_sentence(tmp_path: Path, setting: str, problem: str) -> None:
    config = tmp_path / "desk.yaml"
    config.write_text(f"desk: test\nvenues: {{}}\nrecorder: {{{setting or 'topics: []'}}}\n")
    done = subprocess.run(
        command(config, tmp_path / "run"), cwd=CHECKOUT, capture_output=True, text=True
    )
    assert done.returncode == 78
    assert problem in done.stderr.splitlines()[0] and "Traceback" not in done.stderr


def test_a_disk_with_no_room_left_keeps_what_was_flushed(tmp_path: Path) -> None:
    directory = Directory(tmp_path, 10**9)
    directory.append(book(1, 2))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = next(tmp_path.glob("*.open.tmp")).stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 2_000, hard))
    try:
        with pytest.raises(OSError):
            for _ in range(100):
                directory.append(book(*range(3, 300)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    directory._lock.close()
    assert Directory(tmp_path, 10**9).recover() == 1


def test_what_is_on_another_host_is_recorded_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "desk.yaml"
    path.write_text(
        "desk: test\n"
        "venues: {v: {websocket_url: 'ws://x', http_url: 'http://x'}}\n"
        "recorder: {topics: [book.]}\n"
        "bus: {key_file: bus.key, connect:"
        f" {{md.v: {{address: 'tcp://127.0.0.1:1', public_key: {'a' * 40}}}}}}}\n"
    )
    config = configuration.load(path)
    subscribed: list[str] = []

    def shell(*_: object, subscribe: list[str], **__: object) -> None:
        subscribed.extend(subscribe)
        raise LookupError  # what is asked of it is enough

    monkeypatch.setattr(recording, "Shell", shell)
    assert config.recorder is not None
    with pytest.raises(LookupError):
        recording.recorder(config, config.recorder, RunDir(tmp_path / "run"), "recorder")
    assert "md.v" in subscribed
