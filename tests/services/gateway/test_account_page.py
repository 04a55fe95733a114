"""The account page in headless Chromium, against the fake desk."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver

from tests.services.gateway import test_page
from tests.services.gateway.conftest import Gateway
from tests.services.gateway.test_page import browser, gateway, log_in, page, text, until

__all__ = ["browser", "gateway", "page"]  # fixtures
pytestmark = test_page.pytestmark

INK = """
const canvas = document.querySelector(arguments[0] + " canvas");
if (!canvas || !canvas.width) return 0;
const { width, height } = canvas;
const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
let count = 0;
for (let at = 3; at < data.length; at += 4) if (data[at] > 200) count += 1;
return count;
"""


@pytest.fixture
def account(page: WebDriver, gateway: Gateway) -> WebDriver:
    """Logged in on the main page, then on the account page by its link."""
    log_in(page)
    page.find_element(By.LINK_TEXT, "Account").click()
    until(page, lambda: text(page, "h1") == "Account")
    return page


def is_drawn(browser: WebDriver, selector: str) -> bool:
    return int(browser.execute_script(INK, selector)) > 200


def test_the_login_goes_along_to_the_account_page_and_back(account: WebDriver):
    until(account, lambda: text(account, "#login-button").startswith("demo"))
    assert account.execute_script("return sessionStorage.length") == 0
    account.find_element(By.LINK_TEXT, "Trade").click()
    until(account, lambda: text(account, "#login-button").startswith("demo"))
    until(account, lambda: "No open orders" in text(account, "#table") or text(account, "td"))


def test_curves_of_equity_exposure_and_a_strategy_are_drawn(account: WebDriver):
    for curve in ("#equity-curve", "#exposure-curve", "#strategy-curve"):
        account.execute_script("document.querySelector(arguments[0]).scrollIntoView()", curve)
        until(account, lambda curve=curve: is_drawn(account, curve))
    until(account, lambda: text(account, "#equity-readout").startswith("Equity"))
    until(account, lambda: "BTC" in text(account, "#currencies button"))
    account.find_element(By.CSS_SELECTOR, "#currencies [value=BTC]").click()
    until(account, lambda: "10.01423511" in text(account, "#equity-readout"))
    account.find_element(By.CSS_SELECTOR, "#measures [value=pnl]").click()
    until(account, lambda: text(account, "#equity-readout").startswith("PnL"))
    account.find_element(By.CSS_SELECTOR, "#greeks-chosen [value=vega]").click()
    until(account, lambda: "31.50 USD" in text(account, "#exposure-readout"))
    account.find_element(By.CSS_SELECTOR, "#spans [value=minute]").click()
    until(account, lambda: is_drawn(account, "#exposure-curve"))


def test_a_strategy_shows_its_state_error_and_takes_parameters(account: WebDriver):
    until(account, lambda: text(account, "#strategy-name") == "quoter")
    until(account, lambda: text(account, "#strategy-state") == "running")
    until(account, lambda: "quoter.py:42: ValueError" in text(account, "#strategy-error"))
    account.find_element(By.CSS_SELECTOR, "#strategy-tabs [value=rejects]").click()
    until(account, lambda: "post only would cross" in text(account, "#strategy-table td"))
    quantity = account.find_element(By.CSS_SELECTOR, "#parameters [name=quantity]")
    until(account, quantity.is_enabled)
    quantity.send_keys(Keys.CONTROL, "a")
    quantity.send_keys("many", Keys.ENTER)
    until(account, lambda: "a whole number" in text(account, "#parameter-outcome"))
    quantity.send_keys(Keys.CONTROL, "a")
    quantity.send_keys("250", Keys.ENTER)
    until(account, lambda: "Applied" in text(account, "#parameter-outcome"))
    until(account, lambda: quantity.get_property("value") == "250")
    row = quantity.get_property("parentNode")
    until(account, lambda: row.get_attribute("class") == "row")


@pytest.mark.parametrize("width", [390, 800, 1100, 1440, 1920])
def test_the_account_page_fits_windows_of_all_widths(account: WebDriver, width):
    account.set_window_size(width, 900)
    until(account, lambda: text(account, "#facts dd"))
    inside = "return document.documentElement.scrollWidth <= window.innerWidth"
    until(account, lambda: account.execute_script(inside))
    fits = """return [...document.querySelectorAll('.curve')].every(
        (box) => [...box.querySelectorAll('.u-wrap')].every(
            (plot) => plot.clientWidth <= box.clientWidth + 1))"""
    until(account, lambda: account.execute_script(fits))


def test_a_page_without_a_login_says_so_and_logs_in(page: WebDriver, gateway: Gateway):
    page.get(f"{gateway.url}/account")
    until(page, lambda: "Log in to see strategies" in text(page, "#no-strategy"))
    log_in(page)
    until(page, lambda: text(page, "#strategy-name") == "quoter")
    until(page, lambda: is_drawn(page, "#equity-curve"))
    page.find_element(By.ID, "login-button").click()
    until(page, lambda: "Log in to see strategies" in text(page, "#no-strategy"))
