"""The process: configurations it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.config import DeskConfig, MarketDataConfig, VenueConfig
from common.errors import ConfigError
from common.rundir import RunDir
from common.transport.service import Arguments
from services.market_data.__main__ import build


@pytest.mark.parametrize("field", ["channels_per_link", "data_timeout_s", "check_every_s"])
def test_a_timeout_of_zero_is_refused_by_name(tmp_path, field):
    venue = VenueConfig("ws://x", "http://x", MarketDataConfig(**{field: 0}))
    desk = DeskConfig("d", {"deribit": venue})
    run_dir = RunDir(tmp_path / "run")
    arguments = Arguments(desk, Path("desk.yaml"), run_dir, "deribit", "", "INFO")
    with pytest.raises(ConfigError, match=rf"venues\.deribit\.market_data\.{field}: must be above"):
        build(arguments)
