"""Venues are found by the name of their folder; there is no list to edit."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import cast

from common.errors import ConfigError
from common.venues.contract import Venue


def load(name: str) -> Venue:
    """The venue of this name.

    Raises:
        ConfigError: there is no such venue.
    """
    if not name.isidentifier() or find_spec(f"common.venues.{name}.feed") is None:
        raise ConfigError("config", f"venues.{name}", "no such venue is built in")
    return cast(Venue, import_module(f"common.venues.{name}").VENUE)
