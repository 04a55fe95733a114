"""MarketData: one venue's public feed in; exact books, quotes, trades and tickers out.

readers.py says what shall run, links.py makes it run, books.py keeps and publishes the books,
checks.py doubts the quiet ones. This module joins them to events and time. When one of them finds
something wrong the rule is always the same: the book is stale, say so, fetch it anew.
"""

from __future__ import annotations

from collections.abc import Callable

from common import messages as m
from common.config import MarketDataConfig
from common.core import (
    CoreCommand,
    Event,
    HttpFailed,
    HttpReply,
    Idle,
    LinkDown,
    LinkSend,
    LinkUp,
    Publish,
    SetState,
    Started,
    Stopping,
    Subscribed,
    Unsubscribed,
    VenueFrame,
    WakeAt,
)
from common.domain.backoff import Backoff
from common.errors import BookGap, VenueProtocolError
from common.venues.streams import (
    BookChange,
    BookReset,
    BookUnusable,
    CallFailed,
    Feed,
    FeedReady,
    FrameToSend,
    IndexReceived,
    PublicReference,
    StateReceived,
    Stream,
    StreamKind,
    StreamsStarted,
    StreamsStopped,
    TickerReceived,
    TradeReceived,
    VenueState,
)
from services.market_data.books import Books
from services.market_data.checks import QuietChecks
from services.market_data.instruments import Instruments, Refresh
from services.market_data.latest import Latest
from services.market_data.links import Link, Links, Phase
from services.market_data.readers import Readers
from services.market_data.status import Status

NS_PER_S = 1_000_000_000
TICK_NS = NS_PER_S // 4
GATHER_NS = 5_000_000  # readers that join together share one call to the venue
CROSSED_NS = NS_PER_S // 2  # how long a crossed book may right itself
INSTRUMENTS_CALL = "instruments"
LEGS_CALL = "legs"
BOOK_CALL = "book:"
RAW_MAX = 1_000_000  # bytes; the bus takes messages of up to 1 MiB
PATIENCE_NS = 10 * NS_PER_S  # after a start
CONTROL = (Stream(StreamKind.STATE, ""), Stream(StreamKind.PLATFORM, ""))


class MarketData:
    """The core of one market_data process.

    Args:
        chance: gives numbers from 0 to 1; spreads reconnects.
    """

    def __init__(
        self,
        venue: str,
        websocket_url: str,
        config: MarketDataConfig,
        make_feed: Callable[[], Feed],
        reference: PublicReference,
        chance: Callable[[], float],
    ) -> None:
        self._venue = venue
        self._reference = reference
        silence_ns = int(config.data_timeout_s * NS_PER_S)
        self._silence_ns = silence_ns
        self._links = Links(
            venue, websocket_url, make_feed, config.channels_per_link, silence_ns, chance
        )
        self._books = Books()
        self._checks = QuietChecks(int(config.check_every_s * NS_PER_S))
        self._instruments = Instruments(venue)
        self._refresh = Refresh(Backoff(chance))
        self._legs_refresh = Refresh(Backoff(chance))
        self._latest = Latest(venue, self._books, self._instruments)
        self._readers = Readers(
            venue, config, self._links, self._books, self._instruments, self._latest
        )
        self._out: list[CoreCommand] = []
        self._status = Status()
        self._raw_readers: set[str] = set()  # topics: of one link's raw frames, or of all
        self._login_problem = ""
        self._patient_until_ns = 0  # how long the list of instruments may fail without a warning
        self._closed_text = ""  # why the venue is closed, "" while it is open
        self._tick_ns = 0
        self._gather_ns: int | None = None
        self._on_event: dict[type, Callable[..., None]] = {
            VenueFrame: self._on_frame,
            Idle: self._on_idle,
            Started: self._on_start,
            LinkUp: self._on_link_up,
            LinkDown: self._on_link_down,
            Subscribed: self._on_subscribed,
            Unsubscribed: self._on_unsubscribed,
            HttpReply: self._on_http_reply,
            HttpFailed: self._on_http_failed,
            Stopping: self._on_stopping,
        }
        self._on_feed: dict[type, Callable[..., None]] = {
            BookChange: self._on_book_change,
            BookReset: self._on_book_reset,
            BookUnusable: self._on_book_unusable,
            TradeReceived: self._on_trade,
            TickerReceived: self._on_ticker,
            IndexReceived: self._on_index,
            StateReceived: self._on_state,
            VenueState: self._on_venue_state,
            FrameToSend: self._on_frame_to_send,
            FeedReady: self._on_feed_ready,
            StreamsStarted: self._on_streams_started,
            StreamsStopped: self._on_streams_stopped,
            CallFailed: self._on_call_failed,
        }

    def handle(self, event: Event, now_ns: int) -> list[CoreCommand]:
        handler = self._on_event.get(type(event))
        if handler is not None:
            handler(event, now_ns)
        return self._take_out()

    def on_time(self, now_ns: int) -> list[CoreCommand]:
        self._advance(now_ns)
        return self._take_out()

    def _advance(self, now_ns: int) -> None:
        if self._gather_ns is not None and now_ns >= self._gather_ns:
            self._gather_ns = None
        if now_ns >= self._tick_ns:
            self._tick_ns = now_ns + TICK_NS
            self._out.append(WakeAt(self._tick_ns))
            self._tick(now_ns)
        self._out += self._links.open_due(now_ns)
        self._out += self._links.send_due(now_ns)
        self._update_state()

    def _take_out(self) -> list[CoreCommand]:
        out, self._out = self._out, []
        return out

    # --- life of the process -----------------------------------------------------------------

    def _on_start(self, event: Started, now_ns: int) -> None:
        self._patient_until_ns = now_ns + PATIENCE_NS
        for stream in CONTROL:
            self._links.want(stream)
        self._advance(now_ns)

    def _on_stopping(self, event: Stopping, now_ns: int) -> None:
        self._out += self._books.publish(now_ns)
        self._out.append(SetState("stopping"))

    def _tick(self, now_ns: int) -> None:
        for link, reason in self._links.dead(now_ns):
            self._close_link(link, reason, now_ns)
        self._out += self._links.keep_alive(now_ns)
        self._out += self._readers.end_due(now_ns)
        for instrument in self._books.crossed_before(now_ns - CROSSED_NS):
            self._resync(instrument, "crossed", now_ns)
        for instrument in self._checks.frozen(self._books, now_ns):
            self._status.count("checks_failed")
            self._resync(instrument, "its channel has stopped", now_ns)
        self._out += self._books.publish(now_ns)  # should an Idle be missing
        self._renew_waiting(now_ns)
        self._check_quiet(now_ns)
        if self._refresh.is_due(now_ns):
            self._out.append(self._reference.instruments_call(INSTRUMENTS_CALL))
        if self._instruments.lacks_legs and self._legs_refresh.is_due(now_ns):
            self._out.append(self._reference.legs_call(LEGS_CALL))
        self._out += self._status.flush()

    def _update_state(self) -> None:
        self._out += self._status.update(self._problem(), self._login_problem)

    def _problem(self) -> str:
        """Why the data are not all there, "" if they are."""
        down = [
            link.name for link in self._links if link.phase is not Phase.READY and not link.is_new
        ]
        if not self._instruments.loaded:
            return "the venue's instruments are not loaded"
        if down:
            return f"down: {', '.join(down)}"
        waiting = self._readers.waiting()
        return self._closed_text or (f"no book of {', '.join(waiting)}" if waiting else "")

    def _warn(self, now_ns: int, text: str, **fields: str) -> None:
        self._out += self._status.warn(now_ns, text, fields)

    # --- links -------------------------------------------------------------------------------

    def _on_link_up(self, event: LinkUp, now_ns: int) -> None:
        link = self._links.get(event.link)
        if link is not None:
            self._out += self._links.on_up(link, now_ns)

    def _on_link_down(self, event: LinkDown, now_ns: int) -> None:
        link = self._links.get(event.link)
        if link is None:
            return
        self._lose_streams(link, f"link down: {event.reason}", now_ns)
        self._out += self._links.on_down(link, now_ns)
        self._update_state()

    def _close_link(self, link: Link, reason: str, now_ns: int) -> None:
        self._status.count("links_closed")
        self._warn(now_ns, "closing a link", link=link.name, reason=reason)
        self._lose_streams(link, f"link closed: {reason}", now_ns)
        self._out += self._links.close(link, reason)

    def _lose_streams(self, link: Link, reason: str, now_ns: int) -> None:
        """What came over this link is no longer proven, all at once."""
        for stream in link.wanted:
            if stream.kind is StreamKind.BOOK:
                self._out += self._books.make_stale(stream.name, reason, now_ns)
            else:
                self._latest.drop(stream)

    def _on_frame(self, event: VenueFrame, now_ns: int) -> None:
        link = self._links.get(event.link)
        if link is None or not link.is_open:
            return
        link.last_frame_ns, link.probed = now_ns, False
        self._status.count("frames")
        if self._raw_readers:
            self._publish_raw(event)
        try:
            for told in link.feed.parse(event.payload, now_ns):
                self._on_feed[type(told)](link, told, event.received_ns)
        except VenueProtocolError as error:
            self._on_bad_frame(link, error, now_ns)

    def _publish_raw(self, event: VenueFrame) -> None:
        """A link's name begins with its venue. What is too big for the bus is only counted."""
        topic = f"raw.{event.link}"
        if len(event.payload) > RAW_MAX:
            self._status.count("raw_frames_too_big")
        elif topic in self._raw_readers or f"raw.{self._venue}" in self._raw_readers:
            frame = m.RawFrame(event.link, event.payload, event.received_ns)
            self._out.append(Publish(topic, frame, received_ns=event.received_ns))

    def _on_bad_frame(self, link: Link, error: VenueProtocolError, now_ns: int) -> None:
        self._status.count("frames_bad")
        self._warn(now_ns, "a frame that cannot be read", link=link.name, problem=str(error))
        if link.count_bad_frame(now_ns):
            self._close_link(link, "too many frames that cannot be read", now_ns)

    def _on_idle(self, event: Idle, now_ns: int) -> None:
        self._out += self._books.publish(now_ns)

    def _on_frame_to_send(self, link: Link, event: FrameToSend, now_ns: int) -> None:
        self._out.append(LinkSend(link.name, event.frame))

    def _on_feed_ready(self, link: Link, event: FeedReady, now_ns: int) -> None:
        self._links.on_ready(link)
        if event.problem and event.problem != self._login_problem:
            self._warn(now_ns, "data without login", link=link.name, problem=event.problem)
        self._login_problem = event.problem
        self._out += self._links.send_due(now_ns)
        self._update_state()

    def _on_streams_started(self, link: Link, event: StreamsStarted, now_ns: int) -> None:
        self._links.on_started(link, event)
        for stream in event.refused:
            self._status.count("streams_refused")
            self._warn(now_ns, "the venue refuses a stream", kind=stream.kind, name=stream.name)
        self._gather(now_ns)

    def _on_streams_stopped(self, link: Link, event: StreamsStopped, now_ns: int) -> None:
        self._links.on_stopped(link, event)
        self._gather(now_ns)

    def _on_call_failed(self, link: Link, event: CallFailed, now_ns: int) -> None:
        self._links.on_call_failed(link, event, now_ns)
        self._status.count("calls_failed")
        self._warn(now_ns, "the venue refuses a call", link=link.name, problem=event.text)

    def _gather(self, now_ns: int) -> None:
        """Look soon at what is to be started and stopped, when others have said theirs too."""
        if self._gather_ns is None:
            self._gather_ns = now_ns + GATHER_NS
            self._out.append(WakeAt(self._gather_ns))

    # --- books -------------------------------------------------------------------------------

    def _on_book_change(self, link: Link, event: BookChange, received_ns: int) -> None:
        try:
            self._books.change(event, received_ns)
        except BookGap as gap:
            self._status.count("gaps")
            self._resync(event.instrument, str(gap), received_ns)

    def _on_book_reset(self, link: Link, event: BookReset, received_ns: int) -> None:
        self._books.reset(event, received_ns)

    def _on_book_unusable(self, link: Link, event: BookUnusable, received_ns: int) -> None:
        self._status.count("frames_bad")
        self._resync(event.instrument, f"a frame that cannot be taken: {event.reason}", received_ns)

    def _resync(self, instrument: str, reason: str, now_ns: int) -> None:
        """The book is wrong: say so before anything else of it, and fetch it anew."""
        if self._books.get(instrument) is None:
            return
        self._status.count("resyncs")
        self._warn(now_ns, "resync", instrument=instrument, reason=reason)
        self._out += self._books.make_stale(instrument, reason, now_ns)
        self._links.renew(Stream(StreamKind.BOOK, instrument))
        self._gather(now_ns)

    def _renew_waiting(self, now_ns: int) -> None:
        """A book whose stream runs but whose first message never came."""
        for live in self._books:
            if not live.is_live and now_ns - live.changed_ns >= self._silence_ns:
                live.changed_ns = now_ns
                self._links.renew(Stream(StreamKind.BOOK, live.instrument))

    def _check_quiet(self, now_ns: int) -> None:
        while (instrument := self._checks.due(self._books, now_ns)) is not None:
            self._status.count("checks")
            self._out.append(self._reference.book_call(BOOK_CALL + instrument, instrument))

    # --- other streams -----------------------------------------------------------------------

    def _on_trade(self, link: Link, event: TradeReceived, received_ns: int) -> None:
        topic = f"trade.{event.message.instrument}"
        times = event.venue_sequence, event.venue_time_ns, received_ns
        self._out.append(Publish(topic, event.message, *times))

    def _on_ticker(self, link: Link, event: TickerReceived, received_ns: int) -> None:
        self._out.append(self._latest.take_ticker(event, received_ns))
        live = self._books.get(event.message.instrument)
        if live is not None:
            self._checks.on_ticker(live, event, received_ns)

    def _on_index(self, link: Link, event: IndexReceived, received_ns: int) -> None:
        self._out.append(self._latest.take_index(event, received_ns))

    def _on_state(self, link: Link, event: StateReceived, received_ns: int) -> None:
        if event.instrument not in self._instruments or event.status is None:
            self._refresh.hasten(received_ns)
        else:
            self._out += self._readers.take_status(
                event.instrument, event.status, event.venue_time_ns, received_ns
            )

    def _on_venue_state(self, link: Link, event: VenueState, received_ns: int) -> None:
        self._warn(received_ns, event.text, link=link.name)
        if not event.available:
            self._closed_text = event.text
            for live in list(self._books):
                self._out += self._books.make_stale(live.instrument, event.text, received_ns)
        elif self._closed_text:
            self._closed_text = ""
            for live in list(self._books):
                self._resync(live.instrument, event.text, received_ns)
        self._update_state()

    # --- readers -----------------------------------------------------------------------------

    def _on_subscribed(self, event: Subscribed, now_ns: int) -> None:
        if event.topic.startswith(f"raw.{self._venue}"):
            self._raw_readers.add(event.topic)
        self._out += self._readers.join(event.topic, now_ns)
        self._gather(now_ns)
        self._out += self._books.publish(now_ns)  # so that the snapshot follows on what was told
        self._out += self._latest.snapshots(event.topic)

    def _on_unsubscribed(self, event: Unsubscribed, now_ns: int) -> None:
        self._raw_readers.discard(event.topic)
        self._readers.leave(event.topic, now_ns)

    # --- instruments -------------------------------------------------------------------------

    def _on_http_reply(self, event: HttpReply, now_ns: int) -> None:
        try:
            if event.call_id == INSTRUMENTS_CALL:
                self._on_list(event.body, now_ns)
            elif event.call_id == LEGS_CALL:
                self._out += self._readers.take_legs(self._reference.parse_legs(event.body))
                self._legs_refresh.on_answer(now_ns)
            elif event.call_id.startswith(BOOK_CALL):
                self._on_checked(event, now_ns)
        except VenueProtocolError as error:
            self._on_call_lost(event.call_id, str(error), now_ns)
        self._update_state()

    def _on_http_failed(self, event: HttpFailed, now_ns: int) -> None:
        if event.call_id == INSTRUMENTS_CALL and now_ns < self._patient_until_ns:
            self._status.count("rest_failed")  # the venue may come up together with us
            self._ask_again(event.call_id, now_ns)
        else:
            self._on_call_lost(event.call_id, event.error, now_ns)

    def _on_call_lost(self, call_id: str, problem: str, now_ns: int) -> None:
        self._status.count("rest_failed")
        self._warn(now_ns, "a REST call failed", call=call_id, problem=problem)
        self._ask_again(call_id, now_ns)

    def _ask_again(self, call_id: str, now_ns: int) -> None:
        if call_id == INSTRUMENTS_CALL:
            self._refresh.on_failure(now_ns)
        elif call_id == LEGS_CALL:
            self._legs_refresh.on_failure(now_ns)
        else:
            instrument = call_id.removeprefix(BOOK_CALL)
            self._checks.on_failure(instrument, self._books.get(instrument), now_ns)

    def _on_checked(self, event: HttpReply, now_ns: int) -> None:
        instrument = event.call_id.removeprefix(BOOK_CALL)
        rest = self._reference.parse_book(event.body)
        if not self._checks.on_reply(instrument, self._books.get(instrument), rest, now_ns):
            self._status.count("checks_failed")
            self._resync(instrument, "differs from the venue's REST book", now_ns)

    def _on_list(self, body: bytes, now_ns: int) -> None:
        definitions, problems = self._reference.parse_instruments(body)
        if problems:
            self._status.count("instruments_bad", len(problems))
            self._warn(now_ns, f"{len(problems)} instruments cannot be used", first=problems[0])
        if not definitions:
            raise VenueProtocolError(self._venue, "an empty list of instruments")
        self._refresh.on_answer(now_ns)
        self._out += self._readers.take_list(definitions, now_ns)
        self._legs_refresh.hurry()
        self._gather(now_ns)
