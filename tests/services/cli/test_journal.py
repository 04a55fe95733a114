"""The commands that read journals, with no desk running."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from common import messages as m
from common.rundir import RunDir
from common.transport import segments
from common.transport.journal import SegmentedLog
from services.cli.__main__ import main
from services.trading_engine import storage
from tests.services.trading_engine.kit import Bench


@pytest.fixture
def bench() -> Bench:
    made = Bench().start()
    order = made.placed(owner="alpha")
    made.asked(m.CancelOrder(order.client_order_id, owner="alpha"))
    return made


@pytest.fixture
def run_dir(tmp_path: Path, bench: Bench) -> RunDir:
    made = RunDir(tmp_path / "run")
    made.create()
    directory = storage.journal_directory(made, "deribit", "main")
    log = SegmentedLog(directory, segments.load(directory))
    log.write(bench.journal)
    log.finish()
    log.close()
    return made


def crossdesk(run_dir: RunDir, *words: str) -> int:
    return main([*words, "--run-dir", str(run_dir.path)])


def damage(run_dir: RunDir) -> Path:
    ((_, path),) = segments.listed(run_dir.state / "deribit.main.journal", "segment")
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    return path


def test_verify_says_that_a_journal_is_good(
    run_dir: RunDir, bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert crossdesk(run_dir, "journal", "verify") == 0
    assert "deribit.main.journal: good" in capsys.readouterr().out
    assert crossdesk(run_dir, "journal", "verify", "deribit.main", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["good"] and report["entries"] == len(bench.journal)


def test_verify_names_file_and_byte_of_damage_and_set_aside_moves_it(
    run_dir: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    path = damage(run_dir)
    assert crossdesk(run_dir, "journal", "verify") == 1
    out = capsys.readouterr().out
    assert "DAMAGED" in out and f"{path}: byte " in out
    with storage.take_lock(run_dir, "deribit", "main"):
        assert crossdesk(run_dir, "journal", "set-aside", "deribit.main") == 1
        assert "stop it first" in capsys.readouterr().err
    assert crossdesk(run_dir, "journal", "set-aside", "deribit.main") == 0
    assert not path.exists()
    assert (run_dir.state / "deribit.main.damaged-1" / path.name).exists()


def test_set_aside_leaves_a_good_journal(
    run_dir: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    assert crossdesk(run_dir, "journal", "set-aside") == 0
    assert "it stays" in capsys.readouterr().out
    assert (run_dir.state / "deribit.main.journal").is_dir()


def test_dump_prints_every_record(run_dir: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    assert crossdesk(run_dir, "journal", "dump", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["record"] == "Start"
    kinds = {line["record"] for line in lines}
    assert {"Request", "Intent", "Raw", "Report", "Reply"} <= kinds
    assert crossdesk(run_dir, "journal", "dump") == 0
    assert "Intent" in capsys.readouterr().out


def test_explain_tells_the_life_of_an_order(
    run_dir: RunDir, bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    (order,) = bench.open_orders(closed=True)
    assert crossdesk(run_dir, "explain", order.client_order_id) == 0
    out = capsys.readouterr().out
    assert "BUY 100 deribit.BTC-PERPETUAL at 49000: CANCELED" in out
    assert "asked by alpha through gateway: PlaceOrder" in out
    assert "checks passed: instrument, " in out
    assert crossdesk(run_dir, "explain", order.client_order_id, "--json") == 0
    story = json.loads(capsys.readouterr().out)
    assert story["order"]["status"] == "CANCELED"
    assert [step["what"] for step in story["steps"]][-1] == "reply"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["explain", "42"], 2, "not an id"),
        (["explain", str((1 << 63) + 5)], 1, "knows an order"),
        (["journal", "verify", "nowhere"], 2, "no journal 'nowhere'"),
    ],
)
def test_what_cannot_be_found_is_said(
    run_dir: RunDir, capsys: pytest.CaptureFixture[str], words: list[str], code: int, text: str
) -> None:
    assert crossdesk(run_dir, *words) == code
    assert text in capsys.readouterr().err
