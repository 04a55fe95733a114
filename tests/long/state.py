"""What of `make test-long` was run for this commit, and how it went."""

from __future__ import annotations

import hashlib
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec

from tests import figures
from tests.long.parts import ROOT


class Result(msgspec.Struct, frozen=True):
    """Of one step. not_run: tests that were skipped, each with its reason."""

    part: str
    step: str
    exit_code: int
    seconds: float
    passed: int = 0
    failed: list[str] = []
    not_run: list[str] = []

    @property
    def held(self) -> bool:
        return self.exit_code == 0 and not self.failed


class State:
    """A folder per commit: results.jsonl, figures.jsonl, a log per step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._results = folder / "results.jsonl"
        self.figures_file = folder / "figures.jsonl"

    def forget(self, letters: list[str]) -> None:
        """These parts will be run anew."""
        kept = [result for result in self.results() if result.part not in letters]
        self._results.write_bytes(b"".join(msgspec.json.encode(r) + b"\n" for r in kept))
        if "S" in letters:
            (self.folder / "sim.jsonl").unlink(missing_ok=True)

    def add(self, result: Result) -> None:
        with self._results.open("ab") as file:
            file.write(msgspec.json.encode(result) + b"\n")

    def results(self) -> list[Result]:
        """The last of each step."""
        if not self._results.exists():
            return []
        lines = self._results.read_bytes().splitlines()
        results = [msgspec.json.decode(line, type=Result) for line in lines]
        return list({(result.part, result.step): result for result in results}.values())

    def figures(self) -> list[figures.Figure]:
        return figures.read(self.figures_file)

    def log(self, part: str, step: str) -> Path:
        name = "".join(each if each.isalnum() else "-" for each in step)
        return self.folder / f"{part}-{name}.log"


def counted(path: Path) -> tuple[int, list[str], list[str]]:
    """Passed, failed and skipped tests of a JUnit file."""
    passed, failed, skipped = 0, [], []
    for case in ET.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(name)
        elif skip is not None:
            skipped.append(f"{name}: {skip.get('message', '')}")
        else:
            passed += 1
    return passed, failed, skipped


def commit() -> str:
    """The commit's short id, with a mark of what differs from it in the tree."""
    name = _git("rev-parse", "--short=12", "HEAD").decode().strip() or "unknown"
    changes = _git("diff", "HEAD")
    return f"{name}-{hashlib.sha256(changes).hexdigest()[:8]}" if changes else name


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False).stdout
