"""A headless Chromium, driven by its DevTools protocol through a pipe: no driver to install."""

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for found in map(shutil.which, NAMES) if found), None)
WHY_NOT = f"no Chromium is installed (looked for {', '.join(NAMES)})"
SECONDS = 60.0
# Chromium reads commands from file 3 and answers in file 4.
AS_FILES_3_AND_4 = """
import os, sys
for file, number in zip(map(int, sys.argv[1:3]), (203, 204)):
    os.dup2(file, number)  # first out of the way: one of them may be 3 or 4 itself
os.dup2(203, 3)
os.dup2(204, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Tab:
    """One page of a browser, and what it has complained about or asked of a network."""

    def __init__(self, browser: "Browser", width: int, height: int) -> None:
        self.browser = browser
        target = browser.send("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.send("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        self.complaints: list[str] = []
        self.requests: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.resize(width, height)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.send(method, self, **parameters)

    def resize(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **metrics)

    def open(self, path: Path, ready: str = "window.explorer") -> None:
        """Open a file, and wait until it is loaded, `ready` is there, and all is painted."""
        self.complaints.clear()
        self.requests.clear()
        self.send("Page.navigate", url=path.as_uri())
        self.wait_for(f"document.readyState === 'complete' && !!{ready}")
        self.run("new Promise(done => requestAnimationFrame(() => setTimeout(done, 20)))")

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression; promises are waited for."""
        answer = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> None:
        end = time.monotonic() + SECONDS
        while not self.run(expression):
            assert time.monotonic() < end, f"never true: {expression} {self.complaints}"
            time.sleep(0.01)

    def click(self, x: float, y: float) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            at = {"x": x, "y": y, "button": "left", "clickCount": 1}
            self.send("Input.dispatchMouseEvent", type=kind, **at)

    def click_on(self, selector: str) -> None:
        """Click in the middle of an element."""
        quoted = json.dumps(selector)
        x, y = self.run(
            f"(() => {{ const e = document.querySelector({quoted}); e.scrollIntoView({{block: "
            "'nearest'}); const r = e.getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        self.click(x, y)

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            code = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39}[key]
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.send(
                "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text
            )

    def type(self, text: str) -> None:
        self.send("Input.insertText", text=text)

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """Keep what is in the window, or the whole page, also what lies below the window."""
        options: dict[str, Any] = {}
        if whole:
            height = self.run("document.documentElement.scrollHeight")
            clip = {"x": 0, "y": 0, "width": self.run("innerWidth"), "height": height, "scale": 1}
            options = {"captureBeyondViewport": True, "clip": clip}
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", **options)["data"]))


class Browser:
    """A running Chromium; messages are JSON, each ended by a zero byte."""

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM is not None
        to_browser, ours_out = os.pipe()
        ours_in, from_browser = os.pipe()
        options = [
            "--headless",
            "--no-sandbox",
            "--enable-unsafe-swiftshader",
            "--mute-audio",
            "--no-first-run",
        ]
        command = [CHROMIUM, *options, "--remote-debugging-pipe", f"--user-data-dir={profile}"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", AS_FILES_3_AND_4, str(to_browser), str(from_browser), *command],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self.write, self.read, self.rest = ours_out, ours_in, b""
        self.numbers, self.tabs = itertools.count(1), dict[str, Tab]()

    def tab(self, width: int = 1280, height: int = 800) -> Tab:
        tab = Tab(self, width, height)
        self.tabs[tab.session] = tab
        return tab

    def send(self, method: str, tab: Tab | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command and return the answer; what comes in between is noted with its tab."""
        number = next(self.numbers)
        command = {"id": number, "method": method, "params": parameters}
        if tab is not None:
            command["sessionId"] = tab.session
            self.tabs.setdefault(tab.session, tab)
        os.write(self.write, json.dumps(command).encode() + b"\0")
        end = time.monotonic() + SECONDS
        while True:
            message = self._message(end)
            if message.get("id") == number:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self._note(message)

    def _message(self, end: float) -> dict[str, Any]:
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.read], [], [], max(0.0, end - time.monotonic()))
            assert ready, "Chromium does not answer"
            received = os.read(self.read, 2**20)
            assert received, "Chromium has ended"
            self.rest += received
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def _note(self, message: dict[str, Any]) -> None:
        tab, told = self.tabs.get(message.get("sessionId", "")), message.get("params", {})
        if tab is None:
            return
        match message["method"]:
            case "Runtime.exceptionThrown":
                tab.complaints.append(json.dumps(told["exceptionDetails"])[:1000])
            case "Runtime.consoleAPICalled":
                tab.complaints.append(json.dumps(told["args"])[:1000])
            case "Log.entryAdded":
                tab.complaints.append(told["entry"]["text"])
            case "Network.requestWillBeSent":
                tab.requests.append(told["request"]["url"])

    def close(self) -> None:
        os.close(self.write)
        os.close(self.read)
        self.process.terminate()
        self.process.wait(timeout=10)


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A Chromium with a profile of its own, ended with the block."""
    running = Browser(profile)
    try:
        yield running
    finally:
        running.close()
