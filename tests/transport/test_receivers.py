"""Webhook, mail and their courier, against servers of the tests."""

from __future__ import annotations

import email
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from loguru import logger

from common.config import AlertsConfig, MailConfig, Secret
from common.errors import ConfigError
from common.transport.receivers import MAX_WAITING, Courier, Mail, Receiver, Webhook, receivers
from services.venue_simulator import certificates
from tests.transport.receiving import MailServer, hook, serving

PASSWORD = "a-password-of-the-tests"
MAIL = MailConfig("127.0.0.1", "desk@test.invalid", ["a@test.invalid", "b@test.invalid"])
TEXT = "desk demo: ERROR gateway: disk full; path: <x> & y"


def told_here(record: Any) -> bool:
    """Not by a thread that another test left."""
    return bool(record["name"] == Courier.__module__)


@pytest.fixture
def logged() -> Iterator[list[str]]:
    lines: list[str] = []
    number = logger.add(
        lambda line: lines.append(str(line)), level="INFO", format="{message}", filter=told_here
    )
    yield lines
    logger.remove(number)


def eventually(question: Callable[[], Any], patience_s: float = 60.0) -> Any:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.01)
    raise AssertionError("not in time")


def at(server: MailServer, **changes: Any) -> MailConfig:
    return msgspec.structs.replace(MAIL, port=server.port, security="none", **changes)


def test_the_webhook_takes_the_text_in_slacks_form() -> None:
    with hook(200) as (url, posted):
        assert Webhook(Secret(url)).send(TEXT) == ""
    assert posted == [
        {"text": "desk demo: ERROR gateway: disk full; path: &lt;x&gt; &amp; y"},
    ]


def test_a_webhook_that_refuses_or_points_elsewhere_is_told() -> None:
    for status in (302, 403, 500):
        with hook(status) as (url, posted):
            assert Webhook(Secret(url)).send(TEXT) == f"it answered {status}"
            assert len(posted) == 1


def test_a_mail_has_its_words_sender_and_receivers() -> None:
    with serving(MailServer()) as server:
        assert Mail(at(server)).send(f"{TEXT}\nmore") == ""
    (text,) = server.mails
    mail = email.message_from_string(text)
    assert mail["Subject"] == f"{TEXT} more"
    assert (mail["From"], mail["To"]) == (MAIL.sender, ", ".join(MAIL.to))
    assert mail.get_payload().splitlines() == [TEXT, "more"]


def test_a_login_is_sent_over_tls_and_a_stranger_gets_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = certificates.provide(tmp_path, "127.0.0.1", time.time_ns())
    with serving(MailServer(certificate=pair, password=PASSWORD)) as server:
        config = msgspec.structs.replace(MAIL, port=server.port)
        mail = Mail(config, "desk", Secret(PASSWORD))
        with pytest.raises(OSError):
            mail.send(TEXT)
        assert server.logins == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / certificates.AUTHORITY))
        assert mail.send(TEXT) == ""
        assert Mail(config, "desk", Secret("wrong")).send(TEXT) == "SMTPAuthenticationError 535"
    assert server.logins == ["desk", "desk"] and len(server.mails) == 1


def test_a_failed_try_is_repeated(logged: list[str]) -> None:
    with hook(503, 200) as (url, posted):
        Courier(Webhook(Secret(url)), again_s=(0.0,)).give(TEXT)
        eventually(lambda: len(posted) == 2)
    assert logged == ["webhook: an alert was not sent: it answered 503\n"]


def test_an_alert_that_nobody_takes_is_given_up_and_the_next_is_tried(logged: list[str]) -> None:
    with hook(503, 503, 200) as (url, posted):
        courier = Courier(Webhook(Secret(url)), again_s=(0.0,))
        courier.give("first")
        courier.give("second")
        eventually(lambda: len(posted) == 3)
    assert [each["text"] for each in posted] == ["first", "first", "second"]
    assert logged[-1] == "webhook: an alert is given up\n"


@pytest.mark.parametrize("name", ["webhook", "mail"])
def test_one_that_answers_byte_by_byte_is_left_at_the_deadline(
    name: str, logged: list[str]
) -> None:
    with hook(drips=True) as (url, posted), serving(MailServer(drips=True)) as server:
        slow: Receiver = Webhook(Secret(url)) if name == "webhook" else Mail(at(server))
        courier = Courier(slow, deadline_s=0.2, again_s=(0.0, 0.0, 0.0, 3600.0))
        for _ in range(MAX_WAITING * 2):
            courier.give(TEXT)  # and does not wait for anybody
        eventually(lambda: any("have not ended" in line for line in list(logged)))
        sends = len(posted) + server.greeted
    assert sends <= 3
    text = "".join(list(logged))
    assert text.count("not done within 0.2 s") == 3
    assert f"{name}: an alert is dropped, too many wait" in text
    assert "secret-path" not in text


def test_what_fails_is_logged_without_secrets(logged: list[str]) -> None:
    environment = {"HOOK": "http://127.0.0.1:1/services/secret-path"}
    (dead,) = receivers(AlertsConfig(webhook_env="HOOK"), "x.yaml", environment)
    Courier(dead, again_s=()).give(f"see {environment['HOOK']}")
    eventually(lambda: len(logged) == 2)
    assert logged[0] == "webhook: an alert was not sent: ConnectionError\n"


def test_secrets_come_from_the_environment_and_are_taken_out_of_alerts() -> None:
    with hook(200) as (url, posted), serving(MailServer()) as server:
        config = AlertsConfig(webhook_env="HOOK", mail=at(server))
        found = receivers(config, "x.yaml", {"HOOK": url})
        assert [receiver.name for receiver in found] == ["webhook", "mail"]
        for receiver in found:
            Courier(receiver).give(f"see {url}")
        eventually(lambda: posted and server.mails)
    assert posted == [{"text": "see ***"}]
    assert "secret-path" not in server.mails[0]


BAD = [
    (AlertsConfig(webhook_env="HOOK"), "alerts.webhook_env", "set the environment variable HOOK"),
    (AlertsConfig(mail=msgspec.structs.replace(MAIL, to=[])), "alerts.mail.to", "no mail address"),
    (
        AlertsConfig(mail=msgspec.structs.replace(MAIL, sender="a@b\nBcc: c@d")),
        "alerts.mail.sender",
        "no mail address",
    ),
    (
        AlertsConfig(mail=msgspec.structs.replace(MAIL, user_env="USER_NAME")),
        "alerts.mail.user_env",
        "password_env",
    ),
    (
        AlertsConfig(
            mail=msgspec.structs.replace(
                MAIL, user_env="MAIL_USER", password_env="MAIL_PASSWORD", security="none"
            )
        ),
        "alerts.mail.security",
        "in the clear",
    ),
    (
        AlertsConfig(
            mail=msgspec.structs.replace(MAIL, user_env="MAIL_USER", password_env="MAIL_PASSWORD")
        ),
        "alerts.mail.password_env",
        "set the environment variable MAIL_PASSWORD",
    ),
]


@pytest.mark.parametrize(("config", "key", "words"), BAD)
def test_what_cannot_work_is_named(config: AlertsConfig, key: str, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        receivers(config, "desk.yaml", {"MAIL_USER": "desk@test.invalid"})
    assert f"{key}: " in str(raised.value) and words in str(raised.value)
