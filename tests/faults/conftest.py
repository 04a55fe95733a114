"""The fixture `faulty`: one desk behind a fault proxy, as good as new for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.kit import Faulty, faulty_desk


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of the shared desk go to one worker, so that there is one desk."""
    for item in items:
        if "faulty" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("faulty"))


@pytest.fixture(scope="session")
def one_faulty_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    with faulty_desk(tmp_path_factory.mktemp("faulty")) as made:
        yield made


@pytest.fixture
def faulty(one_faulty_desk: Faulty) -> Iterator[Faulty]:
    one_faulty_desk.tidy()
    yield one_faulty_desk
    one_faulty_desk.tidy()
