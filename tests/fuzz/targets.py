"""What reads bytes from outside, each with the errors it may raise and the inputs to begin from.

Seeds are recorded frames, golden frames and what the tests of each parser use.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from common import codec, config as configuration, messages as m
from common.config import checks, reading
from common.errors import BadMessage, ConfigError, LocalError, VenueProtocolError
from common.transport import segments
from common.venues.deribit.reference import Reference
from services.cli import gateway as cli
from services.cli.settings import CliError
from services.gateway.events import ClientClosed, ClientOpened
from services.trading_engine import records
from tests import samples
from tests.fuzz.mutate import MAX_SIZE
from tests.services.gateway.kit import BTC, Desk
from tests.venues.deribit import test_account, test_feed, test_orders, test_reference

ROOT = Path(__file__).parents[2]
FRAMES = ROOT / "tests" / "venues" / "deribit" / "frames"
GOLDEN = ROOT / "tests" / "data" / "golden_frames.json"
CORPUS = Path(__file__).parent / "corpus"
NOW = 1_700_000_000_000_000_000
RECORDED = 40  # frames of each recording: enough of every kind


class Target(NamedTuple):
    """declared: what run may raise. in_loop: other work waits while it reads. max_size: of what
    is made up, in bytes.
    """

    name: str
    declared: tuple[type[Exception], ...]
    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    in_loop: bool = True
    max_size: int = MAX_SIZE

    def corpus(self) -> list[bytes]:
        """The seeds, and what once went wrong."""
        kept = sorted((CORPUS / self.name).glob("*"))
        return [*self.seeds(), *(path.read_bytes() for path in kept)]


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


# --- Deribit ---------------------------------------------------------------------------------


def _recorded() -> Iterator[bytes]:
    with gzip.open(FRAMES / "options_20210417.ws.gz") as file:
        for number, line in enumerate(file):
            if number == RECORDED:
                break
            if b"{" in line:
                yield line[line.find(b"{") :].strip()
    for line in (FRAMES / "tickers_20260930.jsonl").read_bytes().splitlines()[:RECORDED]:
        yield line[line.find(b"{") :]


def _feed_seeds() -> list[bytes]:
    data = test_feed.book_data()
    made = [test_feed.notification("book.BTC-PERPETUAL.raw", data)]
    return [*made, *_recorded(), _json({"jsonrpc": "2.0", "id": 1, "result": test_feed.TOKENS})]


def _feed(data: bytes) -> None:
    feed = test_feed.feed_with(test_feed.BOOK, test_feed.TRADE, test_feed.TICKER, test_feed.INDEX)
    _check_finite(feed.parse(data, NOW))


def _check_finite(value: Any) -> None:
    """Row 48: no number that is none gets past a parser."""
    if isinstance(value, float):
        assert math.isfinite(value), "a number that is not finite was let through"
    elif isinstance(value, Decimal):
        assert value.is_finite(), "a number that is not finite was let through"
    elif isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            _check_finite(getattr(value, field))
    elif isinstance(value, list | tuple):
        for item in value:
            _check_finite(item)
    elif isinstance(value, dict):
        _check_finite(list(value.values()))


def _read_all(data: bytes, *readers: Callable[[bytes], Any]) -> None:
    """Each reader by itself; refused is what none of them takes."""
    refusals = []
    for read in readers:
        try:
            _check_finite(read(data))
        except VenueProtocolError as error:
            refusals.append(error)
    if len(refusals) == len(readers):
        raise refusals[0]


def _asked(made: Any, number: int) -> list[bytes]:
    """Answers in every shape to the call of this number."""
    return [_json({"jsonrpc": "2.0", "id": number, "usOut": 1} | what) for what in made]


def _orders_seeds() -> list[bytes]:
    order, trade = test_orders.RESTING, test_orders.TRADE
    error = {"code": 10009, "message": "not_enough_funds", "data": {"reason": "x", "param": "y"}}
    answers = [{"result": {"order": order, "trades": [trade]}}, {"error": error}, {"result": []}]
    notes = {
        "user.orders.any.any.raw": [order, test_orders.WAITING_STOP],
        "user.trades.any.any.raw": [trade],
        "user.changes.any.any.raw": {"orders": [order], "trades": [trade], "positions": []},
    }
    seeds = _asked(answers, _order_number())
    return seeds + [test_feed.notification(channel, data) for channel, data in notes.items()]


def _order_number() -> int:
    return _new_orders()[1]


def _new_orders() -> tuple[Any, int]:
    made = test_orders.OrderEntry(
        test_orders.Credentials("id", test_orders.Secret("s")), cancel_on_disconnect=False
    )
    made.on_up(NOW)
    frame = made.account_calls(0, "context")[0].frame
    return made, int(json.loads(frame)["id"])


def _orders(data: bytes) -> None:
    _check_finite(_new_orders()[0].parse(data, NOW))


def _order_payloads(data: bytes) -> None:
    """The payloads alone, whatever envelope they come in."""
    readers = test_orders.decode_orders, test_orders.decode_positions, test_orders.decode_trades
    _read_all(data, *readers)


def _payload_seeds() -> list[bytes]:
    order, trade = test_orders.RESTING, test_orders.TRADE
    trades = {"trades": [trade], "has_more": False}
    return [_json(what) for what in ([order], [test_orders.WAITING_STOP], trades, [trade])]


def _account_seeds() -> list[bytes]:
    changes = {"trades": [test_account.TRADE], "positions": [test_account.POSITION], "orders": []}
    notes = {
        "user.changes.any.any.raw": changes,
        "user.portfolio.any": test_account.SUMMARY,
        "user.portfolio.btc": test_account.SUMMARY,
    }
    results = [{"result": [test_account.POSITION]}, {"result": {"summaries": []}}]
    seeds = [test_feed.notification(channel, data) for channel, data in notes.items()]
    return seeds + [seed for number in range(3, 7) for seed in _asked(results, number)]


def _account(data: bytes) -> None:
    feed, subscribe = test_account.logged_in()
    test_account.answer(feed, subscribe, result=test_account.CHANNELS)
    _check_finite(feed.parse(data, NOW))


def _reference_seeds() -> list[bytes]:
    shapes = [test_reference.PERPETUAL, test_reference.OPTION, test_reference.SPOT]
    book = {"bids": [[1.0, 2.0]], "asks": [[3.0, 4.0]], "change_id": 7, "timestamp": 1}
    combo = {"id": "x", "legs": [{"instrument_name": "a", "amount": 1}]}
    return [_json({"jsonrpc": "2.0", "result": what}) for what in (shapes, book, [combo])]


def _reference(data: bytes) -> None:
    reference = Reference("http://x/api/v2")
    _read_all(data, reference.parse_instruments, reference.parse_legs, reference.parse_book)


# --- the bus and the journal -----------------------------------------------------------------


def _golden() -> list[bytes]:
    return [bytes.fromhex(text) for text in json.loads(GOLDEN.read_text()).values()]


def _frames(data: bytes) -> None:
    codec.decode(data)


def _commands(data: bytes) -> None:
    for read in (codec.decode_header, codec.decode_inventory):
        try:
            read(data)
        except BadMessage:
            continue
    codec.decode_command(data)


def _command_seeds() -> list[bytes]:
    asked = [samples.PLACE, samples.BRACKET, m.CancelAll(owner="a"), m.QueryOrders(owner="a")]
    return [frame for each in asked for frame in codec.encode_command("r1", "gateway", 1, each)]


def _replies(data: bytes) -> None:
    codec.decode_reply(data)


def _reply_seeds() -> list[bytes]:
    reply = m.CommandReply("r1", True, orders=[samples.ORDER], fills=[samples.FILL])
    return codec.encode_reply("engine", 1, reply)


def _entry_seeds() -> list[bytes]:
    request = records.RequestRecord("a/r1", "r1", samples.PLACE, "gateway")
    intent = records.IntentRecord("a/r1", "r1", 0, "place", samples.ORDER, 5, checks=["price"])
    told = [records.RawRecord(b"{}", 2), records.ReportRecord(samples.ORDER, "stream")]
    entries = [[records.StartRecord(1, "b", "c"), request, intent], told]
    return [records.encode(records.Entry(NOW, list(entry))) for entry in entries]


def _segment_seeds() -> list[bytes]:
    chain, data = segments.Chain(), b""
    for sequence, payload in enumerate([chain.link(), *_entry_seeds() * 3]):
        record = segments.pack(sequence, payload)
        chain.add(record)
        data += record
    return [data]


def _journal(data: bytes) -> None:
    """A file of a journal as it lies there, and what its good records hold."""
    found = segments.scan(data)
    records.decode(payload for payload in found.payloads if not segments.is_chain(payload))


def _entries(data: bytes) -> None:
    """A record with a right checksum."""
    records.decode([data])


# --- the gateway -----------------------------------------------------------------------------

CLIENT = 1
_desks: list[Desk] = []


def _desk() -> Desk:
    """One gateway for many inputs, since they must not harm it; renewed now and then."""
    if not _desks or _desks[0].core.stats.connections > 2000:
        _desks[:] = [Desk()]
    return _desks[0]


def _gateway_calls(data: bytes) -> None:
    desk = _desk()
    desk.now += 1_000_000_000
    for is_binary in (False, True):
        desk.client(CLIENT, "demo", is_binary)
        desk.send(CLIENT, data, text=not is_binary)
        desk.feed(ClientClosed(CLIENT))
    desk.frames.clear(), desk.asked.clear(), desk.closed.clear()


def _call_seeds() -> list[bytes]:
    place = {"instrument": BTC, "side": "BUY", "quantity": "10", "price": 1.5, "post_only": True}
    calls: dict[str, Any] = {
        "order.place": place,
        "order.modify": {"client_order_id": "1", "price": "2", "quantity": 3},
        "order.cancel": {"client_order_id": "1"},
        "order.cancel_all": {"kind": "OPTION", "currency": "BTC"},
        "subscribe": {"channels": [f"book.{BTC}", f"depth.{BTC}.10.100ms", "orders", "fills"]},
        "auth": {"key_id": "demo", "secret": "demo-secret"},
        "auth.challenge": {"key_id": "demo"},
        "books": {"instruments": [BTC], "levels": 3},
        "instruments": {"q": "btc perp", "limit": 5},
        "account.history": {"resolution": "minute", "since_ns": 1},
        "strategy.set": {"name": "quoter", "values": {"a": 1}},
        "mode.set": {"mode": "HALTED", "reason": "x"},
    }
    requests = [
        {"jsonrpc": "2.0", "id": number, "method": name, "params": params}
        for number, (name, params) in enumerate(calls.items())
    ]
    return [*map(_json, requests), *(msgspec.msgpack.encode(request) for request in requests)]


def _handshake(data: bytes) -> None:
    """Headers of a handshake, as aiohttp hands them over: text with whatever in it."""
    desk = _desk()
    header, _, host = data.decode("utf-8", "surrogateescape").partition("\n")
    desk.feed(ClientOpened(CLIENT, False, host[:40], header, host))
    desk.call(CLIENT, "auth.challenge", key_id="demo")
    desk.feed(ClientClosed(CLIENT))
    desk.frames.clear(), desk.closed.clear()


def _header_seeds() -> list[bytes]:
    return [b"Bearer demo.demo-secret\n127.0.0.1", b"Basic eA==\n::1", b"Bearer \xc3\xbc.x\nx:1"]


# --- files and the command line --------------------------------------------------------------


class _Text:
    """Stands for a file: pathlib's own is many times slower than the parser."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read_text(self) -> str:
        return self._data.decode()

    def __str__(self) -> str:
        return "desk.yaml"


def _config(data: bytes) -> None:
    desk = reading.read(_Text(data), configuration.DeskConfig)  # type: ignore[arg-type]
    checks.check(desk, "desk.yaml")


def _config_seeds() -> list[bytes]:
    small = {"desk": "x", "venues": {"v": {"websocket_url": "ws://x", "http_url": "http://x"}}}
    gateway = {"port": 1, "keys": [{"key_id": "a", "secret": "b", "scopes": ["read"]}]}
    account = {"name": "main", "limits": {"max_quantity": {"perpetual": "10"}}}
    account |= {"credentials": {"client_id": "a", "client_secret": "b"}}
    venues = {"v": small["venues"]["v"] | {"accounts": [account]}}  # type: ignore[index]
    whole = small | {"gateway": gateway, "venues": venues}
    bomb = b"a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b]\n"
    return [_json(small), _json(whole), b"desk: x\nvenues: {}\nlog_level: INFO\n", bomb]


class _Answer:
    """What `requests` hands over."""

    def __init__(self, data: bytes) -> None:
        self.status_code = 400 if len(data) % 2 else 200
        self._data = data

    def json(self) -> Any:
        return json.loads(self._data)


def _cli(data: bytes) -> None:
    """What the command line reads, said by something that may not be a gateway at all."""
    made = object.__new__(cli.Gateway)
    made.url = "http://x"
    cli.exit_code(made._read(_Answer(data)))  # type: ignore[arg-type]


def _cli_seeds() -> list[bytes]:
    error = {"code": -32602, "message": "x", "data": {"reason": "BAD_PARAMETER", "field": "price"}}
    row = {"accepted": False, "reason": "RATE_LIMIT", "text": "x", "field": "", "in_doubt": True}
    return [_json({"error": error}), _json(row), _json({"orders": []}), b'{"error":"x"}', b"[]"]


VENUE_ERROR = (VenueProtocolError,)
TARGETS = {
    target.name: target
    for target in (
        Target("feed", VENUE_ERROR, _feed, _feed_seeds),
        Target("orders", VENUE_ERROR, _orders, _orders_seeds),
        Target("order_payloads", VENUE_ERROR, _order_payloads, _payload_seeds),
        Target("account", VENUE_ERROR, _account, _account_seeds),
        Target("reference", VENUE_ERROR, _reference, _reference_seeds),
        Target("bus", (BadMessage,), _frames, _golden),
        Target("commands", (BadMessage,), _commands, _command_seeds),
        Target("replies", (BadMessage,), _replies, _reply_seeds),
        Target("journal", (LocalError,), _journal, _segment_seeds),
        Target("journal_records", (LocalError,), _entries, _entry_seeds),
        Target("gateway_calls", (), _gateway_calls, _call_seeds),
        Target("gateway_handshake", (), _handshake, _header_seeds),
        Target("config", (ConfigError,), _config, _config_seeds, in_loop=False, max_size=1500),
        Target("cli", (CliError,), _cli, _cli_seeds, in_loop=False),
    )
}
