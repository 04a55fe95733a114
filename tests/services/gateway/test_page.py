"""The web page in headless Chromium, against the fake desk."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import (
    ElementNotInteractableException,
    JavascriptException,
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from common import messages as m
from tests.services.gateway.conftest import Gateway, running

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # which is small in containers
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1440,990",
)
WAIT_S = 60
# What looking at a page may meet while it changes, or while the next one is loaded.
IN_BETWEEN = (
    ElementNotInteractableException,
    JavascriptException,
    NoSuchElementException,
    StaleElementReferenceException,
)

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


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield made
    made.quit()


@pytest.fixture
def page(gateway: Gateway, browser: WebDriver) -> Iterator[WebDriver]:
    """Loaded anew, and logged out."""
    browser.set_window_size(1440, 990)
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get(gateway.url)
    until(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, ".symbol")) > 10)
    yield browser
    errors = [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    assert errors == []


def until(browser: WebDriver, condition: Callable[[], object]) -> None:
    WebDriverWait(browser, WAIT_S, 0.05, IN_BETWEEN).until(lambda _: condition())


def press(browser: WebDriver, selector: str, name: str = "") -> None:
    """Click on the first of these, with this text if one is given, as soon as there is one."""

    def is_pressed() -> bool:
        for found in browser.find_elements(By.CSS_SELECTOR, selector):
            if name in ("", found.text):
                found.click()
                return True
        return False

    until(browser, is_pressed)


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
    until(page, lambda: int(text(page, "#symbols-count").split()[0]) > 1000)
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
    press(page, "table.orders .button", "Modify")
    edit = page.find_element(By.CSS_SELECTOR, "table.orders td input")
    edit.send_keys(Keys.CONTROL, "a")
    edit.send_keys("50001", Keys.ENTER)
    until(page, lambda: "50,001" in text(page, "table.orders tbody td"))
    press(page, "table.orders .button", "Cancel")
    until(page, lambda: "No open orders" in text(page, "#table"))


@pytest.mark.parametrize(
    ("tab", "switches", "values", "changes", "row"),
    [
        (
            "STOP",
            ["limited"],
            {"trigger_price": "70000", "price": "70001"},
            {"price": "70011", "trigger_price": "70010", "quantity": "110"},
            ["70,011 @ 70,010 mark", "110"],
        ),
        ("STOP", [], {"trigger_price": "70000"}, {"trigger_price": "69000"}, ["@ 69,000 mark"]),
        (
            "TRAILING_STOP",
            [],
            {"trigger_offset": "250"},
            {"trigger_offset": "300"},
            ["trails 300 mark", "100"],
        ),
        (
            "LIMIT",
            ["iceberg"],
            {"price": "40000", "display_quantity": "20"},
            {"display_quantity": "30", "quantity": "200"},
            ["40,000", "30 of 200"],
        ),
    ],
)
def test_an_order_is_changed_in_all_that_it_has(
    page: WebDriver, gateway: Gateway, tab, switches, values, changes, row
):
    open_perpetual_and_log_in(page)
    choose(page, tab, *switches)
    fill_in(page, **values, quantity="100")
    until(page, lambda: text(page, "#outcome").startswith("new"))
    until(page, lambda: page.find_elements(By.CSS_SELECTOR, "table.orders .button"))
    page.find_element(By.CSS_SELECTOR, "table.orders .button").click()
    fields = {each.get_attribute("name") for each in inputs(page)}
    assert fields == values.keys() | {"quantity"}
    for name, value in changes.items():
        field = page.find_element(By.CSS_SELECTOR, f"table.orders [name={name}]")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(value)
    field.send_keys(Keys.ENTER)
    cells = "table.orders tbody td:nth-child(5), table.orders tbody td:nth-child(6)"
    until(page, lambda: text(page, cells).split("|")[: len(row)] == row)
    changed = [each for each in gateway.desk.commands if isinstance(each, m.ModifyOrder)][-1]
    named = ("price", "quantity", "trigger_price", "trigger_offset", "display_quantity")
    sent = {name: getattr(changed, name) for name in named}
    assert {k: str(v) for k, v in sent.items() if v is not None} == changes
    cancel_all(page)


def inputs(browser: WebDriver) -> list[WebElement]:
    return browser.find_elements(By.CSS_SELECTOR, "table.orders input")


def test_a_change_is_given_up_with_escape(page: WebDriver, gateway: Gateway):
    open_perpetual_and_log_in(page)
    place(gateway, "40000")
    until(page, lambda: "40,000" in text(page, "table.orders tbody td"))
    before = len(gateway.desk.commands)
    page.find_element(By.CSS_SELECTOR, "table.orders .button").click()
    inputs(page)[0].send_keys("1", Keys.ESCAPE)
    until(page, lambda: not inputs(page) and "40,000" in text(page, "table.orders tbody td"))
    assert not [each for each in gateway.desk.commands[before:] if isinstance(each, m.ModifyOrder)]
    cancel_all(page)


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
    press(page, "table.orders .button", "Cancel")
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
    assert text(page, "#problem-price") == "tick is 0.5"
    page.switch_to.active_element.send_keys("0")
    until(page, lambda: text(page, "#problem-price") == "")


def shown_fields(browser: WebDriver) -> set[str]:
    script = """return [...document.querySelectorAll("#ticket [data-for]:not([hidden])")]
        .map(node => node.dataset.for)"""
    return set(browser.execute_script(script))


def choose(browser: WebDriver, tab: str, *switches: str) -> None:
    browser.find_element(By.CSS_SELECTOR, f"#ticket [value={tab}] + span").click()
    for name in switches:
        browser.find_element(By.CSS_SELECTOR, f"#ticket [name={name}]").click()


def fill_in(browser: WebDriver, **values: str) -> None:
    """And send it with the last of them."""
    for name, value in values.items():
        field = browser.find_element(By.CSS_SELECTOR, f"#ticket [name={name}]:enabled")
        field.clear()
        field.send_keys(value)
    field.send_keys(Keys.ENTER)


def open_perpetual_and_log_in(browser: WebDriver) -> None:
    log_in(browser)
    until(browser, lambda: text(browser, "#name") == "BTC-PERPETUAL")
    until(browser, lambda: text(browser, "#bids button:last-child span").replace("|", ""))


def cancel_all(browser: WebDriver) -> None:
    """Two presses: the first one asks, and is forgotten after a while."""

    def is_done() -> bool:
        if "No open orders" not in text(browser, "#table"):
            browser.find_element(By.ID, "cancel-all").click()
        return "No open orders" in text(browser, "#table")

    until(browser, is_done)


ALWAYS = {"quantity"}


@pytest.mark.parametrize(
    ("tab", "switches", "fields"),
    [
        ("LIMIT", [], {"price", "post_only", "iceberg", "bracket"}),
        (
            "LIMIT",
            ["iceberg", "bracket"],
            {"price", "post_only", "iceberg", "bracket", "display_quantity"}
            | {"take_profit", "stop_loss"},
        ),
        ("MARKET", [], {"limited", "bracket"}),
        ("MARKET", ["limited"], {"limited"}),
        ("STOP", [], {"trigger_price", "limited"}),
        ("STOP", ["limited"], {"trigger_price", "limited", "price", "post_only", "iceberg"}),
        ("TAKE_PROFIT", [], {"trigger_price", "limited"}),
        ("TRAILING_STOP", [], {"trigger_offset"}),
    ],
)
def test_the_ticket_shows_the_fields_of_the_type(page: WebDriver, tab, switches, fields):
    until(page, lambda: text(page, "#name") == "BTC-PERPETUAL")
    choose(page, tab, *switches)
    assert shown_fields(page) == fields | ALWAYS


@pytest.mark.parametrize(
    ("tab", "switches", "values", "row"),
    [
        ("STOP", [], {"trigger_price": "70000"}, ["stop", "@ 70,000 mark", "100"]),
        (
            "STOP",
            ["limited"],
            {"trigger_price": "70000", "price": "70001"},
            ["stop limit", "70,001 @ 70,000 mark", "100"],
        ),
        (
            "TAKE_PROFIT",
            [],
            {"trigger_price": "50000"},
            ["take profit", "@ 50,000 mark", "100"],
        ),
        (
            "TAKE_PROFIT",
            ["limited"],
            {"trigger_price": "50000", "price": "50001"},
            ["take profit limit", "50,001 @ 50,000 mark", "100"],
        ),
        (
            "TRAILING_STOP",
            [],
            {"trigger_offset": "250"},
            ["trailing stop", "trails 250 mark", "100"],
        ),
        (
            "LIMIT",
            ["iceberg"],
            {"price": "40000", "display_quantity": "20"},
            ["limit", "40,000", "20 of 100"],
        ),
        (
            "LIMIT",
            ["bracket"],
            {"price": "40000", "take_profit": "50000", "stop_loss": "39000"},
            ["limit · OTOCO", "40,000", "100"],
        ),
    ],
)
def test_an_order_of_each_type_is_placed_and_seen(page: WebDriver, tab, switches, values, row):
    open_perpetual_and_log_in(page)
    choose(page, tab, *switches)
    fill_in(page, **values, quantity="100")
    until(page, lambda: text(page, "#outcome").startswith("new"))
    cells = "table.orders tbody td:nth-child(n + 4):nth-child(-n + 6)"
    until(page, lambda: text(page, cells).split("|") == row)
    cancel_all(page)


def test_the_rest_of_a_market_order_may_stay_as_a_limit(page: WebDriver, gateway: Gateway):
    open_perpetual_and_log_in(page)
    choose(page, "MARKET", "limited")
    fill_in(page, quantity="50")
    until(page, lambda: text(page, "#outcome").startswith("filled"))
    placed = [each for each in gateway.desk.commands if isinstance(each, m.PlaceOrder)]
    assert placed[-1].order_type is m.OrderType.MARKET_TO_LIMIT


def test_a_bracket_has_a_take_profit_and_a_stop_loss(page: WebDriver, gateway: Gateway):
    open_perpetual_and_log_in(page)
    choose(page, "LIMIT", "bracket")
    fill_in(page, price="40000", stop_loss="39000", quantity="100")
    until(page, lambda: "needs a trigger_price" in text(page, "#problem-take_profit"))
    fill_in(page, take_profit="50000")
    until(page, lambda: "OTOCO" in text(page, "table.orders tbody td"))
    placed = [each for each in gateway.desk.commands if isinstance(each, m.PlaceOrder)]
    exits = [(each.side, each.order_type, each.trigger_price) for each in placed[-1].linked_orders]
    assert exits == [
        (m.Side.SELL, m.OrderType.TAKE_PROFIT, 50000),
        (m.Side.SELL, m.OrderType.STOP, 39000),
    ]
    assert all(each.reduce_only for each in placed[-1].linked_orders)
    cancel_all(page)


def test_an_option_is_priced_in_implied_volatility(page: WebDriver):
    open_perpetual_and_log_in(page)
    assert "price_type" not in shown_fields(page)
    search = page.find_element(By.ID, "search")
    search.send_keys("btc 27nov26 20000 c", Keys.ENTER)
    until(page, lambda: text(page, "#name") == "BTC-27NOV26-20000-C")
    assert "price_type" in shown_fields(page)
    choices = text(page, "#ticket [name=price_type] option")
    assert choices == "BTC|USD|% vol"
    page.find_element(By.CSS_SELECTOR, "[name=price_type] [value=IMPLIED_VOLATILITY]").click()
    until(page, lambda: "bracket" not in shown_fields(page))
    fill_in(page, price="55.5", quantity="1")
    until(page, lambda: "55.5% vol" in text(page, "table.orders tbody td"))
    cancel_all(page)


@pytest.mark.parametrize(
    ("tab", "switches", "values", "field", "says"),
    [
        ("STOP", [], {"quantity": "100"}, "trigger_price", "needs a trigger_price"),
        ("TRAILING_STOP", [], {"quantity": "100"}, "trigger_offset", "needs a trigger_offset"),
        ("STOP", ["limited"], {"trigger_price": "7", "quantity": "1"}, "price", "needs a price"),
        ("MARKET", [], {"quantity": "ten"}, "quantity", "is a finite number"),
        (
            "LIMIT",
            ["iceberg"],
            {"price": "40000", "quantity": "10", "display_quantity": "20"},
            "display_quantity",
            "more than there is",
        ),
    ],
)
def test_a_wrong_entry_is_told_at_its_field(page: WebDriver, tab, switches, values, field, says):
    open_perpetual_and_log_in(page)
    choose(page, tab, *switches)
    fill_in(page, **values)
    until(page, lambda: says in text(page, f"#problem-{field}"))
    assert page.switch_to.active_element.get_attribute("name") == field
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    until(page, lambda: text(page, ".problem") == "")
    entered = "#ticket input[inputmode=decimal]"
    assert not any(
        each.get_attribute("value") for each in page.find_elements("css selector", entered)
    )


def test_the_ticket_is_filled_in_by_the_keyboard_alone(page: WebDriver):
    open_perpetual_and_log_in(page)
    choose(page, "STOP", "limited")
    page.find_element(By.CSS_SELECTOR, "#ticket [name=trigger_price]:enabled").click()
    order = []
    for _ in range(4):
        order.append(page.switch_to.active_element.get_attribute("name"))
        page.switch_to.active_element.send_keys(Keys.TAB)
    assert order == ["trigger_price", "trigger", "price", "quantity"]


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
    press(page, ".call[open] .try .button")
    until(page, lambda: '"instruments"' in text(page, ".call[open] pre"))
