"""One logging set-up: readable lines on stderr for people, JSON lines in the run directory.

Cores never log; the shell logs what they did. A filter takes known secrets out of everything.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

if TYPE_CHECKING:
    from loguru import Record

LEVELS = ("TRACE", "DEBUG", "INFO", "WARNING", "ERROR")
_secrets: set[str] = set()
# What is issued while we run cannot be known beforehand: tokens and signatures, by their names in
# JSON (also when it is quoted once more) and in queries.
_NAMES = "access_token|refresh_token|client_secret|secret|signature"
_NAMED = re.compile(rf'((?:{_NAMES})(?:\\*"\s*:\s*\\*"|=))[^"\\&\s]+')


def hide(values: Iterable[str]) -> None:
    """Never write these values; short ones are left alone, or every log would be stars."""
    _secrets.update(value for value in values if len(value) >= 8)


def redact(text: str) -> str:
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, "***")
    return _NAMED.sub(r"\1***", text)


def _as_json(record: Record) -> str:
    line: dict[str, Any] = {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "message": record["message"],
        **{
            key: str(value) for key, value in record["extra"].items() if key not in ("json", "text")
        },
    }
    if record["exception"] is not None:
        line["exception"] = _traceback(record)
    return redact(json.dumps(line, ensure_ascii=True))


def _traceback(record: Record) -> str:
    """Formatted here and not by the library, so that it passes the filter for secrets."""
    exception = record["exception"]
    if exception is None or exception.value is None:
        return ""
    return "\n" + "".join(traceback.format_exception(exception.value)).rstrip()


def _json_format(record: Record) -> str:
    record["extra"]["json"] = _as_json(record)
    return "{extra[json]}\n"


def _console_format(record: Record) -> str:
    fields = " ".join(
        f"{key}={value}"
        for key, value in record["extra"].items()
        if key not in ("json", "text", "process")
    )
    line = f"{record['level'].name:<7} {record['extra'].get('process', '')}: {record['message']}"
    text = f"{line} {fields}".rstrip() + _traceback(record)
    record["extra"]["text"] = redact(text).replace("\x1b", "?")
    return "{time:HH:mm:ss.SSS} {extra[text]}\n"


class _FromLibraries(logging.Handler):
    """Passes on what libraries log; a request that its sender spoiled is worth one line."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        text = record.getMessage()
        level = record.levelname if record.levelname in LEVELS else "ERROR"
        status = getattr(error, "code", None)
        if isinstance(status, int) and 400 <= status < 500:
            level, text, error = "WARNING", f"{text}: {type(error).__name__} ({status})", None
        logger.opt(exception=error).log(level, "{}: {}", record.name, text)


def set_up(process: str, level: str, directory: Path | None = None) -> None:
    """Send this process's log to stderr and, with a directory, to <directory>/<process>.jsonl.

    Raises:
        ValueError: there is no such level.
    """
    level = level.upper()
    if level not in LEVELS:
        raise ValueError(f"log level {level!r}: one of {', '.join(LEVELS)}")
    logging.basicConfig(handlers=[_FromLibraries()], level=logging.WARNING, force=True)
    logger.remove()
    logger.configure(extra={"process": process})
    logger.add(sys.stderr, level=level, format=_console_format, backtrace=False, diagnose=False)
    if directory is not None:
        logger.add(
            directory / f"{process}.jsonl",
            level=level,
            format=_json_format,
            rotation="50 MB",
            retention=5,
            backtrace=False,
            diagnose=False,
        )


def is_tracing() -> bool:
    """Whether frames are logged; asked once, before the hot path."""
    return bool(logger._core.min_level <= logger.level("TRACE").no)  # type: ignore[attr-defined]
