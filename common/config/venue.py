"""What the desk does at one venue."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from common.config.base import Config, Count, NotNegative, Positive, TimeOfDay
from common.config.limits import ExposureLimitsConfig, LimitsConfig
from common.config.secret import CredentialsConfig


class AccountConfig(Config):
    name: str = "main"
    credentials: CredentialsConfig = CredentialsConfig()
    on_disconnect: Literal["leave", "cancel"] = "leave"
    limits: LimitsConfig = LimitsConfig()
    exposure_limits: ExposureLimitsConfig = ExposureLimitsConfig()
    engine_number: Annotated[int, msgspec.Meta(ge=0, le=255)] = (
        1  # 0..255, unique per engine of a desk
    )
    order_valid_for_ms: Count = 2000
    rate_per_second: Positive = 5.0  # the venue's matching-engine budget of this account
    rate_burst: Positive = 20.0
    quote_rate_per_second: Positive = 5.0  # the venue's budget of this account for mass quotes
    quote_rate_burst: Positive = 20.0
    budget_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = (
        0.5  # the engine's share of the non-matching budget
    )
    query_rate_per_second: Positive = 20.0  # the venue's non-matching budget of this account
    query_burst: Positive = 100.0
    journal_durability: Literal["always", "group"] = (
        "always"  # group: synced a moment after the order left
    )
    journal_sync_ms: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 10.0  # that moment
    journal_keep_segments: Annotated[int, msgspec.Meta(ge=2)] = 50  # of 64 MB at most
    day_starts_at: TimeOfDay = "00:00"  # UTC, of the day that max_daily_loss means


class MarketDataConfig(Config):
    """always_on: instruments whose books run without a subscriber."""

    always_on: list[str] = []
    instruments: list[str] = []  # only these, if not empty (to split a venue over processes)
    read_only_credentials: CredentialsConfig | None = None
    channels_per_link: Count = 400
    data_timeout_s: Positive = 5.0
    linger_s: NotNegative = 30.0  # how long a venue subscription outlives its last reader
    check_every_s: Positive = 30.0  # comparison of quiet books with the venue's ticker


class VenueConfig(Config):
    """Addresses as the venue's README gives them, and what the desk does there."""

    websocket_url: str
    http_url: str
    market_data: MarketDataConfig = MarketDataConfig()
    accounts: list[AccountConfig] = []
