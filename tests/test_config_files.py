"""The configurations that ship: they load, and say a missing secret in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from common import config as configuration
from common.errors import ConfigError
from services.cli.lifecycle import check_keys, check_limits, check_secrets

DIRECTORY = Path(__file__).parents[1] / "config"
RISKS = sorted(DIRECTORY.glob("*risk.yaml"))
FILES = sorted(path for path in DIRECTORY.glob("*.yaml") if path not in RISKS)
SECRETS = (
    "DERIBIT_CLIENT_ID",
    "DERIBIT_CLIENT_SECRET",
    "DERIBIT_READ_CLIENT_ID",
    "DERIBIT_READ_CLIENT_SECRET",
)


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_every_configuration_loads(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "a-value")
    config = configuration.load(path)
    check_secrets(config, path)
    check_limits(config, path)
    check_keys(config, path)


def test_the_test_venue_needs_no_simulator_and_no_written_secret() -> None:
    config = configuration.load(DIRECTORY / "deribit-test.yaml")
    venue = config.venue("deribit")
    assert config.simulators == []
    assert venue.websocket_url == "wss://test.deribit.com/ws/api/v2"
    assert venue.accounts[0].credentials.client_secret == ""


def test_production_cancels_on_disconnect_and_hides_its_market() -> None:
    config = configuration.load(DIRECTORY / "production.example.yaml")
    assert config.venue("deribit").accounts[0].on_disconnect == "cancel"
    assert not config.gateway.market_data_open
    assert all(not key.secret for key in config.gateway.keys)


@pytest.mark.parametrize("key", ["key_id: grid", "key_id: other, owner: grid"])
def test_no_key_owns_the_orders_of_a_strategy(tmp_path: Path, key: str) -> None:
    """A key without an owner owns under its id."""
    digest = "0" * 64
    path = tmp_path / "desk.yaml"
    path.write_text(
        "desk: d\n"
        "venues: {deribit: {websocket_url: ws://127.0.0.1:1, http_url: http://127.0.0.1:1,"
        " accounts: [{name: main}]}}\n"
        "strategies: [{name: grid, file: grid.py, venue: deribit}]\n"
        f"gateway: {{keys: [{{{key}, secret_sha256: '{digest}'}}]}}\n"
    )
    with pytest.raises(ConfigError, match="'grid' is the owner"):
        configuration.load(path)


def test_row_86_a_key_that_cannot_be_used_is_named_before_anything_starts(tmp_path: Path) -> None:
    text = (DIRECTORY / "production.example.yaml").read_text()
    old = 'public_key: "'
    assert text.count(old) == 1
    path = tmp_path / "desk.yaml"
    path.write_text(text.replace(old, 'secret_sha256: "'))
    with pytest.raises(ConfigError, match=r"gateway\.keys\.trader.*public_key"):
        check_keys(configuration.load(path), path)


@pytest.mark.parametrize("missing", SECRETS[:2])
def test_row_86_a_missing_secret_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "a-value")
    monkeypatch.delenv(missing)
    path = DIRECTORY / "deribit-test.yaml"
    with pytest.raises(ConfigError, match=missing) as raised:
        check_secrets(configuration.load(path), path)
    assert "a-value" not in str(raised.value)


ADDRESSES = "websocket_url: ws://x, http_url: http://x"
# what is written, what the error names
BROKEN = [
    ("desk: x\nvenues: {}\nbogus: 1\n", "bogus"),
    ("desk: [1]\nvenues: {}\n", "desk"),
    ("venues: {}\n", "desk"),
    ("desk: x\n  venues: {}\n", "line"),
    ("- 1\n", "object"),
    ("", "object"),
    ("desk: x\nvenues: {deribit: {websocket_url: ws://x}}\n", "http_url"),
    (f"desk: x\nvenues: {{deribit: {{{ADDRESSES.replace('ws://', 'x://')}}}}}\n", "websocket_url"),
    (f"desk: x\nvenues: {{deribit: {{{ADDRESSES.replace('http://', '')}}}}}\n", "http_url"),
    (
        f"desk: x\nvenues: {{deribit: {{{ADDRESSES}, accounts: [{{name: my main}}]}}}}\n",
        "accounts.name",
    ),
    ("desk: x\nvenues: {}\ngateway: {port: many}\n", "gateway.port"),
    ("desk: x\nvenues: {}\nsimulators: [{venue: deribit, port: 8700}]\n", "port"),
    ("desk: x\nvenues: {}\nbus: {listen: {md.deribit: tcp://h:1}}\n", "bus.listen.md.deribit"),
    ("desk: x\nvenues: {}\nbus: {listen: {gateway: tcp://h:1}}\n", "bus.listen.gateway"),
    ("desk: x\nvenues: {}\nbus: {listen: {health.x: ipc://h}}\n", "bus.listen"),
    ("desk: x\nvenues: {}\nbus: {listen: {health.x: tcp://h:1}}\n", "bus.key_file"),
    ("desk: x\nvenues: {}\nbus: {key_file: k, listen: {health.x: tcp://h:1}}\n", "bus.allowed"),
    ("desk: x\nvenues: {}\nbus: {allowed: {somebody: short}}\n", "bus.allowed"),
    ("desk: x\nvenues: {}\nbus: {listen: {health.x: tcp://h:65536}}\n", "bus.listen.health.x"),
    (
        "desk: x\nvenues: {}\nbus: {connect: {health.x: "
        f"{{address: 'tcp://*:1', public_key: {'a' * 40}}}}}}}\n",
        "bus.connect.health.x.address",
    ),
]


@pytest.mark.parametrize(("text", "named"), BROKEN, ids=[repr(row[0]) for row in BROKEN])
def test_row_86_a_broken_configuration_names_file_and_key(
    tmp_path: Path, text: str, named: str
) -> None:
    path = tmp_path / "desk.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        configuration.load(path)
    assert str(path) in str(raised.value)
    assert named in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("port: 8700", "port: 99999", "gateway.port: Expected `int` <= 65535"),
        ("port: 8700", "port: 8710", "two processes would use one port"),
        ("engine_number: 1", "engine_number: 999", "engine_number"),
        ("engine_number: 1", "rate_burst: 0", "accounts[0].rate_burst: Expected `float` > 0.0"),
        ("engine_number: 1", "rate_burst: .nan", "accounts[0].rate_burst"),
        ("engine_number: 1", "rate_burst: .inf", "accounts[0].rate_burst"),
        ("engine_number: 1", "budget_share: 1.5", "accounts[0].budget_share"),
        (
            "always_on:",
            "data_timeout_s: 0\n      always_on:",
            "venues[...].market_data.data_timeout_s",
        ),
        ("on_disconnect: leave", "on_disconnect: stay", "one of leave, cancel"),
        ("price_collar_percent: 50", "price_collar_percent: -1", "limits.price_collar_percent"),
        ('max_notional: "5000000"', "max_notional: much", "limits: max_notional"),
        ('perpetual: "1000000"', "perpetual: x", "limits: max_quantity.perpetual"),
    ],
)
def test_row_86_a_number_that_cannot_be_used_is_named_before_anything_starts(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    text = (DIRECTORY / "demo.yaml").read_text()
    path = tmp_path / "desk.yaml"
    path.write_text(text.replace(old, new))
    assert old in text
    with pytest.raises(ConfigError) as caught:
        check_limits(configuration.load(path), path)
    assert str(path) in str(caught.value) and problem in str(caught.value)


@pytest.mark.parametrize("name", ["deribit-test.yaml", "production.example.yaml"])
def test_where_money_or_a_venue_is_behind_it_every_limit_is_set(name: str) -> None:
    config = configuration.load(DIRECTORY / name)
    assert DIRECTORY / config.risk_file in RISKS
    assert config.venue("deribit").accounts[0].day_starts_at == "08:00"


@pytest.mark.parametrize("path", RISKS, ids=[path.name for path in RISKS])
def test_the_risk_files_are_strict_and_miss_nothing(path: Path) -> None:
    risk = configuration.load_risk(path)
    assert risk.risk == "strict"
    missing = [
        name
        for limits in risk.accounts.values()
        for name in limits.__struct_fields__
        if getattr(limits, name) in (None, {})
    ]
    assert missing == []


def test_a_bad_risk_file_is_named_with_the_key(tmp_path: Path) -> None:
    path = tmp_path / "risk.yaml"
    path.write_text("risk: sometimes\n")
    with pytest.raises(ConfigError, match="risk: Invalid enum value 'sometimes': one of"):
        configuration.load_risk(path)
    path.write_text("accounts: {a.b: {max_fils: 3}}\n")
    with pytest.raises(ConfigError, match="max_fils"):
        configuration.load_risk(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("desk: d\ngatway: {}", "top level: there is no key `gatway`; is `gateway` meant?"),
        ("desk: d\ngateway: {prot: 1}", "gateway: there is no key `prot`; is `port` meant?"),
        ("desk: d\nzzzzqqqq: 1", "top level: there is no key `zzzzqqqq`"),
    ],
)
def test_an_unknown_key_is_told_with_the_one_that_may_be_meant(
    tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "desk.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        configuration.load(path)
    assert str(caught.value).endswith(told)
