"""docs/fault-matrix.md names the numbered tests that there are, and no others."""

from __future__ import annotations

from tests.faults import rows


def test_the_page_of_the_fault_matrix_names_every_numbered_test() -> None:
    known, now = named(rows.PAGE.read_text()), named(rows.page())
    differing = [line for line in now if line not in known]
    differing += [f"gone: {line}" for line in known if line not in now]
    assert not differing, "run python -m tests.faults.rows\n" + "\n".join(differing)


def named(page: str) -> list[str]:
    """The lines of the table, without the layer."""
    return [
        line.rpartition("| ")[0].rpartition("|")[0] for line in page.splitlines() if "|" in line
    ]


def test_every_row_of_a_name_is_a_row_of_the_matrix() -> None:
    assert {row for test in rows.numbered_tests() for row in test.rows} <= set(rows.ROWS)
