"""Connections of the simulated venue: heartbeats, silence, cancel on disconnect, limits, logout."""

from __future__ import annotations

import pytest

from tests.venues.deribit.simulator_kit import PERPETUAL, START_NS, Client, Venue

ORDER = {"instrument_name": PERPETUAL, "amount": 10, "price": 50000}


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
def client(venue: Venue) -> Client:
    return venue.connect()


def beats(client: Client) -> list[str]:
    found = [f["params"]["type"] for f in client.frames if f.get("method") == "heartbeat"]
    client.frames.clear()
    return found


def test_a_client_that_answers_test_requests_stays(venue: Venue, client: Client) -> None:
    assert client.ask("public/set_heartbeat", interval=10) == "ok"
    venue.pass_ms(9_900)
    assert beats(client) == []
    for _ in range(4):
        venue.pass_ms(10_000)
        assert beats(client) == ["heartbeat", "test_request"]
        assert client.ask("public/test")["version"]
    assert client.closed_with == ""
    assert client.ask("public/disable_heartbeat") == "ok"
    venue.pass_ms(30_000)
    assert beats(client) == [] and client.closed_with == ""


def test_a_silent_client_is_cut_and_loses_its_orders(venue: Venue, client: Client) -> None:
    client.login()
    client.ask("private/enable_cancel_on_disconnect")
    order = client.ask("private/buy", **ORDER)["order"]
    client.ask("public/set_heartbeat", interval=10)
    venue.pass_ms(20_100)
    assert client.closed_with == "heartbeat_timeout"
    client.leave()
    state = venue.connect().login().ask("private/get_order_state", order_id=order["order_id"])
    assert (state["order_state"], state["cancel_reason"]) == ("cancelled", "cancel_on_disconnect")


def test_ten_minutes_of_silence_end_a_connection(venue: Venue, client: Client) -> None:
    venue.now_ns += 599 * 10**9
    venue.pass_ms(10)
    assert client.closed_with == ""
    venue.now_ns = START_NS + 600 * 10**9
    venue.pass_ms(10)
    assert client.closed_with == "idle"


def test_cancel_on_disconnect_spares_other_connections(venue: Venue, client: Client) -> None:
    other = venue.connect().login()
    kept = other.ask("private/buy", **ORDER)["order"]["order_id"]
    client.login()
    scope = "private/get_cancel_on_disconnect"
    assert client.ask(scope) == {"scope": "connection", "enabled": False}
    client.ask("private/enable_cancel_on_disconnect", scope="connection")
    assert client.ask(scope)["enabled"] is True
    client.ask("private/buy", **ORDER)
    assert len(other.ask("private/get_open_orders")) == 2
    client.leave()
    assert [o["order_id"] for o in other.ask("private/get_open_orders")] == [kept]


def test_the_account_scope_is_the_default_of_new_connections(venue: Venue, client: Client) -> None:
    client.login()
    client.ask("private/enable_cancel_on_disconnect", scope="account")
    assert client.ask("private/get_cancel_on_disconnect")["enabled"] is False
    assert client.ask("private/get_cancel_on_disconnect", scope="account")["enabled"] is True
    later = venue.connect().login()
    assert later.ask("private/get_cancel_on_disconnect")["enabled"] is True
    assert venue.connect().login("BOB").ask("private/get_cancel_on_disconnect")["enabled"] is False


def test_logout_has_no_answer_and_keeps_the_orders(venue: Venue, client: Client) -> None:
    client.login()
    client.ask("private/enable_cancel_on_disconnect")
    client.ask("private/buy", **ORDER)
    client.frames.clear()
    venue.receive(client.number, b'{"id":9,"method":"private/logout","params":{}}')
    assert client.frames == [] and client.closed_with == "logout"
    client.leave()
    assert len(venue.connect().login().ask("private/get_open_orders")) == 1


def test_one_call_too_many_ends_the_session(venue: Venue, client: Client) -> None:
    client.login("LIMITED")
    answers = [client.call("private/buy", **ORDER) for _ in range(21)]
    assert all("result" in answer for answer in answers[:20])
    assert answers[20]["error"]["code"] == 10028
    assert answers[20]["error"]["message"] == "too_many_requests"
    assert client.closed_with == "too_many_requests"
    venue.now_ns += 10**9
    again = venue.connect().login("LIMITED")
    codes = [again.call("private/cancel_all").get("error", {}).get("code") for _ in range(6)]
    assert codes == [None] * 5 + [10028]


def test_mass_quotes_have_a_pool_of_their_own(client: Client) -> None:
    client.login("LIMITED")
    for _ in range(20):
        client.call("private/mass_quote", quote_id="q", mmp_group="mm", quotes=[])
    assert "result" in client.call("private/buy", **ORDER)
    refused = client.call("private/mass_quote", quote_id="q", mmp_group="mm", quotes=[])
    assert refused["error"]["code"] == 10028


@pytest.mark.parametrize(("method", "burst"), [("public/test", 99), ("public/get_instruments", 50)])
def test_ordinary_calls_have_pools_too(client: Client, method: str, burst: int) -> None:
    client.login("LIMITED")
    for _ in range(burst):
        client.ask(method)
    codes = {client.call(method).get("error", {}).get("code") for _ in range(2)}
    assert 10028 in codes


def test_accounts_without_limits_have_none(client: Client) -> None:
    client.login("BOB")
    for _ in range(200):
        client.ask("public/test")
    assert client.closed_with == ""


def test_addresses_are_limited_when_asked_for() -> None:
    venue = Venue(limit_addresses=True)
    one, two = venue.connect("10.0.0.1"), venue.connect("10.0.0.2")
    while "error" not in one.call("public/test"):
        assert one.closed_with == ""
    assert one.closed_with == "too_many_requests"
    assert two.ask("public/test")


def test_an_address_has_so_many_connections() -> None:
    venue = Venue(connections_per_address=2)
    first = venue.connect("10.0.0.1")
    venue.connect("10.0.0.1")
    assert not venue.core.accept(99, "10.0.0.1", venue.now_ns)
    assert venue.core.accept(98, "10.0.0.2", venue.now_ns)
    first.leave()
    assert venue.core.accept(97, "10.0.0.1", venue.now_ns)


def test_the_seventeenth_session_of_a_key_ends_the_oldest(venue: Venue) -> None:
    sessions = [venue.connect().login("LIMITED") for _ in range(16)]
    assert not any(session.closed_with for session in sessions)
    venue.connect().login("LIMITED")
    assert sessions[0].closed_with == "too_many_sessions" and not sessions[1].closed_with


def test_hello_status_and_time(venue: Venue, client: Client) -> None:
    assert client.ask("public/hello", client_name="x", client_version="1")["version"]
    assert client.ask("public/status") == {"locked": "false"}
    assert client.ask("public/get_time") == venue.now_ms
