from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from loguru import logger

from common import logs


def test_lines_are_json_with_fields_and_without_secrets(tmp_path: Path, capsys) -> None:
    logs.hide(["canary-secret-1"])
    logs.set_up("a_process", "debug", tmp_path)
    logger.bind(venue="x").info("a {} with canary-secret-1", "line", reason="{braces} <tag>")
    logger.bind(header="Bearer id.canary-secret-1").debug("bare canary-secret-1 \x1b[31m")
    logger.remove()
    text = (tmp_path / "a_process.jsonl").read_text()
    first, second = (json.loads(line) for line in text.splitlines())
    assert first["process"] == "a_process" and first["venue"] == "x"
    assert first["reason"] == "{braces} <tag>"
    assert "canary" not in text
    shown = capsys.readouterr().err
    assert "canary" not in shown and "\x1b" not in shown
    assert second["level"] == "DEBUG"


def test_tokens_and_signatures_of_frames_are_not_logged(tmp_path: Path, capsys) -> None:
    logs.set_up("a_process", "TRACE", tmp_path)
    answer = {"result": {"access_token": "1.canary", "refresh_token": "2.canary", "expires_in": 9}}
    logger.trace("< {}", json.dumps(answer))
    logger.trace("> {}", json.dumps({"signature": "canary", "label": "42"}, separators=(",", ":")))
    logger.trace("> {}", "/auth?client_secret=canary&grant=1")
    logger.remove()
    written, shown = (tmp_path / "a_process.jsonl").read_text(), capsys.readouterr().err
    assert "canary" not in written + shown
    for kept in ("expires_in", "42", "grant=1"):
        assert kept in written and kept in shown


def test_an_exception_is_logged_without_its_secrets(tmp_path: Path, capsys) -> None:
    logs.hide(["canary-secret-2"])
    logs.set_up("a_process", "INFO", tmp_path)
    try:
        raise ValueError("holds canary-secret-2")
    except ValueError:
        logger.exception("it went wrong")
    logger.remove()
    assert "canary" not in (tmp_path / "a_process.jsonl").read_text()
    assert "canary" not in capsys.readouterr().err


def test_an_unknown_level_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="TRACE, DEBUG"):
        logs.set_up("a_process", "LOUD")


class SpoiledRequest(Exception):
    code = 400


@pytest.mark.parametrize(("error", "traces"), [(SpoiledRequest, False), (KeyError, True)])
def test_what_libraries_log_has_a_traceback_only_where_it_is_not_the_senders_fault(
    tmp_path: Path, error: type[Exception], traces: bool
) -> None:
    logs.set_up("a_process", "INFO", tmp_path)
    try:
        raise error("Bearer id.a-key-of-somebody")
    except error:
        logging.getLogger("a.library").exception("cannot answer")
    logger.remove()
    (line,) = (tmp_path / "a_process.jsonl").read_text().splitlines()
    assert json.loads(line)["message"].startswith("a.library: cannot answer")
    assert ("Traceback" in line) is traces
    assert traces or "a-key-of-somebody" not in line
