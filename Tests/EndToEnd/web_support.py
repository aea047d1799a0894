"""What the tests of the pages share: a visitor who sends what a browser sends, and a real browser."""

import base64
import contextlib
import hashlib
import html
import re
import subprocess
import urllib.parse

from conftest import PLANTED
from server_support import Answer, Server
from support import ALGORITHM, COMMAND_DEADLINE

# No value of a secret, but shown nowhere either.
PASSWORD = PLANTED + b"-correct-horse"
SETTINGS = f"/algorithms/{ALGORITHM}/settings"
SECRETS = f"/algorithms/{ALGORITHM}/secrets"
COOKIE = "__Host-secretfs"


def user(store, name: str, *roles: str) -> str:
    options = [word for role in roles for word in ("--role", role)]
    store.does("user", "create", name, *options, "--password-file", "-", input=PASSWORD)
    return name


class Visitor:
    """A browser without its looks: keeps the cookie, fills in forms, says where it comes from."""

    def __init__(self, server: Server, name: str | None = None, *roles: str):
        self.server = server
        self.cookie = None
        if name:
            user(server.store, name, *roles)
            answer = self.sign_in(name)
            assert (answer.status, answer.headers["location"]) == (303, "/"), answer

    def ask(self, method: str, path: str, body: bytes | None = None, **headers) -> Answer:
        """A keyword is a header: `sec_fetch_site="cross-site"`. None leaves it out."""
        sent = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
        if self.cookie:
            sent["Cookie"] = f"{COOKIE}={self.cookie}"
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        for name, value in headers.items():
            sent[name.replace("_", "-").title()] = value
        answer = self.server.ask(method, path, body=body, headers={k: v for k, v in sent.items() if v is not None})
        if given := answer.headers.get("set-cookie"):
            self.cookie = re.match(rf"{COOKIE}=(\w*);", given)[1] or None
        return answer

    def get(self, path: str, **headers) -> Answer:
        return self.ask("GET", path, **headers)

    def post(self, path: str, fields: dict, **headers) -> Answer:
        return self.ask("POST", path, urllib.parse.urlencode(fields).encode(), **headers)

    def sign_in(self, name: str, password: bytes = PASSWORD, **more) -> Answer:
        return self.post("/sign-in", {"user": name, "password": password, "next": "/", **more})

    def fields(self, path: str) -> dict[str, str]:
        """What the form of a page has in it already."""
        answer = self.get(path)
        assert answer.status == 200, answer
        page = answer.body.decode().split("<main", 1)[1]
        found = {}
        for tag in re.findall(r"<input [^>]*>", page):
            attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
            if "name" in attributes:
                found[attributes["name"]] = html.unescape(attributes.get("value", ""))
        for name, options in re.findall(r'<select [^>]*name="(\w+)"[^>]*>(.*?)</select>', page):
            found[name] = re.search(r'value="([^"]*)" selected', options)[1]
        return found

    def send(self, path: str, change: dict | None = None, **headers) -> Answer:
        """Opens the form at `path`, fills it in, and sends it."""
        return self.post(path, {**self.fields(path), **(change or {})}, **headers)

    def create(self, name: str, value: str, **more) -> Answer:
        return self.send(
            f"{SECRETS}/new", {"short_name": name.title(), "secret_key": name, "secret_value": value, **more})


def key_of(server: Server) -> str:
    """The hash of the server's public key, as Chromium takes it for an exception."""
    with contextlib.closing(server.connect()) as connection:
        certificate = connection.getpeercert(binary_form=True)

    def openssl(*arguments, input):
        return subprocess.run(
            ["openssl", *arguments], input=input, capture_output=True, check=True, timeout=COMMAND_DEADLINE).stdout

    public = openssl("x509", "-inform", "DER", "-pubkey", "-noout", input=certificate)
    return base64.b64encode(hashlib.sha256(openssl("pkey", "-pubin", "-outform", "DER", input=public)).digest()).decode()


@contextlib.contextmanager
def chromium(server: Server, size=(1200, 900), is_dark=False, has_script=True):
    """A headless Chromium with a profile of its own, as `selenium` drives it. What its pages complain of fails the test."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = "/usr/bin/chromium"
    profile = server.store.root / f"chromium-{size[0]}-{is_dark}-{has_script}"
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
        "--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    if server.is_secure:
        options.add_argument(f"--ignore-certificate-errors-spki-list={key_of(server)}")
    if not has_script:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        driver.set_page_load_timeout(COMMAND_DEADLINE)
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 600})
        if is_dark:
            driver.execute_cdp_cmd(
                "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
        yield driver
        # A refused form is a status that the browser notes, too.
        complaints = [line["message"] for line in driver.get_log("browser") if "Failed to load resource" not in line["message"]]
        assert not complaints, complaints
    finally:
        driver.quit()
