"""The session of one link, and the signatures: no socket, no clock."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, strategies as st

from common.config import Credentials, Secret
from common.errors import VenueProtocolError
from common.venues.deribit import auth
from common.venues.deribit.session import (
    Answer,
    LoggedIn,
    LoginFailed,
    Notification,
    Send,
    Session,
    SetupFailed,
    TokenRefreshed,
)

CREDENTIALS = Credentials("AMANDA", Secret("AMANDASECRECT"))
NOW = 1_576_074_319_000 * 1_000_000
SECOND = 1_000_000_000
TOKENS = {
    "access_token": "1.1a",
    "refresh_token": "1.1r",
    "expires_in": 900,
    "scope": "connection",
    "token_type": "bearer",
}


def answer(number: int, result: object) -> bytes:
    text = {"jsonrpc": "2.0", "id": number, "result": result, "usIn": 10, "usOut": 30}
    return json.dumps(text).encode()


def failure(number: int | None, code: int, message: str, data: object = None) -> bytes:
    error = {"code": code, "message": message, "data": data}
    return json.dumps({"jsonrpc": "2.0", "id": number, "error": error}).encode()


def logged_in(**options: object) -> Session:
    session = Session(CREDENTIALS, **options)  # type: ignore[arg-type]
    frames = session.on_up(NOW)
    beat, login = (json.loads(frame)["id"] for frame in frames[:2])
    times = {"usIn": NOW // 1000, "usOut": NOW // 1000}
    session.parse(json.dumps({"jsonrpc": "2.0", "id": beat, "result": "ok"} | times).encode(), NOW)
    session.parse(answer(login, TOKENS), NOW)
    return session


def test_signature_matches_the_published_vector():
    params = auth.login_params(CREDENTIALS, 1576074319000, "1iqt2wls")
    expected = "56590594f97921b09b18f166befe0d1319b198bbcdad7ca73382de2f88fe9aa1"
    assert params["signature"] == expected


def test_http_header_signs_method_path_and_body():
    header = auth.sign_http("get", "/api/v2/private/x?a=1", "", CREDENTIALS, 5, "n")
    signed = auth.signature(CREDENTIALS, "5", "n", "GET", "/api/v2/private/x?a=1", "", "")
    assert header == {"Authorization": f"deri-hmac-sha256 id=AMANDA,ts=5,nonce=n,sig={signed}"}


def test_set_up_is_heartbeat_login_and_cancel_on_disconnect_in_this_order():
    frames = Session(CREDENTIALS, cancel_on_disconnect=True).on_up(NOW)
    assert [json.loads(frame)["method"] for frame in frames] == [
        "public/set_heartbeat",
        "public/auth",
        "private/enable_cancel_on_disconnect",
    ]
    assert b"AMANDASECRECT" not in b"".join(frames)


def test_without_credentials_only_the_heartbeat_is_set():
    assert len(Session(None).on_up(NOW)) == 1


def test_row_33_login_is_told_once_and_the_token_renewed_at_80_percent_of_its_life():
    session = Session(CREDENTIALS)
    session.on_up(NOW)
    assert session.parse(answer(2, TOKENS), NOW) == [LoggedIn(NOW + 900 * SECOND, "connection")]
    assert session.logged_in
    due = NOW + 720 * SECOND
    frames = [json.loads(frame) for frame in session.on_time(due)]
    refresh = next(frame for frame in frames if frame["method"] == "public/auth")
    assert refresh["params"] == {"grant_type": "refresh_token", "refresh_token": "1.1r"}
    assert session.parse(answer(refresh["id"], TOKENS), due) == [TokenRefreshed(due + 900 * SECOND)]


def test_row_33_a_refused_refresh_logs_in_anew():
    session = logged_in()
    frame = json.loads(session.on_time(NOW + 720 * SECOND)[0])
    events = session.parse(failure(frame["id"], 13009, "unauthorized"), NOW)
    assert isinstance(events[0], Send)
    assert json.loads(events[0].frame)["params"]["grant_type"] == "client_signature"


def test_a_refused_login_is_told():
    session = Session(CREDENTIALS)
    session.on_up(NOW)
    events = session.parse(failure(2, 13004, "invalid_credentials"), NOW)
    assert events == [LoginFailed(13004, "invalid_credentials")]
    assert not session.logged_in


def test_row_43_the_next_login_goes_by_the_venues_clock():
    """It refuses a timestamp that is 60 s off, and its other answers tell its time."""
    session = Session(CREDENTIALS)
    session.on_up(NOW)
    venue_us = (NOW + 3600 * SECOND) // 1000
    told = {"jsonrpc": "2.0", "id": 1, "result": "ok", "usIn": venue_us, "usOut": venue_us}
    session.parse(json.dumps(told).encode(), NOW)
    session.parse(failure(2, -32602, "Invalid params", {"param": "timestamp"}), NOW)
    session.on_down()
    login = json.loads(session.on_up(NOW + SECOND)[1])
    assert login["params"]["timestamp"] == (NOW + 3601 * SECOND) // 1_000_000


def test_a_refused_set_up_call_is_told():
    session = Session(None)
    session.on_up(NOW)
    (event,) = session.parse(failure(1, -32602, "Invalid params", {"param": "interval"}), NOW)
    assert isinstance(event, SetupFailed) and event.error.field == "interval"


def test_every_test_request_is_answered():
    session = logged_in()
    text = b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}'
    for _ in range(2):
        (event,) = session.parse(text, NOW)
        assert isinstance(event, Send) and json.loads(event.frame)["method"] == "public/test"


def test_answers_carry_the_context_of_their_request():
    session = logged_in()
    number = json.loads(session.request("private/cancel", {"order_id": "1"}, "context"))["id"]
    (event,) = session.parse(answer(number, {"a": 1}), NOW)
    assert isinstance(event, Answer) and event.context == "context" and event.result is not None
    assert (bytes(event.result), event.us_in, event.us_out) == (b'{"a": 1}', 10, 30)
    assert session.parse(answer(number, 1), NOW) == []


def test_notifications_carry_channel_and_data():
    (event,) = logged_in().parse(
        b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"quote.X","data":{"a":1}}}',
        NOW,
    )
    assert isinstance(event, Notification)
    assert (event.channel, bytes(event.data)) == ("quote.X", b'{"a":1}')


def test_a_lost_link_gives_back_what_was_not_answered():
    session = logged_in()
    session.request("private/buy", {}, "order 1")
    session.request("public/test", {})
    assert session.on_down() == ["order 1"]
    assert session.next_wake_ns is None and session.on_time(NOW) == []


def test_row_27_a_silent_link_is_probed_and_then_called_dead():
    session = logged_in()
    assert session.next_wake_ns == NOW + 5 * SECOND
    (frame,) = session.on_time(NOW + 5 * SECOND)
    assert json.loads(frame)["method"] == "public/test"
    assert not session.is_silent(NOW + 9 * SECOND)
    assert session.is_silent(NOW + 10 * SECOND)


def test_beats_a_little_over_every_ten_seconds_keep_a_link_alive():
    session, now = logged_in(), NOW
    beat = b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}}'
    for beats in range(1, 20):
        until = NOW + beats * (10 * SECOND + SECOND // 100)
        while (due := session.next_wake_ns) is not None and due < until:
            now = due + SECOND // 1000
            assert not session.is_silent(now)
            if session.on_time(now):
                session.parse(b'{"jsonrpc":"2.0","id":0,"result":{}}', now + SECOND // 1000)
        session.parse(beat, until)


def test_a_link_is_not_called_dead_before_it_was_probed():
    session = logged_in()
    assert not session.is_silent(NOW + 59 * SECOND)
    (frame,) = session.on_time(NOW + 59 * SECOND)
    assert json.loads(frame)["method"] == "public/test"
    assert not session.is_silent(NOW + 63 * SECOND)
    assert session.is_silent(NOW + 64 * SECOND)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b'{"jsonrpc":"2.0"}',
        b'{"method":"wonder","params":{}}',
        b'{"method":"subscription","params":{}}',
        b'{"id":{},"result":1}',
        b'{"id":1,"error":{"code":"x","message":1}}',
        b"[" * 100_000,
    ],
)
def test_frames_against_the_protocol_are_refused(frame: bytes):
    with pytest.raises(VenueProtocolError):
        logged_in().parse(frame, NOW)


def test_a_broken_login_answer_shows_no_token():
    session = Session(CREDENTIALS)
    session.on_up(NOW)
    with pytest.raises(VenueProtocolError) as caught:
        session.parse(answer(2, {"access_token": "hidden", "expires_in": "x"}), NOW)
    assert "hidden" not in str(caught.value)


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_else(frame: bytes):
    with contextlib.suppress(VenueProtocolError):
        logged_in().parse(frame, NOW)


def test_a_login_answer_that_is_not_text_is_refused_without_showing_it():
    session = Session(Credentials("id", Secret("a secret")))
    number = next(
        c["id"] for c in map(json.loads, session.on_up(NOW)) if c["method"] == "public/auth"
    )
    frame = b'{"id":%d,"result":{"access_token":"\xff-token","expires_in":900}}' % number
    with pytest.raises(VenueProtocolError) as caught:
        session.parse(frame, NOW)
    assert "-token" not in str(caught.value)


def test_a_login_that_ended_early_is_made_again_but_not_all_the_time():
    session = logged_in()

    def refused(now_ns: int) -> list[object]:
        number = json.loads(session.request("private/buy", {}, "order"))["id"]
        return session.parse(failure(number, 13009, "unauthorized"), now_ns)

    assert len(refused(NOW + SECOND)) == 1  # a permission that is missing is answered alike
    told, again = refused(NOW + 6 * SECOND)
    assert isinstance(told, Answer) and told.context == "order"
    call = json.loads(again.frame)
    assert (call["method"], call["params"]["grant_type"]) == ("public/auth", "client_signature")
    assert len(refused(NOW + 7 * SECOND)) == 1
    assert len(refused(NOW + 12 * SECOND)) == 2
