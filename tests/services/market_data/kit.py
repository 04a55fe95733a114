"""A venue made for the tests of market_data: frames are names of lists of feed events."""

from __future__ import annotations

from collections.abc import Sequence

from common import messages as m
from common.config import MarketDataConfig
from common.core import (
    Count,
    HttpCall,
    HttpReply,
    Idle,
    LinkSend,
    LinkUp,
    Publish,
    PublishSnapshot,
    SetState,
    Started,
    Subscribed,
    Unsubscribed,
    VenueFrame,
    WakeAt,
)
from common.errors import VenueProtocolError
from common.venues.streams import (
    BookChange,
    BookReset,
    FeedEvent,
    FeedReady,
    RestBook,
    Stream,
    StreamKind,
    StreamsStarted,
    StreamsStopped,
    TickerReceived,
)
from services.market_data.core import MarketData

S = 1_000_000_000
MS = 1_000_000
T0 = 1_700_000_000 * S
LINK = "x.public.0"
URL = "ws://x"
STATE, PLATFORM = Stream(StreamKind.STATE, ""), Stream(StreamKind.PLATFORM, "")


def book(name: str) -> Stream:
    return Stream(StreamKind.BOOK, name)


class FakeFeed:
    """Says `sub <names>`, and reads frames that the test has put into `frames`."""

    streams_per_call = 500
    calls_per_second = 3.0
    call_burst = 5
    links_max = 3
    next_wake_ns: int | None = None

    def __init__(self, frames: dict[bytes, list[FeedEvent]]) -> None:
        self._frames = frames

    def on_up(self, now_ns: int) -> list[bytes]:
        return [b"hello"]

    def on_down(self) -> None:
        pass

    def on_time(self, now_ns: int) -> list[bytes]:
        return []

    def probe(self) -> bytes:
        return b"probe"

    def subscribe(self, streams: Sequence[Stream]) -> bytes:
        return _call("sub", streams)

    def unsubscribe(self, streams: Sequence[Stream]) -> bytes:
        return _call("unsub", streams)

    def parse(self, payload: bytes, now_ns: int) -> list[FeedEvent]:
        if payload not in self._frames:
            raise VenueProtocolError("x", "unknown frame", payload)
        return self._frames[payload]


def _call(verb: str, streams: Sequence[Stream]) -> bytes:
    return f"{verb} {' '.join(f'{kind}:{name}' for kind, name in streams)}".encode()


class FakeReference:
    """Bodies name what the test has put into `lists` and `books`."""

    def __init__(self) -> None:
        self.lists: dict[bytes, list[m.InstrumentDefinition]] = {}
        self.books: dict[bytes, RestBook] = {}
        self.legs: dict[bytes, dict[str, list[tuple[str, m.Exact]]]] = {}

    def instruments_call(self, call_id: str) -> HttpCall:
        return HttpCall(call_id, "GET", "http://x/instruments")

    def parse_instruments(self, body: bytes) -> tuple[list[m.InstrumentDefinition], list[str]]:
        if body not in self.lists:
            raise VenueProtocolError("x", "no list", body)
        return self.lists[body], []

    def legs_call(self, call_id: str) -> HttpCall:
        return HttpCall(call_id, "GET", "http://x/legs")

    def parse_legs(self, body: bytes) -> dict[str, list[tuple[str, m.Exact]]]:
        return self.legs[body]

    def book_call(self, call_id: str, instrument: str) -> HttpCall:
        return HttpCall(call_id, "GET", f"http://x/book/{instrument}")

    def parse_book(self, body: bytes) -> RestBook:
        if body not in self.books:
            raise VenueProtocolError("x", "no book", body)
        return self.books[body]


def definition(name: str, status: m.InstrumentStatus = m.InstrumentStatus.ACTIVE):
    one = m.Exact("1")
    return m.InstrumentDefinition(
        instrument=name,
        venue="x",
        symbol=name.removeprefix("x."),
        kind=m.InstrumentKind.SPOT,
        contract_type=m.ContractType.SPOT,
        base="A",
        quote="B",
        settlement="B",
        underlying="A",
        price_index="a_b",
        tick_size=one,
        lot_size=one,
        min_quantity=one,
        contract_size=one,
        maker_fee=m.Exact("0"),
        taker_fee=m.Exact("0"),
        status=status,
    )


class Rig:
    """A MarketData core with its venue; remembers time and what was returned."""

    def __init__(self, *names: str, **settings: object) -> None:
        self.frames: dict[bytes, list[FeedEvent]] = {}
        self.reference = FakeReference()
        self.core = MarketData(
            "x",
            URL,
            MarketDataConfig(**settings),
            lambda: FakeFeed(self.frames),
            self.reference,
            lambda: 1.0,
        )
        self.now = T0
        self.names = names or ("x.A", "x.B")

    def feed(self, event: object) -> list[object]:
        """The commands that matter: no WakeAt, no Count."""
        return visible(self.core.handle(event, self.now))

    def later(self, ns: int) -> list[object]:
        """Let time pass in quarter seconds, as the core's own timer does."""
        end = self.now + ns
        out: list[object] = []
        while self.now < end:
            self.now = min(end, self.now + 250 * MS)
            out += visible(self.core.on_time(self.now))
        return out

    def frame(self, *events: FeedEvent, link: str = LINK, name: bytes = b"f") -> list[object]:
        self.frames[name] = list(events)
        return self.feed(VenueFrame(link, name, self.now))

    def idle(self, link: str = LINK) -> list[object]:
        return self.feed(Idle(link))

    def load(self, *names: str) -> list[object]:
        self.reference.lists[b"list"] = [definition(name) for name in names]
        return self.feed(HttpReply("instruments", 200, b"list", self.now))

    def start(self) -> None:
        """Up to a ready link and a loaded list of instruments."""
        self.feed(Started())
        self.load(*self.names)
        self.feed(LinkUp(LINK))
        self.frame(FeedReady(True))
        self.frame(StreamsStarted([STATE, PLATFORM], []))
        self.later(10 * MS)

    def read(self, topic: str) -> list[object]:
        return self.feed(Subscribed(topic, True))

    def leave(self, topic: str) -> list[object]:
        return self.feed(Unsubscribed(topic))

    def run_book(self, name: str = "x.A", bids=(9.0, 1.0), asks=(10.0, 2.0), at: int = 100) -> None:
        """A running, live book at this sequence."""
        self.read(f"book.{name}")
        self.later(10 * MS)
        self.frame(StreamsStarted([book(name)], []))
        self.frame(BookReset(name, list(bids), list(asks), at, self.now))
        self.idle()

    def change(self, name: str, previous: int, sequence: int, bids=(), asks=()) -> list[object]:
        return self.frame(BookChange(name, list(bids), list(asks), previous, sequence, self.now))

    def answer_calls(self, commands: Sequence[object]) -> list[object]:
        """Let the venue accept every call among these commands."""
        out: list[object] = []
        for command in commands:
            if isinstance(command, LinkSend) and command.payload.startswith((b"sub", b"unsub")):
                verb, *words = command.payload.decode().split()
                streams = [Stream(StreamKind(w.split(":")[0]), w.split(":")[1]) for w in words]
                event = StreamsStarted(streams, []) if verb == "sub" else StreamsStopped(streams)
                out += self.frame(event, link=command.link)
        return out


def visible(commands: Sequence[object]) -> list[object]:
    return [command for command in commands if not isinstance(command, WakeAt | Count)]


def published(commands: Sequence[object]) -> list[tuple[str, m.Event]]:
    return [(c.topic, c.message) for c in commands if isinstance(c, Publish | PublishSnapshot)]


def sent(commands: Sequence[object]) -> list[str]:
    return [c.payload.decode() for c in commands if isinstance(c, LinkSend)]


def states(commands: Sequence[object]) -> list[str]:
    return [c.state for c in commands if isinstance(c, SetState)]


STALE_DEPTH = m.Depth("x.A", [], [], True)
STALE_QUOTE = m.Quote("x.A", None, 0.0, None, 0.0, True)


def stale(reason: str) -> list[tuple[str, m.Event]]:
    """What is published of x.A, in this order, when it becomes stale."""
    return [
        ("book.x.A", m.BookStale("x.A", reason)),
        ("depth.x.A", STALE_DEPTH),
        ("quote.x.A", STALE_QUOTE),
    ]


def ticker(name: str, bid: float | None, ask: float | None) -> TickerReceived:
    message = m.Ticker(name, 9.5, 9.5, 9.5, bid_price=bid, ask_price=ask)
    return TickerReceived(message, 1.0, 2.0, T0)


def running(**settings: object) -> Rig:
    rig = Rig(**settings)
    rig.start()
    rig.run_book()
    return rig


def quiet(rig: Rig, seconds: int) -> list[object]:
    """Time passes on a live link."""
    out = []
    for _ in range(seconds):
        out += rig.later(1 * S)
        rig.frame()
    return out
