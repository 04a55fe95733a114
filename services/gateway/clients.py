"""WebSocket clients: opening, logging in, subscribing, and those that do not read.

Market data skips a client that does not read (feeds.py counts what it missed); everything else
waits in its queue. Past its bounds it is told and closed.
"""

from __future__ import annotations

from collections.abc import Iterable

from common.config import GatewayConfig
from services.gateway import channels
from services.gateway.calls import Caller, Row
from services.gateway.challenges import VALID_MS, Challenges, is_signed, signed_text
from services.gateway.channels import Channel
from services.gateway.events import ClientOpened, CloseClient, GatewayCommand, Hold, Send
from services.gateway.keys import Key, KeyRing, require
from services.gateway.private import Private
from services.gateway.reading import Reading
from services.gateway.rpc import CallError
from services.gateway.sessions import TOO_MANY, TOO_SLOW, UNAUTHENTICATED, Session

MARKET = "market"  # the scope of market data: open, unless configured otherwise
CALLS = ("auth", "auth.challenge", "subscribe", "unsubscribe")
BAD_SIGNATURE = (
    "the signature is not that key's over nonce|key_id|host: a challenge is good once, for 5 s"
)
CATCH_UP_BYTES = 65_536
Commands = list[GatewayCommand]


class Clients:
    """All WebSocket clients, and the calls about their own connection."""

    def __init__(
        self,
        config: GatewayConfig,
        keys: KeyRing,
        reading: Reading,
        private: Private,
        challenges: Challenges,
    ) -> None:
        self.sessions: dict[int, Session] = {}
        self._config = config
        self._keys = keys
        self._catalog = reading.catalog
        self._market = reading.market
        self._private = private
        self._challenges = challenges

    def check_scope(self, scope: str, key: Key | None) -> None:
        """
        Raises:
            CallError: the key does not have this scope.
        """
        if scope == MARKET and self._config.market_data_open:
            return
        require(key, "read" if scope == MARKET else scope)

    # --- connections

    def open(self, event: ClientOpened, now_ns: int) -> Commands:
        session = Session(event, self._config, now_ns)
        same = [other for other in self.sessions.values() if other.address == event.address]
        self.sessions[event.client] = session
        if len(same) >= self._config.max_connections_per_address:
            return [CloseClient(event.client, TOO_MANY, "too many connections of your address")]
        try:
            key = self._keys.of_header(event.authorization, event.address, now_ns)
            if key is not None:
                self._enter(session, key)
        except CallError as problem:
            code = TOO_MANY if problem.reason == "RATE_LIMIT" else UNAUTHENTICATED
            return [CloseClient(event.client, code, problem.text)]
        return []

    def _enter(self, session: Session, key: Key) -> None:
        """
        Raises:
            CallError: the key has enough connections.
        """
        most = key.max_connections or self._config.max_connections_per_key
        others = (other for other in self.sessions.values() if other is not session)
        if sum(other.key == key for other in others) >= most:
            text = f"key {key.key_id!r} has {most} connections, no more"
            raise CallError("RATE_LIMIT", text, "key_id")
        session.key = key

    def change_keys(self, keys: KeyRing, now_ns: int) -> Commands:
        """Sessions end with their key, also when only its rights changed; until they are closed
        they get nothing more, and what they sent comes without a key."""
        self._keys = keys
        commands: Commands = []
        for session in self.sessions.values():
            if session.key is not None and keys.get(session.key.key_id) != session.key:
                session.key = None
                self._leave_all(session, now_ns)
                text = "your key was revoked or changed"
                commands.append(CloseClient(session.client, UNAUTHENTICATED, text))
        return commands

    def close(self, client: int, now_ns: int) -> Commands:
        session = self.sessions.pop(client, None)
        self._challenges.forget(client)
        if session is not None:
            self._leave_all(session, now_ns)
        return []

    def close_all(self, code: int, reason: str) -> Commands:
        return [CloseClient(client, code, reason) for client in self.sessions]

    def close_overdue(self, now_ns: int) -> Commands:
        """Those that do not read, and those that should have logged in."""
        commands: Commands = []
        for session in self.sessions.values():
            overdue = session.is_overdue(now_ns, not self._config.market_data_open)
            if overdue:
                commands.append(CloseClient(session.client, *overdue))
        return commands

    def count_error(self, client: int, now_ns: int) -> Commands:
        """Too many errors end a connection."""
        session = self.sessions.get(client)
        if session is None or not session.count_error(now_ns):
            return []
        return [CloseClient(client, TOO_MANY, "too many errors")]

    # --- clients that do not read

    def block(self, client: int, now_ns: int) -> Commands:
        session = self.sessions.get(client)
        if session is not None and session.blocked_ns is None:
            session.blocked_ns = now_ns
            for channel in session.channels.values():
                self._market.block(session.client, channel)
        return []

    def drain(self, client: int, now_ns: int) -> Commands:
        """What waited, then the present state of what it missed: of as many channels as a buffer
        holds, the others when it has read that."""
        session = self.sessions.get(client)
        if session is None or session.blocked_ns is None:
            return []
        commands: Commands = [
            Send((client,), payload, session.binary) for payload in session.take_queue()
        ]
        size, done = 0, 0
        channels = session.in_turn()
        while done < len(channels) and size < CATCH_UP_BYTES:
            told = self._market.drain(client, channels[done])
            size += sum(len(each.payload) for each in told if isinstance(each, Send))
            commands += told
            done += 1
        if done == len(channels):
            session.blocked_ns = None
            return commands
        for channel in channels[:done]:
            self._market.block(client, channel)
        session.blocked_ns, session.next_channel = now_ns, channels[done].name
        return [*commands, Hold(client)]

    def deliver(self, commands: Iterable[GatewayCommand]) -> Commands:
        """Messages that are never merged: those for blocked clients wait in their queue."""
        passed: Commands = []
        for command in commands:
            if not isinstance(command, Send):
                passed.append(command)
                continue
            free = tuple(client for client in command.clients if self._is_free(client))
            if free:
                passed.append(Send(free, command.payload, command.binary))
            for client in command.clients:
                if client not in free:
                    passed += self._enqueue(client, command.payload)
        return passed

    def _is_free(self, client: int) -> bool:
        session = self.sessions.get(client)
        return session is not None and session.blocked_ns is None

    def _enqueue(self, client: int, payload: bytes) -> Commands:
        session = self.sessions.get(client)
        if session is None or session.enqueue(payload):
            return []
        return [CloseClient(client, TOO_SLOW, "too many messages wait for you")]

    # --- calls about the connection itself

    def run(self, method: str, caller: Caller, session: Session) -> tuple[Row, Commands]:
        """The result, and what follows it."""
        if method == "auth":
            return self._log_in(caller, session), []
        if method == "auth.challenge":
            return self._challenge(caller, session), []
        names = caller.params.names("channels", self._config.max_subscriptions)
        caller.params.finish()
        if not names:
            raise CallError("BAD_PARAMETER", "channels is a list of names", "channels")
        if method == "unsubscribe":
            return self._unsubscribe(session, names, caller.now_ns), []
        accepted, refused = self._choose(caller, session, names)
        commands: Commands = []
        for channel in accepted:
            commands += self._join(session, channel)
        result = {"subscribed": [channel.name for channel in accepted], "refused": refused}
        return result, commands

    def _challenge(self, caller: Caller, session: Session) -> Row:
        """Anybody gets one: whether there is such a key is not told."""
        key_id = caller.params.text("key_id")
        caller.params.finish()
        nonce = self._challenges.make(session.client, key_id, caller.now_ns)
        return {"nonce": nonce, "host": session.host, "valid_ms": VALID_MS}

    def _log_in(self, caller: Caller, session: Session) -> Row:
        key = self._proven(caller, session)
        if session.key is not None and session.key != key:
            text = f"this connection is logged in as {session.key.key_id!r}"
            raise CallError("INVALID_REQUEST", text, "key_id")
        self._enter(session, key)
        return {"key_id": key.key_id, "owner": key.owner, "scopes": sorted(key.scopes)}

    def _proven(self, caller: Caller, session: Session) -> Key:
        """The key whose secret or signature this is."""
        params, now_ns = caller.params, caller.now_ns
        key_id, signature = params.text("key_id"), params.optional_text("signature")
        if signature is None:
            secret = params.text("secret")
            params.finish()
            return self._keys.find(key_id, secret, session.address, now_ns)
        params.finish()
        nonce = self._challenges.take(session.client, key_id, now_ns)
        key = self._keys.get(key_id)
        if nonce is None or key is None or not key.signs:
            raise CallError("UNAUTHENTICATED", BAD_SIGNATURE, "signature")
        if not is_signed(key.proof, signature, signed_text(nonce, key_id, session.host)):
            raise CallError("UNAUTHENTICATED", BAD_SIGNATURE, "signature")
        return self._keys.usable(key, session.address, now_ns)

    def _choose(
        self, caller: Caller, session: Session, names: list[str]
    ) -> tuple[list[Channel], list[Row]]:
        """The channels among these names that the client gets, and why not the others."""
        accepted: dict[str, Channel] = {}
        refused: list[Row] = []
        count = len(session.channels)
        for name in names:
            try:
                channel = channels.parse(name, self._catalog)
                self.check_scope("read" if channel.is_private else MARKET, caller.key)
                is_new = channel.name not in session.channels and channel.name not in accepted
                self._check_count(count + is_new)
                count += is_new
                accepted[channel.name] = channel
            except CallError as problem:
                row: Row = {"channel": name, "reason": problem.reason, "text": problem.text}
                refused.append(row | {"candidates": problem.candidates})
        return list(accepted.values()), refused

    def _check_count(self, count: int) -> None:
        if count > self._config.max_subscriptions:
            text = f"at most {self._config.max_subscriptions} channels"
            raise CallError("RATE_LIMIT", text, "channels")

    def _join(self, session: Session, channel: Channel) -> Commands:
        """A channel that the client has already begins again with its snapshot."""
        session.channels[channel.name] = channel
        if not channel.topic:
            owner = None if session.key is None or session.key.sees_all else session.key.owner
            sent = self._private.join(session.client, session.binary, channel, owner)
            return self.deliver(sent)
        is_blocked = session.blocked_ns is not None
        return self._market.join(session.client, session.binary, channel, is_blocked)

    def _unsubscribe(self, session: Session, names: list[str], now_ns: int) -> Row:
        gone, refused = [], []
        for name in names:
            channel = session.channels.pop(name, None) or self._named(session, name)
            if channel is None:
                refused.append({"channel": name, "reason": "NOT_FOUND", "text": "not subscribed"})
                continue
            gone.append(channel.name)
            self._leave(session, channel, now_ns)
        return {"unsubscribed": gone, "refused": refused}

    def _named(self, session: Session, name: str) -> Channel | None:
        """The client's channel that a short name means."""
        try:
            full = channels.parse(name, self._catalog).name
        except CallError:
            return None
        return session.channels.pop(full, None)

    def _leave_all(self, session: Session, now_ns: int) -> None:
        while session.channels:
            _, channel = session.channels.popitem()
            self._leave(session, channel, now_ns)

    def _leave(self, session: Session, channel: Channel, now_ns: int) -> None:
        if channel.topic:
            self._market.leave(session.client, channel, now_ns)
        else:
            self._private.leave(session.client, channel)
