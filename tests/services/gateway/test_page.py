"""The web page in headless Chromium, against the fake desk."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from tests.services.gateway.conftest import Gateway, running

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1440,990",
)
WAIT_S = 15

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (Path(CHROMIUM).exists() and shutil.which(DRIVER)),
        reason="needs headless Chromium: apt-get install chromium chromium-driver",
    ),
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("page"), options=1200) as made:
        yield made


@pytest.fixture
def page(gateway: Gateway, tmp_path: Path) -> Iterator[WebDriver]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        browser.get(gateway.url)
        until(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, ".symbol")) > 10)
        yield browser
        errors = [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
        assert errors == []
    finally:
        browser.quit()


def until(browser: WebDriver, condition: Callable[[], object]) -> None:
    WebDriverWait(browser, WAIT_S, 0.05).until(lambda _: condition())


def text(browser: WebDriver, selector: str) -> str:
    found = browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(n => n.textContent).join('|')",
        selector,
    )
    return str(found)


def log_in(browser: WebDriver) -> None:
    browser.find_element(By.ID, "login-button").click()
    secret = browser.find_element(By.NAME, "secret")
    until(browser, secret.is_displayed)
    secret.send_keys("demo-secret", Keys.ENTER)
    until(browser, lambda: text(browser, "#login-button").startswith("demo"))


def test_a_symbol_is_found_and_its_book_moves(page: WebDriver):
    assert int(text(page, "#symbols-count").split()[0]) > 1000
    page.find_element(By.TAG_NAME, "body").send_keys("/")
    search = page.find_element(By.ID, "search")
    assert page.switch_to.active_element == search
    search.send_keys("eth perp", Keys.ENTER)
    until(page, lambda: text(page, "#name") == "ETH-PERPETUAL")
    until(page, lambda: text(page, "#bids button:first-child span") not in ("", "||"))
    before = text(page, "#bids button span, #asks button span")
    until(page, lambda: text(page, "#bids button span, #asks button span") != before)
    until(page, lambda: text(page, "#trades button"))
    until(page, lambda: "Mark" in text(page, "#facts") and "–" not in text(page, "#facts dd"))


def test_an_order_goes_through_the_ticket_is_changed_and_canceled(page: WebDriver):
    log_in(page)
    until(page, lambda: text(page, "#bids button:last-child span").replace("|", ""))
    page.execute_script("document.querySelector('#bids button:last-child').click()")
    price = page.find_element(By.CSS_SELECTOR, "#ticket [name=price]")
    assert float(price.get_attribute("value")) > 0
    page.execute_script("arguments[0].value = ''", price)
    price.send_keys("50000.5")
    quantity = page.find_element(By.CSS_SELECTOR, "#ticket [name=quantity]")
    quantity.send_keys("100", Keys.ENTER)
    until(page, lambda: text(page, "#outcome").startswith("new"))
    until(page, lambda: "50,000.5" in text(page, "table.orders tbody td"))
    page.find_element(By.CSS_SELECTOR, "table.orders .button").click()
    edit = page.find_element(By.CSS_SELECTOR, "table.orders td input")
    edit.send_keys(Keys.CONTROL, "a")
    edit.send_keys("50001", Keys.ENTER)
    until(page, lambda: "50,001" in text(page, "table.orders tbody td"))
    buttons = page.find_elements(By.CSS_SELECTOR, "table.orders .button")
    next(button for button in buttons if button.text == "Cancel").click()
    until(page, lambda: "No open orders" in text(page, "#table"))


def place(gateway: Gateway, price: str) -> None:
    order = {"instrument": "BTC-PERPETUAL", "side": "BUY", "quantity": "10", "price": price}
    call = urllib.request.Request(
        f"{gateway.url}/api/v1/orders",
        json.dumps(order).encode(),
        {"Authorization": "Bearer demo.demo-secret", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(call, timeout=WAIT_S) as answer:
        assert json.load(answer)["accepted"]


def test_a_press_reaches_its_order_though_another_one_comes_before_the_release(
    page: WebDriver, gateway: Gateway
):
    log_in(page)
    place(gateway, "40000")
    until(page, lambda: "40,000" in text(page, "table.orders tbody td"))
    buttons = page.find_elements(By.CSS_SELECTOR, "table.orders .button")
    cancel = next(button for button in buttons if button.text == "Cancel")
    ActionChains(page).click_and_hold(cancel).perform()
    place(gateway, "41000")
    until(page, lambda: text(page, "#tab-orders b") == "2")
    ActionChains(page).release().perform()
    until(page, lambda: text(page, "#tab-orders b") == "1")
    until(page, lambda: "41,000" in text(page, "table.orders tbody td"))
    page.find_elements(By.CSS_SELECTOR, "table.orders .button")[1].click()
    until(page, lambda: "No open orders" in text(page, "#table"))


def test_a_market_order_fills_and_the_position_shows(page: WebDriver):
    log_in(page)
    page.execute_script("document.querySelector('#ticket [value=MARKET]').click()")
    page.find_element(By.CSS_SELECTOR, "#ticket [name=quantity]").send_keys("50", Keys.ENTER)
    until(page, lambda: text(page, "#outcome").startswith("filled"))
    page.find_element(By.ID, "tab-positions").click()
    until(page, lambda: "BTC-PERPETUAL" in text(page, "table.positions"))
    page.find_element(By.ID, "tab-fills").click()
    until(page, lambda: "taker" in text(page, "table.fills"))
    page.find_element(By.ID, "health-button").click()
    until(page, lambda: "market_data.deribit" in text(page, "table.health"))


def test_a_refused_order_names_the_field(page: WebDriver):
    log_in(page)
    page.find_element(By.CSS_SELECTOR, "#ticket [name=price]").send_keys("50000.3")
    page.find_element(By.CSS_SELECTOR, "#ticket [name=quantity]").send_keys("10", Keys.ENTER)
    until(page, lambda: "PRICE_OFF_TICK" in text(page, "#outcome"))
    assert page.switch_to.active_element.get_attribute("name") == "price"


@pytest.mark.parametrize("width", [390, 800, 1100, 1920])
def test_the_page_fits_windows_of_all_widths(page: WebDriver, width):
    page.set_window_size(width, 900)
    until(page, lambda: text(page, "#mid") not in ("", "–"))
    inside = "return document.documentElement.scrollWidth <= window.innerWidth"
    until(page, lambda: page.execute_script(inside))


def test_the_description_of_the_calls_is_shown(page: WebDriver, gateway: Gateway):
    page.get(f"{gateway.url}/api/v1/docs")
    until(page, lambda: len(page.find_elements(By.CSS_SELECTOR, ".call")) > 15)
    page.find_element(By.CSS_SELECTOR, "#contents a").click()
    page.find_element(By.CSS_SELECTOR, ".call[open] .try .button").click()
    until(page, lambda: '"instruments"' in text(page, ".call[open] pre"))
