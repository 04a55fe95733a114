"""Hypothesis tries the same examples in every `make test`, and new ones in part H. Left alone, it
also tries constants of whatever modules are loaded, which differ with the order of the tests and
with every edit of the code. What is left in the temporary directory by desks that a test kills goes
when the tests end."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator

import pytest
from _pytest.nodeid import NodeId
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture.providers import HypothesisProvider
from hypothesis.internal.constants_ast import Constants

from tests.examples import examples, is_long

SLOW = [HealthCheck.too_slow]
settings.register_profile(
    "usual", derandomize=True, deadline=None, database=None, suppress_health_check=SLOW
)
settings.register_profile(
    "long",
    max_examples=examples(100),
    deadline=None,
    print_blob=True,
    suppress_health_check=SLOW,
)
settings.load_profile("long" if is_long() else "usual")
if not is_long():
    HypothesisProvider._local_constants = Constants()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of one xdist_group go to one worker. pytest-xdist tells itself so by the end of their
    names, which it writes where pytest 9.2 does not read it any more."""
    for item in items if getattr(config.option, "loadgroup", False) else ():
        marks = {str(mark.args[0]) for mark in item.iter_markers("xdist_group")}
        group = f"@{'_'.join(sorted(marks))}"
        if marks and not item.nodeid.endswith(group):
            item._id = NodeId.parse(item.nodeid + group)  # type: ignore[attr-defined]
        assert not marks or item.nodeid.endswith(group), "tests of a group would be scattered"


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """A shell starts what runs in the background deaf to Ctrl-C, and so would be all it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def temporary_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A temporary directory of this session. Paths of pytest are too long for sockets, so that
    every desk of a test takes a short directory there, and one that is killed leaves it behind."""
    tmp_path_factory.getbasetemp()  # stays where it was, to be looked at
    before, made = os.environ.get("TMPDIR"), tempfile.mkdtemp(prefix="t-")
    os.environ["TMPDIR"] = tempfile.tempdir = made
    yield
    tempfile.tempdir = None
    del os.environ["TMPDIR"]
    if before is not None:
        os.environ["TMPDIR"] = before
    shutil.rmtree(made, ignore_errors=True)
