"""docs/configuration.md lists every key of the configuration with its default, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from common import config as configuration
from common.config import Config

DOCUMENT = Path(__file__).parents[1] / "docs" / "configuration.md"
SECTIONS: dict[str, type[Config]] = {
    "The desk's file": configuration.DeskConfig,
    "venues.VENUE": configuration.VenueConfig,
    "venues.VENUE.market_data": configuration.MarketDataConfig,
    "venues.VENUE.accounts": configuration.AccountConfig,
    "credentials": configuration.CredentialsConfig,
    "limits": configuration.LimitsConfig,
    "max_daily_loss": configuration.LossConfig,
    "exposure_limits": configuration.ExposureLimitsConfig,
    "Risk file": configuration.RiskConfig,
    "gateway": configuration.GatewayConfig,
    "gateway.keys": configuration.KeyConfig,
    "strategies": configuration.StrategyConfig,
    "recorder": configuration.RecorderConfig,
    "alerts": configuration.AlertsConfig,
    "alerts.mail": configuration.MailConfig,
    "watchdog": configuration.WatchdogConfig,
    "bus": configuration.BusConfig,
    "bus.connect": configuration.ElsewhereConfig,
    "simulators": configuration.SimulatorConfig,
    "simulators.accounts": configuration.SimulatorAccountConfig,
}
UNLISTED = {configuration.KeyFileConfig}  # its only key is told with gateway.keys
ROW = re.compile(r"\| `(\w+)` \| (.+?) \| .+ \|")


def written(title: str) -> list[tuple[str, str]]:
    """Key and default of each row below a heading."""
    _, _, below = DOCUMENT.read_text().partition(f"\n## {title}\n")
    return ROW.findall(below.partition("\n## ")[0])


def expected(field: msgspec.structs.FieldInfo) -> tuple[str, str]:
    if field.required:
        return field.name, "required"
    made = field.default_factory
    value = field.default if made is msgspec.NODEFAULT else made()
    return field.name, shown(value)


def shown(value: object) -> str:
    if isinstance(value, Config):
        return "as below"
    if value is None:
        return "none"
    if value in ("", [], {}):
        return "empty"
    if isinstance(value, list):
        return f"`[{', '.join(value)}]`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


@pytest.mark.parametrize("title", SECTIONS)
def test_every_key_is_told_with_its_default(title: str) -> None:
    fields = msgspec.structs.fields(SECTIONS[title])
    assert written(title) == [expected(field) for field in fields]


def test_every_part_of_the_configuration_has_its_section() -> None:
    assert {*Config.__subclasses__()} - UNLISTED == {*SECTIONS.values()}
