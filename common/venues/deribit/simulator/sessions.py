"""The methods that concern one connection: login, heartbeat, subscriptions, disconnection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from common.venues.deribit.simulator.access import Access, Grant
from common.venues.deribit.simulator.connection import MIN_INTERVAL_S, Connection
from common.venues.deribit.simulator.envelope import Refused, invalid_params
from common.venues.deribit.simulator.family import Family
from common.venues.deribit.simulator.hub import Hub
from common.venues.deribit.simulator.streams import Stream

MAX_LABEL = 16
SessionHandler = Callable[["SessionCall"], Any]


class SessionCall:
    """One call of this family. connection is None over HTTP; joined: streams to welcome."""

    def __init__(
        self,
        method: str,
        params: dict[str, Any],
        connection: Connection | None,
        grant: Grant | None,
        now_ns: int,
    ) -> None:
        self.method, self.params, self.connection = method, params, connection
        self.grant, self.now_ns = grant, now_ns
        self.joined: list[Stream] = []

    @property
    def link(self) -> Connection:
        if self.connection is None:
            raise Refused(10030, "must_be_websocket_request")
        return self.connection

    @property
    def owner(self) -> Grant:
        if self.grant is None:
            raise Refused(13009, "unauthorized")
        return self.grant


class SessionMethods:
    """Handlers by the name of their method."""

    def __init__(self, access: Access, hub: Hub, family: Family) -> None:
        self._access, self._hub, self._family = access, hub, family
        self._accounts = family.accounts
        self._cancels_by_default: dict[str, bool] = {}
        self.handlers: dict[str, SessionHandler] = {
            "public/auth": self._auth,
            "public/exchange_token": self._exchange_token,
            "public/fork_token": self._fork_token,
            "private/logout": self._logout,
            "public/set_heartbeat": self._set_heartbeat,
            "public/disable_heartbeat": self._disable_heartbeat,
            "private/enable_cancel_on_disconnect": lambda call: self._set_cancel(call, True),
            "private/disable_cancel_on_disconnect": lambda call: self._set_cancel(call, False),
            "private/get_cancel_on_disconnect": self._get_cancel,
            "public/subscribe": self._subscribe,
            "private/subscribe": self._subscribe,
            "public/unsubscribe": self._unsubscribe,
            "private/unsubscribe": self._unsubscribe,
            "public/unsubscribe_all": self._unsubscribe_all,
            "private/unsubscribe_all": self._unsubscribe_all,
        }

    # --- login -------------------------------------------------------------------------------

    def _auth(self, call: SessionCall) -> dict[str, Any]:
        number = None if call.connection is None else call.connection.number
        grant, result = self._access.authenticate(call.params, number, call.now_ns)
        self._adopt(call, grant)
        return result

    def _exchange_token(self, call: SessionCall) -> dict[str, Any]:
        grant, result = self._access.exchange(call.params, self._family, call.now_ns)
        self._adopt(call, grant)
        return result

    def _fork_token(self, call: SessionCall) -> dict[str, Any]:
        return self._access.fork(call.params, call.now_ns)[1]

    def _adopt(self, call: SessionCall, grant: Grant) -> None:
        """The connection is logged in from now on, for public calls too."""
        if call.connection is None:
            return
        if call.connection.grant is None:
            default = self._cancels_by_default.get(grant.client_id, False)
            call.connection.cancel_on_disconnect |= default
            call.connection.logged_in_ns = call.now_ns
        call.connection.grant = grant

    def _logout(self, call: SessionCall) -> None:
        """Not answered; the caller closes the connection, and its orders stay."""
        call.link.logged_out = True
        if call.params.get("invalidate_token", True):
            self._access.forget(call.owner)

    # --- proof of life -----------------------------------------------------------------------

    def _set_heartbeat(self, call: SessionCall) -> str:
        interval = call.params["interval"]
        if not MIN_INTERVAL_S <= interval <= 3600:
            raise invalid_params("interval", f"must be from {MIN_INTERVAL_S} to 3600")
        call.link.set_heartbeat(float(interval), call.now_ns)
        return "ok"

    def _disable_heartbeat(self, call: SessionCall) -> str:
        call.link.set_heartbeat(0, call.now_ns)
        return "ok"

    def _set_cancel(self, call: SessionCall, enabled: bool) -> str:
        if self._is_for_account(call):
            self._cancels_by_default[call.owner.client_id] = enabled
        else:
            call.link.cancel_on_disconnect = enabled
        return "ok"

    def _get_cancel(self, call: SessionCall) -> dict[str, Any]:
        if self._is_for_account(call):
            enabled = self._cancels_by_default.get(call.owner.client_id, False)
            return {"scope": "account", "enabled": enabled}
        return {"scope": "connection", "enabled": call.link.cancel_on_disconnect}

    def _is_for_account(self, call: SessionCall) -> bool:
        return bool(call.params.get("scope", "connection") == "account")

    # --- subscriptions -----------------------------------------------------------------------

    def _subscribe(self, call: SessionCall) -> list[str]:
        """The accepted channels; wrong ones are left out. A raw one without login fails all."""
        label = call.params.get("label", "")
        if len(label) > MAX_LABEL:
            raise invalid_params("label", f"at most {MAX_LABEL} characters")
        channels = list(dict.fromkeys(call.params["channels"]))
        if call.grant is None and any(_is_raw(channel) for channel in channels):
            raise Refused(13778, "raw_subscriptions_not_available_for_unauthorized")
        is_private = call.method.startswith("private/")
        owner = self._accounts[call.owner.client_id] if is_private else None
        accepted = []
        for channel in channels:
            stream = self._hub.subscribe(call.link.number, channel, owner, label, call.now_ns)
            if stream is not None:
                accepted.append(channel)
                call.joined.append(stream)
        return sorted(accepted, reverse=True)  # the venue keeps no order either

    def _unsubscribe(self, call: SessionCall) -> list[str]:
        channels = dict.fromkeys(call.params["channels"])
        return [c for c in channels if self._hub.unsubscribe(call.link.number, c)]

    def _unsubscribe_all(self, call: SessionCall) -> str:
        self._hub.drop(call.link.number)
        return "ok"


def _is_raw(channel: str) -> bool:
    return channel.endswith(".raw") and not channel.startswith("user.")
