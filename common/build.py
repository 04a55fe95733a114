"""Which build of the desk this is, and a fingerprint of a configuration: for beats and journals."""

from __future__ import annotations

import hashlib
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGE = "crossdesk"


@cache
def build_id() -> str:
    """`<name>+<code>`: what git or the package calls it, and a fingerprint of the code itself."""
    return f"{_name()}+{_code()}"


def code_of(build: str) -> str:
    """The part that two processes must share to trade together; "" if it is not told.

    A commit that changes no code of the desk leaves it as it was.
    """
    return build.rpartition("+")[2] if "+" in build else ""


def _code() -> str:
    found = hashlib.sha256()
    for folder in ("common", "services"):
        for path in sorted((CHECKOUT / folder).rglob("*.py")):
            found.update(path.read_bytes())
    return found.hexdigest()[:12]


def _name() -> str:
    if (CHECKOUT / ".git").exists():
        command = ["git", "describe", "--always", "--dirty", "--tags"]
        try:
            done = subprocess.run(
                command, cwd=CHECKOUT, capture_output=True, text=True, timeout=5, check=True
            )
            return done.stdout.strip()
        except (OSError, subprocess.SubprocessError):
            pass  # no git here, or no repository of its own: the version tells
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return "unknown"


def config_hash(path: Path) -> str:
    """Changes with every change of the file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
