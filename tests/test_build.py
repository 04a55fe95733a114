"""What a process calls its build, and when two are the same."""

from __future__ import annotations

from common.build import build_id, code_of


def test_a_build_names_its_code_and_the_same_code_is_the_same_build() -> None:
    assert build_id() == build_id() and len(code_of(build_id())) == 12
    assert code_of("v1-3-gabc+0123") == code_of("another-name+0123") == "0123"
    assert code_of("v1") == code_of("") == ""
