"""A VenueTwin with linked orders, on the condition first_hit."""

from __future__ import annotations

from typing import Any

from tests.services.trading_engine.twin import CLOSED, Json, VenueTwin

OVER = (*CLOSED, "triggered")


class LinkedTwin(VenueTwin):
    """The execution of a primary order places its secondaries as orders of new ids; of a pair the
    end or execution of one cancels the other."""

    def __init__(self, now_ms: int) -> None:
        super().__init__(now_ms)
        self._secondaries: dict[str, list[str]] = {}
        self._partner: dict[str, str] = {}

    @property
    def open_ids(self) -> list[str]:
        return [o["order_id"] for o in self.orders.values() if o["order_state"] not in OVER]

    def fill(self, order_id: str, amount: float, price: float | None = None) -> list[bytes]:
        if self.orders[order_id]["order_state"] == "untriggered":
            return []  # what waits does not trade
        frames = super().fill(order_id, amount, price)
        for waiting in self._secondaries.pop(order_id, []):
            frames += self._release(self.orders[waiting])
        return frames + self._end_partner(order_id)

    def end(self, order_id: str, reason: str) -> list[bytes]:
        frames = super().end(order_id, reason)
        for waiting in self._secondaries.pop(order_id, []):
            if waiting in self.open_ids:
                frames += self.end(waiting, "oto_primary_closed")
        return frames + self._end_partner(order_id)

    def _end_partner(self, order_id: str) -> list[bytes]:
        partner = self._partner.pop(order_id, "")
        return self.end(partner, "oco_other_closed") if partner in self.open_ids else []

    def _place(self, direction: str, params: Json) -> tuple[Json, list[bytes]]:
        order, frames = super()._place(direction, params)
        others = [self._secondary(params, config) for config in params.get("otoco_config", [])]
        names = [other["order_id"] for other in others]
        kind = params.get("linked_order_type", "")
        if kind == "one_cancels_other":
            self._pair(order["order_id"], names[0])
        elif kind:
            self._secondaries[order["order_id"]] = names
            order["oto_order_ids"] = names
        if kind == "one_triggers_one_cancels_other":
            self._pair(*names)
        for other in others:
            if kind == "one_cancels_other":
                other["order_state"] = "open"
            else:
                other |= {"is_secondary_oto": True, "primary_order_id": order["order_id"]}
            frames.append(self._order_told(other))
        return order, frames

    def _secondary(self, params: Json, config: Json) -> Json:
        named: Json = {"instrument_name": params["instrument_name"], **config}
        other, _ = super()._place(config["direction"], named)
        del self.orders[other["order_id"]]
        other |= {"order_id": f"OTO-{self._number}", "order_state": "untriggered"}
        self.orders[other["order_id"]] = other
        return other

    def _release(self, waiting: Json) -> list[bytes]:
        if waiting["order_id"] not in self.open_ids:
            return []
        self._number += 1
        waiting["order_state"] = "triggered"
        born = waiting | {
            "order_id": f"V{self._number}",
            "order_state": "open",
            "trigger_order_id": waiting["order_id"],
        }
        self.orders[born["order_id"]] = born
        partner = self._partner.pop(waiting["order_id"], "")
        if partner:
            self._pair(born["order_id"], partner)
        return [self._order_told(waiting), self._order_told(born)]

    def _pair(self, one: str, other: str) -> None:
        self._partner |= {one: other, other: one}

    def _cancel_many(self, name: str, params: Json) -> tuple[int, list[bytes]]:
        found = [self.orders[order_id] for order_id in self.open_ids]
        if name == "cancel_by_label":
            found = [order for order in found if order["label"] == params["label"]]
        frames: list[bytes] = []
        for order in found:
            if order["order_id"] in self.open_ids:
                frames += self._cancel(order)
        return len(found), frames

    def _list(self, name: str, params: Json) -> Any:
        found = super()._list(name, params)
        if "open" in name:
            return [order for order in found if order["order_state"] not in OVER]
        return found
