"""What a test started ends with pytest, however that ends."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# Blocks until the other end of its input is closed: by us, after we have killed it, or by our end.
WAIT = 'read -r _; eval "$AT_OUR_DEATH"'


@contextmanager
def at_our_death(
    command: str, directory: Path, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a shell command if this process is killed before the block ends."""
    waiting = subprocess.Popen(
        ["/bin/sh", "-c", WAIT],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=directory,
        env={**(os.environ if environment is None else environment), "AT_OUR_DEATH": command},
        start_new_session=True,  # Ctrl-C is for us alone
    )
    try:
        yield
    finally:
        waiting.kill()
        waiting.communicate()
