"""Main accounts and their subaccounts, as the configuration relates them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from common.config import SimulatorAccountConfig
from common.errors import ConfigError
from common.venues.deribit.simulator.calls import Call
from common.venues.deribit.simulator.catalog import Identity
from common.venues.deribit.simulator.envelope import invalid_params

FIRST_USER_ID = 1001


class Family:
    """Who is whose subaccount. accounts: identities by client id."""

    def __init__(self, accounts: Sequence[SimulatorAccountConfig]) -> None:
        self.accounts = {
            account.client_id: Identity(account.client_id, FIRST_USER_ID + place)
            for place, account in enumerate(accounts)
        }
        self._main_of = {a.client_id: a.subaccount_of for a in accounts if a.subaccount_of}
        for client_id, main in self._main_of.items():
            if main not in self.accounts or main in self._main_of:
                key = f"simulators.accounts.{client_id}.subaccount_of"
                raise ConfigError("config", key, f"{main!r} is no main account")

    def is_subaccount(self, client_id: str) -> bool:
        return client_id in self._main_of

    def members(self, client_id: str) -> list[Identity]:
        """Whom a login may act for: itself, and a main account its subaccounts."""
        return [
            identity
            for name, identity in self.accounts.items()
            if client_id in (name, self._main_of.get(name))
        ]

    def by_id(self, client_id: str, user_id: int) -> Identity | None:
        return next((x for x in self.members(client_id) if x.user_id == user_id), None)

    def speaking_for(self, call: Call) -> Call:
        """The call as made by who `subaccount_id` names; the caller itself if it is not given."""
        named = call.params.get("subaccount_id")
        if named is None:
            return call
        found = self.by_id(call.account, named)
        if found is None:
            raise invalid_params("subaccount_id", "not a subaccount of this account")
        return msgspec.structs.replace(call, identity=found)
