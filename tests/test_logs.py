from __future__ import annotations

import json
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
