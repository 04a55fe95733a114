"""Cancels over Deribit's HTTP API, signed call by call.

https://docs.deribit.com/articles/authentication, read in August 2026.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import msgspec

from common.config import Credentials
from common.core import HttpCall
from common.errors import VenueProtocolError
from common.venues.deribit.auth import sign_http
from common.venues.deribit.order_payloads import SIDES
from common.venues.deribit.reference import result_of
from common.venues.deribit.session import VENUE_NAME
from common.venues.emergency import OpenOrder
from common.venues.order_entry import quote_key

TIMEOUT_S = 3.0


class _Order(msgspec.Struct):
    order_id: str
    instrument_name: str
    direction: str = ""
    label: str = ""
    quote_id: str | None = None

    @property
    def name(self) -> str:
        """The label; of a quote, which has none, what the engine knows it by."""
        if self.label or self.quote_id is None or self.direction not in SIDES:
            return self.label
        return quote_key(self.quote_id, self.instrument_name, SIDES[self.direction])


_orders = msgspec.json.Decoder(list[_Order])


class EmergencyCancels:
    """Args: http_url as in the configuration, up to and with "/api/v2"."""

    def __init__(self, http_url: str, credentials: Credentials) -> None:
        self._url = http_url.rstrip("/")
        self._credentials = credentials

    def cancel_all(self, now_ms: int, nonce: str) -> HttpCall:
        return self._call("cancel_all", {}, now_ms, nonce)

    def cancel(self, order: OpenOrder, now_ms: int, nonce: str) -> HttpCall:
        return self._call("cancel", {"order_id": order.venue_order_id}, now_ms, nonce)

    def open_orders(self, now_ms: int, nonce: str) -> HttpCall:
        return self._call("get_open_orders", {}, now_ms, nonce)

    def parse_open_orders(self, body: bytes) -> list[OpenOrder]:
        try:
            orders = _orders.decode(result_of(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise VenueProtocolError(VENUE_NAME, f"open orders: {error}", body) from None
        return [OpenOrder(order.order_id, order.name, order.instrument_name) for order in orders]

    def check(self, body: bytes) -> None:
        result_of(body)

    def _call(self, method: str, params: dict[str, str], now_ms: int, nonce: str) -> HttpCall:
        query = f"?{urlencode(params)}" if params else ""
        url = f"{self._url}/private/{method}{query}"
        path = url[len(url) - len(urlsplit(url).path) - len(query) :]
        headers = sign_http("GET", path, "", self._credentials, now_ms, nonce)
        return HttpCall(f"emergency.{method}", "GET", url, headers, timeout_s=TIMEOUT_S)
