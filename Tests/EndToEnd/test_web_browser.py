"""The pages in a real browser: Chromium, headless, driven by selenium."""

import os
from pathlib import Path

import pytest
from conftest import PLANTED
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait
from server_support import Server, wait_for
from support import ALGORITHM, needs_root, store, empty  # noqa: F401
from web_support import COOKIE, PASSWORD, SECRETS, SETTINGS, chromium, user

pytestmark = needs_root
VALUE = PLANTED.decode()
# Where screenshots are left to be looked at.
SHOTS = os.environ.get("SECRETFS_SHOTS")


@pytest.fixture
def server(store):
    user(store, "admin", "admin")
    return Server(store)


def shoot(browser, name: str):
    if SHOTS:
        browser.save_screenshot(str(Path(SHOTS) / f"{name}.png"))


def sign_in(browser, server, path="/", name="admin"):
    browser.get(server.url + path)
    browser.find_element(By.NAME, "user").send_keys(name)
    browser.find_element(By.NAME, "password").send_keys(PASSWORD.decode())
    click(browser, "Sign in")


def click(browser, text: str):
    """Clicks the link or button that is called so, and waits for the page behind it."""
    page = browser.find_element(By.TAG_NAME, "html")
    found = [one for one in browser.find_elements(By.CSS_SELECTOR, "main a, main button") if one.text.strip() == text]
    assert found, (text, browser.find_element(By.TAG_NAME, "main").text)
    found[0].click()
    WebDriverWait(browser, 20).until(lambda _: is_gone(page))


def is_gone(element) -> bool:
    try:
        element.is_enabled()
        return False
    except Exception:  # noqa: BLE001 (whatever selenium says of an element of another page)
        return True


def text(browser) -> str:
    found = browser.find_element(By.TAG_NAME, "main").text
    assert VALUE not in browser.page_source
    return found


def fill(browser, **fields):
    for name, value in fields.items():
        field = browser.find_element(By.NAME, name)
        field.clear()
        field.send_keys(value)


def rows(browser) -> list[str]:
    return [row.text for row in browser.find_elements(By.CSS_SELECTOR, "tbody tr")]


def walk(browser, server, store):
    """Create, update, roll back and remove, by clicks; the mount shows each."""
    sign_in(browser, server, SETTINGS)
    assert browser.current_url == server.url + SETTINGS
    assert browser.find_element(By.TAG_NAME, "h1").text == "Secrets" and "No secrets yet" in text(browser)
    mount = store.mount()
    click(browser, "New secret")
    fill(browser, short_name="MySQL password", description="Of the summaries", secret_key="MYSQL_PASSWORD",
         secret_value=VALUE + "-one\nsecond line\n")
    click(browser, "Create Secret")
    assert "MYSQL_PASSWORD is made." in text(browser) and "1-1 of 1" in text(browser)
    (row,) = rows(browser)
    for word in ("MySQL password", "Of the summaries", "MYSQL_PASSWORD", "Updated just now", "Update", "Remove", "Never"):
        assert word in row, row
    # > Browsers send line ends as CR LF; they become LF — docs/WEB.md#values
    assert (mount / "MYSQL_PASSWORD").read_bytes() == f"{VALUE}-one\nsecond line\n".encode()

    browser.find_elements(By.CSS_SELECTOR, "td.do a")[0].click()
    name, field = browser.find_element(By.ID, "secret_key"), browser.find_element(By.NAME, "secret_value")
    assert name.get_attribute("readonly") and name.get_attribute("value") == "MYSQL_PASSWORD"
    assert field.get_attribute("value") == ""
    fill(browser, secret_value=VALUE + "-two")
    click(browser, "Update Secret")
    assert "MYSQL_PASSWORD has a new value." in text(browser)
    assert (mount / "MYSQL_PASSWORD").read_text() == VALUE + "-two"
    browser.refresh()
    assert "has a new value" not in text(browser)

    click(browser, "MySQL password")
    assert "Who can see the value" in text(browser) and "user admin" in text(browser)
    assert [row.split()[0] for row in rows(browser)] == ["2", "1"]
    browser.find_element(By.CSS_SELECTOR, "td.do a").click()
    assert "Roll back to version 1?" in text(browser)
    click(browser, "Roll Back")
    assert "has the value of version 1 again" in text(browser)
    assert (mount / "MYSQL_PASSWORD").read_text() == VALUE + "-one\nsecond line\n"
    wait_for(lambda: browser.refresh() or "Last read\njust now" in text(browser))

    click(browser, "Remove")
    assert "cannot be undone" in text(browser)
    click(browser, "Remove Secret")
    assert "MYSQL_PASSWORD is removed." in text(browser) and not (mount / "MYSQL_PASSWORD").exists()


def test_secrets_are_made_updated_rolled_back_and_removed_in_a_browser(server, store):
    with chromium(server) as browser:
        walk(browser, server, store)


# > Everything works without JavaScript — docs/WEB.md
def test_everything_works_without_javascript(server, store):
    with chromium(server, has_script=False) as browser:
        browser.get("data:text/html,<p>off</p><script>document.write('<p>on</p>')</script>")
        assert "on" not in browser.page_source.split("<p>off</p>")[1].split("<script>")[0]
        walk(browser, server, store)


def test_a_wrong_form_says_what_is_wrong_at_each_field_and_keeps_the_rest_but_the_value(server):
    with chromium(server) as browser:
        sign_in(browser, server, f"{SECRETS}/new")
        fill(browser, short_name="Kept", description="Also kept", secret_key="1-WRONG", secret_value=VALUE)
        click(browser, "Create Secret")
        assert browser.title.startswith("Error: ") and "Nothing was changed" in text(browser)
        summary = browser.switch_to.active_element
        assert summary.get_attribute("role") == "alert", "the summary has the focus"
        name = browser.find_element(By.ID, "secret_key")
        assert name.get_attribute("aria-invalid") == "true"
        told = [browser.find_element(By.ID, one).text for one in name.get_attribute("aria-describedby").split()]
        assert any("must start with a letter" in one for one in told), told
        assert browser.find_element(By.ID, "short_name").get_attribute("value") == "Kept"
        assert browser.find_element(By.ID, "secret_value").get_attribute("value") == ""
        summary.find_element(By.TAG_NAME, "a").click()
        assert browser.switch_to.active_element == name, "the summary leads to the field"
        shoot(browser, "wrong")
        fill(browser, secret_key="RIGHT", secret_value=VALUE)
        click(browser, "Create Secret")
        assert "RIGHT is made." in text(browser)


def test_an_ended_session_leads_back_to_the_form_without_the_value(server, store):
    with chromium(server) as browser:
        sign_in(browser, server, f"{SECRETS}/new")
        fill(browser, short_name="A", secret_key="A", secret_value=VALUE)
        store.does("user", "update", "admin", "--disable")
        store.does("user", "update", "admin", "--enable")
        click(browser, "Create Secret")
        assert "Your session has ended" in text(browser)
        shoot(browser, "ended")
        fill(browser, user="admin", password=PASSWORD.decode())
        click(browser, "Sign in")
        assert browser.current_url == f"{server.url}{SECRETS}/new"
        assert browser.find_element(By.NAME, "secret_value").get_attribute("value") == ""
        assert not store.json("secret", "list", ALGORITHM)


def test_a_keyboard_is_enough(server, store):
    with chromium(server) as browser:
        browser.get(server.url + SETTINGS)

        def press(*keys):
            browser.switch_to.active_element.send_keys(*keys)

        def tab_to(label: str, most=40):
            for _ in range(most):
                press(Keys.TAB)
                here = browser.switch_to.active_element
                if label in (here.text.strip(), here.get_attribute("name"), here.get_attribute("id")):
                    style = browser.execute_script("return getComputedStyle(arguments[0]).outlineStyle", here)
                    assert style == "solid", f"the focus on {label} is not seen"
                    return
            raise AssertionError(f"the keyboard does not come to {label}")

        browser.find_element(By.TAG_NAME, "body").send_keys("")
        tab_to("user")
        press("admin", Keys.TAB, PASSWORD.decode(), Keys.ENTER)
        # Of the page before it may be gone between the two.
        patient = WebDriverWait(browser, 20, ignored_exceptions=[StaleElementReferenceException, IndexError])
        patient.until(lambda _: browser.find_elements(By.TAG_NAME, "h1")[0].text == "Secrets")
        press(Keys.TAB)
        assert browser.switch_to.active_element.text == "Skip to the content"
        press(Keys.ENTER)
        tab_to("New secret")
        press(Keys.ENTER)
        WebDriverWait(browser, 20).until(lambda _: browser.find_elements(By.NAME, "short_name"))
        tab_to("short_name")
        press("Typed")
        tab_to("secret_key")
        press("TYPED")
        tab_to("secret_value")
        press(VALUE)
        tab_to("Create Secret")
        press(Keys.ENTER)
        WebDriverWait(browser, 20).until(lambda _: "TYPED is made." in text(browser))


def test_pages_fit_a_phone_and_are_dark_where_the_reader_wants_it(server, store):
    about = "The database of the summaries, read and write"
    store.does("secret", "create", ALGORITHM, "MYSQL_PASSWORD", "--name", "MySQL password", "--description", about, "--value-file", "-", input=VALUE.encode())
    store.does("secret", "create", ALGORITHM, "A" * 255, "--name", "W" * 128, "--description", "W" * 1024, "--value-file", "-", input=VALUE.encode())
    pages = ["/", SETTINGS, f"{SECRETS}/new", f"{SECRETS}/MYSQL_PASSWORD", f"{SECRETS}/MYSQL_PASSWORD/remove", "/audit", "/providers", "/help"]
    with chromium(server, size=(360, 780)) as browser:
        sign_in(browser, server)
        for path in pages:
            browser.get(server.url + path)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= 360, path
            shoot(browser, "phone" + path.replace("/", "-"))
    with chromium(server, is_dark=True) as browser:
        sign_in(browser, server, SETTINGS)
        shoot(browser, "dark")
        ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert max(int(part) for part in ground.strip("rgb()").split(",")) < 64, ground


def test_what_looks_like_markup_is_text(server, store):
    names = ["<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "\"\u0301 autofocus onfocus=alert(1) x=\"", "&lt;b&gt; {{user}} {{{user}}}"]
    for number, name in enumerate(names):
        store.does("secret", "create", ALGORITHM, f"KEY_{number}", "--name", name, "--description", name, "--value-file", "-", input=VALUE.encode())
    with chromium(server) as browser:
        sign_in(browser, server, SETTINGS)
        shown = [link.text for link in browser.find_elements(By.CSS_SELECTOR, "tbody th a")]
        assert sorted(shown) == sorted(names)
        assert not browser.find_elements(By.CSS_SELECTOR, "main script, main img")
        for number, name in enumerate(names):
            browser.get(f"{server.url}{SECRETS}/KEY_{number}/update")
            field = browser.find_element(By.ID, "short_name")
            assert field.get_attribute("value") == name and not field.get_attribute("onfocus")


# > Chromium takes the cookie on http://localhost, too — docs/WEB.md#plain-http
def test_sessions_work_over_plain_http_on_localhost(store):
    user(store, "admin", "admin")
    server = Server(store, "--insecure-http")
    with chromium(server) as browser:
        sign_in(browser, server, SETTINGS)
        assert browser.find_element(By.TAG_NAME, "h1").text == "Secrets"
        (cookie,) = browser.get_cookies()
        assert (cookie["name"], cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (COOKIE, True, True, "Strict")
        page = browser.find_element(By.TAG_NAME, "html")
        browser.find_element(By.CSS_SELECTOR, ".who button").click()
        WebDriverWait(browser, 20).until(lambda _: is_gone(page))
        assert browser.current_url == server.url + "/sign-in" and not browser.get_cookies()


def test_the_audit_log_is_filtered_in_a_browser(server, store):
    for number in range(60):
        store.does("secret", "create", ALGORITHM, f"KEY_{number}", "--value-file", "-", input=VALUE.encode())
    with chromium(server) as browser:
        sign_in(browser, server, "/audit")
        Select(browser.find_element(By.NAME, "action")).select_by_visible_text("secret.create")
        fill(browser, algorithm=ALGORITHM)
        click(browser, "Filter")
        assert len(rows(browser)) == 50 and "KEY_59" in rows(browser)[0]
        shoot(browser, "audit")
        click(browser, "Older")
        assert len(rows(browser)) == 10 and "KEY_0" in rows(browser)[-1]
        fill(browser, since="tomorrow")
        click(browser, "Filter")
        assert "Since must be a date" in text(browser)
