"""A real browser without a window, driven over its DevTools protocol: what a person would see of a page."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import time
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# Where the middle of an element is, once it can be seen and nothing else is there.
_PLACE = """found => {
    const e = found?.closest('button') ?? found;  // the words of a button may be for screen readers alone
    e?.scrollIntoView({block: 'center'});
    const at = e?.getBoundingClientRect();
    const place = at && [at.x + at.width / 2, at.y + at.height / 2];
    return place && e.contains(document.elementFromPoint(...place)) && place;
}"""


class Browser:
    """One page of a browser."""

    def __init__(self, socket: Any) -> None:
        self.socket, self.calls = socket, 0

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self.calls += 1
        self.socket.send(json.dumps({"id": self.calls, "method": method, "params": params}))
        while True:
            answer: dict[str, Any] = json.loads(self.socket.recv(timeout=120))
            if answer.get("id") == self.calls:
                assert "error" not in answer, answer["error"]
                return answer["result"]  # type: ignore[no-any-return]

    def script(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, promises awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        return answer["result"].get("value")

    def text(self) -> str:
        """Return the text that stands on the page."""
        return str(self.script("document.body ? document.body.innerText : ''"))

    def open(self, address: str, *expected: str, limit_s: float = 120) -> str:
        """Return the page's text once all of ``expected`` stand in it."""
        self.call("Page.navigate", url=address)
        return self.wait(*expected, limit_s=limit_s)

    def wait(self, *expected: str, limit_s: float = 120) -> str:
        """Return the page's text once all of ``expected`` stand in it; the test fails where they do not come."""
        deadline = time.monotonic() + limit_s
        while missing := [each for each in expected if each not in (shown := self.text())]:
            assert time.monotonic() < deadline, f"{missing} not on the page: {shown[:2000]}"
            time.sleep(0.5)
        return self.text()

    def click(self, words: str, *labels: str) -> None:
        """Press the mouse on the innermost element with exactly this text, such as a tab.

        Where ``labels`` name a field of a form, as :meth:`fill` has them, only what is in that field counts.
        """
        inside = f"[...({_field(labels)}).querySelectorAll('*')]"
        element = f"{inside}.filter(e => e.innerText?.trim() === {json.dumps(words)}).at(-1)"
        deadline, before = time.monotonic() + 30, None
        while not (place := self.script(f"({_PLACE})({element})")) or place != before:
            # not there yet, or a notice lies over it, or it moves
            assert time.monotonic() < deadline, f"nothing to click is called {words}: {self.text()[:2000]}"
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=0, y=0)
            time.sleep(0.5)
            before = place
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def open_tab(self, words: str, *expected: str, limit_s: float = 120) -> None:
        """Press a tab until all of ``expected`` stand on the page: one that is not yet ready hears no mouse."""
        deadline = time.monotonic() + limit_s
        while True:
            self.click(words)
            try:
                self.wait(*expected, limit_s=10)
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def fill(self, text: str, *labels: str) -> None:
        """Type over what stands in a field of a form, which is found by its labels, the outermost first."""
        element = f"({_field(labels)})?.querySelector('input, textarea')"
        assert self.script(f"(e => e ? (e.focus(), e.select(), true) : false)({element})"), (
            f"no field is called {labels}"
        )
        self.call("Input.insertText", text=text)

    def complaint(self, *labels: str) -> str:
        """Return what the browser itself says is wrong with a field of a form; empty where nothing is."""
        return str(self.script(f"({_field(labels)}).querySelector('input, textarea').validationMessage"))

    def picture(self, file: Path, *labels: str, width: int = 1360, height: int = 900) -> Path:
        """Write what is seen as PNG; of a form, from the field on that ``labels`` name."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        if labels:
            self.script(f"(e => {{e.style.scrollMargin = '16px'; e.scrollIntoView(true)}})({_field(labels)})")
        time.sleep(3)  # the page lays itself out anew, charts are drawn
        file.write_bytes(b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
        return file


def _field(labels: tuple[str, ...]) -> str:
    """Return JavaScript for the field of a form, or for the whole page where there are no labels."""
    own = "[...at.querySelectorAll('label')].find(e => e.innerText.replace(' (Optional)', '') === label)"
    return f"{json.dumps(labels)}.reduce((at, label) => at && {own}?.closest(':has(> fieldset)'), document.body)"


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Run a browser with a new profile; it ends with the block."""
    from websockets.sync.client import connect

    assert PROGRAM is not None
    folder.mkdir(parents=True, exist_ok=True)
    quiet = "--headless --no-sandbox --disable-gpu --hide-scrollbars --disable-background-networking --no-first-run"
    command = [PROGRAM, *quiet.split(), "--window-size=1360,900", f"--user-data-dir={folder}"]
    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--remote-debugging-port=0", "about:blank"], stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    try:
        with connect(_page_of(folder), max_size=None, open_timeout=60) as socket:
            yield Browser(socket)
    finally:
        process.kill()
        process.wait(30)


def _page_of(folder: Path, limit_s: float = 120) -> str:
    """Return the address of the browser's page, which it tells in its profile once it listens."""
    import urllib.request

    deadline, port_file = time.monotonic() + limit_s, folder / "DevToolsActivePort"
    while not (port_file.is_file() and re.match(r"\d+\n", port_file.read_text())):
        assert time.monotonic() < deadline, (folder / "browser.log").read_text()[-2000:]
        time.sleep(0.2)
    port = int(port_file.read_text().split()[0])
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=60) as reply:
        return next(str(page["webSocketDebuggerUrl"]) for page in json.load(reply) if page["type"] == "page")
