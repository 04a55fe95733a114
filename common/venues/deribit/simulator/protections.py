"""Market maker protection: set, show and reset it; the channel that tells of it."""

from __future__ import annotations

from typing import Any

from common.venues.deribit.simulator.calls import Call, Handler
from common.venues.deribit.simulator.catalog import Identity, milliseconds, number
from common.venues.deribit.simulator.envelope import Refused, invalid_params
from common.venues.deribit.simulator.streams import SECOND_NS, Stream
from common.venues.simulation import (
    Protection,
    ProtectionActed,
    SimulatedEvent,
    SimulatedExchange,
)

MAX_SECONDS = 3600
MAX_GROUPS = 16
MAX_GROUP_NAME = 64
LIMITS = ("quantity_limit", "delta_limit", "vega_limit")


class ProtectionMethods:
    """Handlers by the name of their method. An empty mmp_group is the one of plain orders."""

    def __init__(self, exchange: SimulatedExchange) -> None:
        self._exchange = exchange
        self.handlers: dict[str, Handler] = {
            "private/set_mmp_config": self._set,
            "private/get_mmp_config": self._get,
            "private/get_mmp_status": self._status,
            "private/reset_mmp": self._reset,
        }

    def _set(self, call: Call) -> dict[str, Any]:
        self._refuse_rfq(call)
        wanted = self._wanted(call)
        known = self._exchange.protections(call.account)
        groups = {p.group for p in known if p.group} | {wanted.group} - {""}
        if len(groups) > MAX_GROUPS:
            raise invalid_params("mmp_group", f"at most {MAX_GROUPS} groups")
        self._exchange.protect(call.account, wanted, call.now_ns)
        return _config(wanted)

    def _wanted(self, call: Call) -> Protection:
        params = call.params
        for name in ("interval", "frozen_time"):
            if not 0 <= params[name] <= MAX_SECONDS:
                raise invalid_params(name, f"must be from 0 to {MAX_SECONDS}")
        for name in ("max_quote_quantity", *LIMITS, "trade_count_limit"):
            if name in params and params[name] <= 0:
                raise invalid_params(name, "must be positive")
        return Protection(
            index=self._index(params["index_name"]),
            group=self._group(params),
            interval_ns=params["interval"] * SECOND_NS,
            frozen_ns=params["frozen_time"] * SECOND_NS,
            max_quantity=params["max_quote_quantity"],
            quantity_limit=params.get("quantity_limit"),
            delta_limit=params.get("delta_limit"),
            vega_limit=params.get("vega_limit"),
            trade_count_limit=params.get("trade_count_limit"),
        )

    def _get(self, call: Call) -> list[dict[str, Any]]:
        self._refuse_rfq(call)
        found = self._exchange.protections(call.account)
        return [_config(p) for p in found if self._is_asked(call, p.index, p.group)]

    def _status(self, call: Call) -> list[dict[str, Any]]:
        self._refuse_rfq(call)
        return [
            _frozen(status.index, status.group, status.frozen_until_ns)
            for status in self._exchange.protection_status(call.account)
            if status.frozen_until_ns is not None
            and self._is_asked(call, status.index, status.group)
        ]

    def _reset(self, call: Call) -> str:
        self._refuse_rfq(call)
        index, group = self._index(call.params["index_name"]), self._group(call.params)
        if not self._exchange.reset_protection(call.account, index, group, call.now_ns):
            raise Refused(13040, "mmp_required")
        return "ok"

    def _is_asked(self, call: Call, index: str, group: str) -> bool:
        asked = {"index_name": index, "mmp_group": group} | call.params
        return bool(asked["index_name"] == index and asked["mmp_group"] == group)

    def _index(self, name: str) -> str:
        if name not in self._exchange.index_names():
            raise invalid_params("index_name", "invalid index_name")
        return name

    def _group(self, params: dict[str, Any]) -> str:
        group: str = params.get("mmp_group", "")
        if len(group) > MAX_GROUP_NAME:
            raise invalid_params("mmp_group", "too long")
        return group

    def _refuse_rfq(self, call: Call) -> None:
        if call.params.get("block_rfq", False):
            raise Refused(10033, "not_implemented")


class ProtectionStream(Stream):
    """user.mmp_trigger.{index}: a message whenever a protection of the account acts."""

    def __init__(self, channel: str, owner: Identity, index: str | None) -> None:
        """index None: all of them."""
        super().__init__(channel)
        self._index = index
        self.keys = (("account", owner.client_id),)
        self._ready: list[Any] = []

    def take(self, event: SimulatedEvent) -> None:
        if isinstance(event, ProtectionActed) and self._index in (None, event.index):
            self._ready.append(_frozen(event.index, event.group, event.frozen_until_ns))

    def collect(self, now_ns: int) -> list[Any]:
        ready, self._ready = self._ready, []
        return ready


def _config(protection: Protection) -> dict[str, Any]:
    result: dict[str, Any] = {
        "index_name": protection.index,
        "interval": protection.interval_ns // SECOND_NS,
        "frozen_time": protection.frozen_ns // SECOND_NS,
        "max_quote_quantity": number(protection.max_quantity),
        "block_rfq": False,
    }
    if protection.group:
        result["mmp_group"] = protection.group
    for name in LIMITS:
        value = getattr(protection, name)
        if value is not None:
            result[name] = number(value)
    if protection.trade_count_limit is not None:
        result["trade_count_limit"] = protection.trade_count_limit
    return result


def _frozen(index: str, group: str, until_ns: int | None) -> dict[str, Any]:
    """frozen_until is 0 for what stays frozen until it is reset."""
    result: dict[str, Any] = {"index_name": index, "frozen_until": milliseconds(until_ns or 0)}
    return result | ({"mmp_group": group} if group else {})
