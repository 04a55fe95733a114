"""Logging in on the page by signing with an Ed25519 private key, in headless Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from tests.services.gateway import test_page
from tests.services.gateway.conftest import Gateway, running
from tests.services.gateway.test_page import browser, page, text, until

__all__ = ["browser", "page"]  # fixtures
pytestmark = test_page.pytestmark

SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))
PLAIN = NoEncryption()


def pem(key: Ed25519PrivateKey = SIGNER) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, PLAIN).decode()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory = tmp_path_factory.mktemp("login")
    public = SIGNER.public_key().public_bytes_raw().hex()
    key = {"key_id": "signer", "public_key": public, "scopes": ["read", "trade"]}
    (directory / "keys.yaml").write_text(yaml.safe_dump({"keys": [key]}))
    with running(directory, key_file="keys.yaml") as made:
        yield made


def open_dialog(page: WebDriver) -> None:
    page.find_element(By.ID, "login-button").click()
    page.find_element(By.CSS_SELECTOR, "#login [value=private] + span").click()
    key_id = page.find_element(By.CSS_SELECTOR, "#login [name=key_id]")
    key_id.clear()
    key_id.send_keys("signer")


def paste(page: WebDriver, key: str) -> None:
    field = page.find_element(By.NAME, "private_key")
    page.execute_script("arguments[0].value = arguments[1]", field, key)
    field.send_keys(" ")  # as somebody who types would


def entered(page: WebDriver) -> object:
    return page.find_element(By.NAME, "private_key").get_property("value")


def send(page: WebDriver) -> None:
    page.find_element(By.ID, "login-submit").click()


def is_in(page: WebDriver) -> bool:
    return text(page, "#login-button").startswith("signer")


def base64_alone() -> str:
    return "".join(pem().splitlines()[1:-1])


@pytest.mark.parametrize("written", [pem(), base64_alone(), bytes(range(32)).hex()])
def test_a_pasted_private_key_signs_in_and_is_kept_nowhere(page: WebDriver, written: str):
    open_dialog(page)
    paste(page, written)
    send(page)
    until(page, lambda: is_in(page))
    assert not page.find_element(By.ID, "login").is_displayed()
    until(page, lambda: entered(page) == "")
    stored = """const done = arguments[0]; indexedDB.databases().then((found) =>
        done([found.length, localStorage.length, sessionStorage.length, document.cookie]))"""
    assert page.execute_async_script(stored) == [0, 0, 0, ""]
    page.find_element(By.LINK_TEXT, "Account").click()
    until(page, lambda: text(page, "h1") == "Account")
    until(page, lambda: text(page, "#login-button") == "Log in")
    assert page.execute_async_script(stored) == [0, 0, 0, ""]


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_file_with_a_private_key_signs_in(page: WebDriver, tmp_path: Path, encoding: Encoding):
    path = tmp_path / "desk.key"
    path.write_bytes(SIGNER.private_bytes(encoding, PrivateFormat.PKCS8, PLAIN))
    open_dialog(page)
    page.find_element(By.ID, "key-file").send_keys(str(path))
    until(page, lambda: text(page, "#key-file-name") == "desk.key")
    send(page)
    until(page, lambda: is_in(page))
    until(page, lambda: text(page, "#key-file-name") == "")


def test_a_page_whose_connection_is_lost_signs_again(page: WebDriver, gateway: Gateway):
    spy = """window.made = []; const Plain = WebSocket;
        window.WebSocket = class extends Plain {
            constructor(...all) { super(...all); window.made.push(this); } };
        window.WebSocket.OPEN = Plain.OPEN;"""
    command = "Page.addScriptToEvaluateOnNewDocument"
    added = page.execute_cdp_cmd(command, {"source": spy})
    try:
        page.get("about:blank")
        page.get(gateway.url)
        until(page, lambda: text(page, "#connection") == "live")
        open_dialog(page)
        paste(page, pem())
        send(page)
        until(page, lambda: is_in(page))
        page.execute_script("window.made[0].close()")
        until(page, lambda: page.execute_script("return window.made.length") == 2)
        until(page, lambda: text(page, "#connection") == "live" and is_in(page))
        until(page, lambda: "No open orders" in text(page, "#table"))
    finally:
        page.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def other_kinds() -> dict[str, tuple[str, str]]:
    """What is no private key of ours, and what is said of it."""
    rsa = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, PLAIN)
    hidden = BestAvailableEncryption(b"x")
    locked = SIGNER.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden)
    ssh = SIGNER.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, PLAIN)
    return {
        "nothing": ("", "Paste the private key"),
        "a sentence": ("my dog's name", "no Ed25519 private key"),
        "half a file": (pem()[:60], "no Ed25519 private key"),
        "another kind": (rsa.decode(), "no Ed25519 private key"),
        "another form": (ssh.decode(), "It says OPENSSH PRIVATE KEY"),
        "an encrypted one": (locked.decode(), "is encrypted"),
        "a stranger's": (pem(STRANGER), "signature is not that key's"),
    }


def test_what_is_not_the_keys_own_is_told_and_may_be_tried_again(page: WebDriver):
    open_dialog(page)
    for what, (written, says) in other_kinds().items():
        paste(page, written)
        send(page)
        until(page, lambda says=says: says in text(page, "#login-problem")), what
        assert page.find_element(By.ID, "login").is_displayed()
    paste(page, pem())
    send(page)
    until(page, lambda: is_in(page))


def test_what_was_entered_is_gone_when_the_dialog_is_closed(page: WebDriver):
    open_dialog(page)
    paste(page, pem())
    page.find_element(By.ID, "login-cancel").click()
    until(page, lambda: entered(page) == "")
