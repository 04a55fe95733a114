"""`crossdesk kill`: the kill switch. It works with every process of the desk dead.

The latch is written first, so that engines stop by themselves within 20 ms; then all open orders
are cancelled at the venues over HTTP, and the venues asked until they report none. No lock is
taken and nothing but cancels is sent, so it may run at any time and any number of times.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated

import msgspec
import typer

from common import config as configuration, logs
from common.config import STRATEGY_NAME, AccountConfig, DeskConfig
from common.core import HttpCall
from common.domain.modes import DESK, STRATEGY, scope_of
from common.errors import ConfigError, VenueProtocolError
from common.rundir import RunDir
from common.transport import latch
from common.venues import load
from common.venues.emergency import Emergency, OpenOrder
from services.cli import output
from services.cli.settings import CliError, Settings, UsageError

PATIENCE_S = 10.0
LOOK_S = 0.25
PROOFS = 2  # looks, one after the other, that find nothing

app = typer.Typer(no_args_is_help=True, help="Stop all trading: `on`; allow it again: `off`.")

Venue = Annotated[str, typer.Option("--venue", help="Only this venue.")]
Strategy = Annotated[str, typer.Option("--strategy", help="Only this strategy's orders.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is journaled.")]


class Outcome(msgspec.Struct):
    """What became of one account. seconds: until the venue reported no open order."""

    venue: str
    account: str
    canceled: int = 0
    left: int = 0
    seconds: float = 0.0
    problem: str = ""


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="kill")


@app.command()
def on(context: typer.Context, reason: Reason, venue: Venue = "", strategy: Strategy = "") -> None:
    """Let no new order leave, cancel everything, and stay so until `off`."""
    settings: Settings = context.obj
    scope = _scope(venue, strategy)
    problem = _write(settings.run_dir, scope, reason)
    config = _config(settings)
    if venue and venue not in config.venues:
        raise CliError(f"{scope} is latched, but there is no venue {venue!r}", scope=scope)
    outcomes = _cancel_everywhere(config, settings.run_dir, venue, strategy)
    _tell(settings, scope, problem, outcomes)
    if problem or any(outcome.problem or outcome.left for outcome in outcomes):
        raise typer.Exit(1)


@app.command()
def off(context: typer.Context, reason: Reason, venue: Venue = "", strategy: Strategy = "") -> None:
    """Release the kill switch; what the desk does next is up to its strategies and users."""
    settings: Settings = context.obj
    scope = _scope(venue, strategy)
    try:
        was_on = latch.release(settings.run_dir.latch, scope, _signed(reason))
    except OSError as error:
        raise CliError(f"{settings.run_dir.latch / scope}: {error.strerror}") from None
    others = sorted(latch.read(settings.run_dir.latch))
    if settings.as_json:
        output.print_json({"scope": scope, "released": was_on, "still_latched": others})
    else:
        print(f"{scope} is released" if was_on else f"{scope} was not latched")
        if others:
            print(f"still latched: {', '.join(others)}")


@app.command()
def status(context: typer.Context) -> None:
    """Show what is latched, and why; exit 1 if anything is."""
    settings: Settings = context.obj
    latches = latched(settings.run_dir)
    if settings.as_json:
        output.print_json({"latched": latches})
    else:
        for scope, reason in sorted(latches.items()):
            print(f"{scope}: {reason}")
        if not latches:
            print("nothing is latched")
    if latches:
        raise typer.Exit(1)


def latched(run_dir: RunDir) -> dict[str, str]:
    """Scope -> reason."""
    return latch.read(run_dir.latch) if run_dir.latch.exists() else {}


def advice(run_dir: RunDir) -> list[str]:
    """A sentence for each latch: what is halted, why, and how a person releases it."""
    return [
        f"the kill switch of {scope} is on: {reason}; next: crossdesk kill off"
        f"{_option(scope)} --reason TEXT"
        for scope, reason in sorted(latched(run_dir).items())
    ]


def _option(scope: str) -> str:
    if scope == DESK:
        return ""
    if scope.startswith(STRATEGY):
        return f" --strategy {scope.removeprefix(STRATEGY)}"
    return f" --venue {scope}"


def _scope(venue: str, strategy: str) -> str:
    if venue and strategy:
        raise UsageError("give --venue or --strategy, not both", "strategy")
    for field, name in (("venue", venue), ("strategy", strategy)):
        if name and not STRATEGY_NAME.match(name):
            raise UsageError(f"--{field}: {name!r} is not a name", field)
    return scope_of(venue, strategy)


def _signed(reason: str) -> str:
    return f"crossdesk kill: {reason}"


def _write(run_dir: RunDir, scope: str, reason: str) -> str:
    """Why the latch could not be set; the cancels are sent all the same."""
    try:
        latch.latch(run_dir.latch, scope, _signed(reason))
    except OSError as error:
        return f"{run_dir.latch / scope} cannot be written: {error.strerror}"
    return ""


def _config(settings: Settings) -> DeskConfig:
    try:
        config = settings.load_config()
    except ConfigError as error:
        raise CliError(f"the latch is set, but nothing is cancelled: {error}") from None
    holders = [a.credentials for venue in config.venues.values() for a in venue.accounts]
    logs.hide(holder.client_secret for holder in holders)
    return config


# --- the venues ------------------------------------------------------------------------------


def _cancel_everywhere(
    config: DeskConfig, run_dir: RunDir, only_venue: str, strategy: str
) -> list[Outcome]:
    """All accounts at the same time."""
    chosen = [
        (name, account)
        for name, venue in config.venues.items()
        for account in venue.accounts
        if only_venue in ("", name)
    ]
    if not chosen:
        return []
    with ThreadPoolExecutor(len(chosen)) as pool:
        return list(
            pool.map(
                lambda pair: _cancel_account(config, run_dir, pair[0], pair[1], strategy), chosen
            )
        )


def _cancel_account(
    config: DeskConfig, run_dir: RunDir, venue: str, account: AccountConfig, strategy: str
) -> Outcome:
    outcome = Outcome(venue, account.name)
    try:
        credentials = configuration.credentials(account.credentials)
        if credentials is None:
            raise CliError("there are no credentials")
        cancels: Emergency = load(venue).emergency(config.venues[venue].http_url, credentials)
        labels = _labels_of(run_dir, venue, account.name, strategy) if strategy else None
        Canceller(cancels, outcome, labels).run()
    except (CliError, ConfigError) as error:
        outcome.problem = logs.redact(str(error))
    return outcome


def _labels_of(run_dir: RunDir, venue: str, account: str, strategy: str) -> set[str]:
    """The ids of a strategy's orders: the venue does not know owners, the journal does."""
    from services.trading_engine.owners import orders_of

    return orders_of(run_dir, venue, account, strategy)


class Canceller:
    """Cancels at one account until the venue reports nothing. labels: only these orders."""

    def __init__(self, cancels: Emergency, outcome: Outcome, labels: set[str] | None) -> None:
        import requests

        self._session = requests.Session()
        self._cancels = cancels
        self._outcome = outcome
        self._labels = labels
        self._errors = (requests.RequestException, VenueProtocolError)

    def run(self) -> None:
        started = time.monotonic()
        proofs, seen = 0, set[str]()
        while proofs < PROOFS:
            try:
                left = self._round()
                self._outcome.problem = ""
            except self._errors as error:
                self._outcome.problem = logs.redact(f"{type(error).__name__}: {str(error)[:200]}")
                left = None
            if left is not None:
                seen |= {order.venue_order_id for order in left}
                proofs = 0 if left else proofs + 1
                self._outcome.left = len(left)
            self._outcome.canceled = len(seen)
            if proofs == 1:
                self._outcome.seconds = round(time.monotonic() - started, 3)
            if time.monotonic() - started > PATIENCE_S:
                self._outcome.problem = self._outcome.problem or "orders are still open"
                return
            if proofs < PROOFS:
                time.sleep(LOOK_S if not left else 0)

    def _round(self) -> list[OpenOrder]:
        """One look, and cancels for what it found."""
        found = self._cancels.parse_open_orders(self._send(self._cancels.open_orders))
        mine = [o for o in found if self._labels is None or o.label in self._labels]
        if mine and self._labels is None:
            self._cancels.check(self._send(self._cancels.cancel_all))
            after = self._cancels.parse_open_orders(self._send(self._cancels.open_orders))
        else:
            after = mine
        for order in after:
            self._send(partial(self._cancels.cancel, order))
        return mine

    def _send(self, make: Callable[[int, str], HttpCall]) -> bytes:
        call = make(time.time_ns() // 1_000_000, secrets.token_hex(8))
        answer = self._session.request(
            call.method, call.url, headers=call.headers, timeout=call.timeout_s
        )
        return answer.content


def _tell(settings: Settings, scope: str, problem: str, outcomes: list[Outcome]) -> None:
    if settings.as_json:
        rows = [msgspec.to_builtins(outcome) for outcome in outcomes]
        output.print_json({"scope": scope, "latched": not problem, "accounts": rows})
        return
    print(problem or f"{scope} is latched: no new order leaves")
    for outcome in outcomes:
        where = f"{outcome.venue}.{outcome.account}"
        if outcome.problem:
            print(f"{where}: {outcome.problem}; {outcome.left} seen open")
        else:
            own = f"{outcome.canceled} canceled by this command"  # its engine does so as well
            print(f"{where}: none open after {outcome.seconds:.2f} s, {own}")
