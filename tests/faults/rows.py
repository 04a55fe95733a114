"""The tests of the fault matrix by row: `python -m tests.faults.rows` writes docs/fault-matrix.md.

A test belongs to the rows that its name begins with: test_row_03_..., test_rows_01_02_...
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "fault-matrix.md"
NUMBERED = re.compile(r"test_rows?_((?:\d\d_)+)")
ROWS = range(1, 88)
LAYERS = {
    "tests/sim/": "S",
    "tests/faults/": "W, K",
    "tests/e2e/": "K",
    "tests/fuzz/": "F",
    "tests/longrun/": "L",
}
HEAD = """# The fault matrix, row by row

Every row of the fault matrix, and the tests that carry its number in their names. Layers: **core**
the cores, in virtual time or with a real socket, file or process of their own; **S** the seeded
simulation; **K** real processes, killed, stopped or traced; **W** the wire, through the proxy of
`tests/faults`; **F** fuzzing; **L** the long run. _long_: in `make test-long` only. `pytest -k
row_03` runs a row; `python -m tests.faults.rows` writes this page, and a test compares it with
the tests that there are.

| Row | Test | Layer |
|---|---|---|
"""


class Numbered:
    """One test: where it is, its rows, and whether only the long run has it."""

    def __init__(self, path: str, name: str, is_long: bool) -> None:
        self.path, self.name, self.is_long = path, name, is_long
        found = NUMBERED.match(name)
        assert found is not None
        self.rows = [int(number) for number in found[1].rstrip("_").split("_")]

    @property
    def layer(self) -> str:
        known = (layer for start, layer in LAYERS.items() if self.path.startswith(start))
        return next(known, "core") + (", _long_" if self.is_long else "")

    @property
    def text(self) -> str:
        return f"`{self.path.removeprefix('tests/')}`: {NUMBERED.sub('', self.name)}"


def numbered_tests() -> Iterator[Numbered]:
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        all_long = any(_is_long_mark(node) for node in tree.body)
        for node in ast.walk(tree):
            is_test = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if is_test and NUMBERED.match(node.name):
                is_long = all_long or any(_marks_long(each) for each in node.decorator_list)
                yield Numbered(str(path.relative_to(ROOT)), node.name, is_long)


def _is_long_mark(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Assign) or "pytestmark" not in ast.unparse(node.targets[0]):
        return False
    return _marks_long(node.value)


def _marks_long(node: ast.expr) -> bool:
    return bool(re.search(r"mark\.long\b", ast.unparse(node)))


def page() -> str:
    by_row: dict[int, list[Numbered]] = defaultdict(list)
    for test in numbered_tests():
        for row in test.rows:
            by_row[row].append(test)
    lines = []
    for row in ROWS:
        tests = by_row.get(row, [])
        lines += [f"| {row} | {test.text} | {test.layer} |" for test in tests]
        lines += [] if tests else [f"| {row} | none | |"]
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
