"""Where alerts go besides logs and bus: a webhook, and mail.

A receiver may be slow, dead or hostile, and nobody waits for it: a courier carries texts from a
thread of its own, gives up a send after a total deadline, whatever its timeouts say (they count
from byte to byte), and tries a few times. What went wrong is logged without what the receiver
said, which may repeat a secret.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from loguru import logger

from common import logs
from common.config import AlertsConfig, MailConfig, Secret
from common.errors import ConfigError

TIMEOUT_S = 5.0  # of one step of a send
MAX_WAITING = 100
MAX_STUCK = 3  # sends that were given up and still hold a thread
SUBJECT_LENGTH = 120
OWN_NAME = "[127.0.0.1]"  # asking the resolver for a better one may take a minute


class Receiver(Protocol):
    name: str

    def send(self, text: str) -> str:
        """What was wrong, "" if nothing. Raises: OSError, ValueError."""
        ...


class Webhook:
    """Posts {"text": ...} as Slack wants it; the address is a secret."""

    name = "webhook"

    def __init__(self, url: Secret) -> None:
        self._url = url

    def send(self, text: str) -> str:
        import requests

        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        with requests.post(
            self._url.reveal(),
            json={"text": escaped},
            timeout=TIMEOUT_S,
            allow_redirects=False,
            stream=True,  # the answer's body is not read
        ) as answer:
            return "" if answer.status_code < 300 else f"it answered {answer.status_code}"


class Mail:
    """One mail for each alert; user and password are sent over TLS only."""

    name = "mail"

    def __init__(self, config: MailConfig, user: str = "", password: Secret | None = None) -> None:
        self._config = config
        self._user = user
        self._password = password

    def send(self, text: str) -> str:
        import smtplib
        import ssl
        from email.message import EmailMessage
        from email.utils import formatdate, make_msgid

        message = EmailMessage()
        line = "".join(c if c.isprintable() else " " for c in text)
        message["Subject"] = line[:SUBJECT_LENGTH]
        message["From"] = self._config.sender
        message["To"] = ", ".join(self._config.to)
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=self._config.sender.rpartition("@")[2])
        message.set_content(text)
        host, port, tls = self._config.host, self._config.port, ssl.create_default_context()
        try:
            with (
                smtplib.SMTP_SSL(host, port, OWN_NAME, timeout=TIMEOUT_S, context=tls)
                if self._config.security == "tls"
                else smtplib.SMTP(host, port, OWN_NAME, timeout=TIMEOUT_S)
            ) as link:
                if self._config.security == "starttls":
                    link.starttls(context=tls)
                if self._password is not None:
                    link.login(self._user, self._password.reveal())
                refused = link.send_message(message)
        except smtplib.SMTPResponseException as error:
            return f"{type(error).__name__} {error.smtp_code}"
        return f"{len(refused)} addresses were refused" if refused else ""


class Courier:
    """Carries texts to one receiver, one after the other."""

    def __init__(
        self,
        receiver: Receiver,
        deadline_s: float = 15.0,
        again_s: tuple[float, ...] = (10.0, 30.0, 120.0),
    ) -> None:
        """deadline_s: for one try. again_s: waits before the second and each further try."""
        self._receiver = receiver
        self._deadline_s = deadline_s
        self._again_s = again_s
        self._waiting: queue.Queue[str] = queue.Queue(MAX_WAITING)
        self._stuck: list[threading.Thread] = []
        threading.Thread(target=self._run, daemon=True).start()

    def give(self, text: str) -> None:
        """Returns at once; what finds no room any more is logged and dropped."""
        try:
            self._waiting.put_nowait(logs.redact(text))
        except queue.Full:
            logger.warning("{}: an alert is dropped, too many wait", self._receiver.name)

    def _run(self) -> None:
        while True:
            self._carry(self._waiting.get())

    def _carry(self, text: str) -> None:
        for wait_s in (0.0, *self._again_s):
            time.sleep(wait_s)
            problem = self._try(text)
            if not problem:
                return
            logger.warning("{}: an alert was not sent: {}", self._receiver.name, problem)
        logger.error("{}: an alert is given up", self._receiver.name)

    def _try(self, text: str) -> str:
        self._stuck = [thread for thread in self._stuck if thread.is_alive()]
        if len(self._stuck) >= MAX_STUCK:
            return "earlier tries have not ended"
        outcome: list[str] = []
        thread = threading.Thread(target=lambda: outcome.append(self._send(text)), daemon=True)
        thread.start()
        thread.join(self._deadline_s)
        if thread.is_alive():
            self._stuck.append(thread)
            return f"not done within {self._deadline_s:g} s"
        return outcome[0] if outcome else "the try ended without an answer"

    def _send(self, text: str) -> str:
        try:
            return self._receiver.send(text)
        except (OSError, ValueError) as error:
            return type(error).__name__


def receivers(
    config: AlertsConfig, source: str, environment: Mapping[str, str] | None = None
) -> list[Receiver]:
    """Those that are configured; their secrets are hidden from logs from now on.

    Raises:
        ConfigError: a value is no good, or a variable is missing; names it, never its value.
    """
    values = os.environ if environment is None else environment

    def secret(key: str, variable: str) -> Secret:
        value = values.get(variable, "")
        if not value:
            text = f"set the environment variable {variable}"
            raise ConfigError(source, f"alerts.{key}", text)
        logs.hide([value])
        return Secret(value)

    found: list[Receiver] = []
    if config.webhook_env:
        found.append(Webhook(secret("webhook_env", config.webhook_env)))
    if config.mail is not None:
        found.append(_mail(config.mail, source, secret))
    return found


def _mail(config: MailConfig, source: str, secret: Callable[[str, str], Secret]) -> Mail:
    for key, addresses in (("sender", [config.sender]), ("to", config.to)):
        if not addresses or not all(_is_address(address) for address in addresses):
            raise ConfigError(source, f"alerts.mail.{key}", "is no mail address")
    if bool(config.user_env) != bool(config.password_env):
        raise ConfigError(source, "alerts.mail.user_env", "goes with password_env, or neither")
    if not config.user_env:
        return Mail(config)
    if config.security == "none":
        text = "none would send the password in the clear: starttls or tls"
        raise ConfigError(source, "alerts.mail.security", text)
    user = secret("mail.user_env", config.user_env)
    return Mail(config, user.reveal(), secret("mail.password_env", config.password_env))


def _is_address(text: str) -> bool:
    name, _, domain = text.rpartition("@")
    plain = all(c.isprintable() and c not in " ,;<>\"'" for c in text)
    return bool(name and domain) and plain
