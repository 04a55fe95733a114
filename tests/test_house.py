"""Rules of the house that no linter knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [*(ROOT / "common").rglob("*.py"), *(ROOT / "services").rglob("*.py")]
VENUES = [path.name for path in (ROOT / "common/venues").iterdir() if (path / "feed.py").exists()]


@pytest.mark.parametrize("venue", VENUES)
def test_nothing_outside_its_folder_names_a_venue(venue: str) -> None:
    """Examples in docstrings, comments and help texts may; code may not."""
    named = []
    for path in SOURCES:
        if f"venues/{venue}/" in path.as_posix():
            continue
        code = re.sub(r'"""[\s\S]*?"""', "", path.read_text())
        code = "\n".join(line.split("  #")[0] for line in code.splitlines())
        lines = (line for line in code.splitlines() if not line.lstrip().startswith("#"))
        code = "\n".join(line for line in lines if not re.search("e\\.g\\. |example=", line))
        if re.search(venue, code, re.IGNORECASE):
            named.append(path.relative_to(ROOT).as_posix())
    assert not named


def test_nothing_is_left_for_later() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError\(\))")
    left = [path.relative_to(ROOT) for path in SOURCES if words.search(path.read_text())]
    assert not left


def test_the_lock_file_names_no_registry() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text and "--index-url" not in text
