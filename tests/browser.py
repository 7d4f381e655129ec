"""A real browser without a window, spoken to over a pipe (Chrome DevTools Protocol)."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome")
PATIENCE = 120
_ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--remote-debugging-pipe",
)
# The protocol's ends are the descriptors 3 and 4, which a test's own Python may be using.
_STARTER = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(fd), fcntl.F_DUPFD_CLOEXEC, 10) for fd in sys.argv[1:3]]
for number, fd in enumerate(ends, 3):
    os.dup2(fd, number)
os.execvp(sys.argv[3], sys.argv[3:])
"""


def program() -> str:
    """Return the browser of this machine; empty if there is none."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), "")


class Page:
    """One page, its requests and its errors."""

    def __init__(self, orders: int, answers: int) -> None:
        self._orders = orders
        self._answers = answers
        self._rest = b""
        self._number = 0
        self._events: list[dict[str, Any]] = []
        self._session = ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def open(self, address: str) -> None:
        """Go there, and wait until it is loaded."""
        self.call("Page.navigate", url=address)
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._events.append(self._receive())

    @property
    def requests(self) -> list[str]:
        """Every address that was asked for."""
        sent = (e for e in self._events if e["method"] == "Network.requestWillBeSent")
        return [event["params"]["request"]["url"] for event in sent]

    @property
    def errors(self) -> list[Any]:
        """What went wrong on the page: exceptions, what its policy forbade, dialogs."""
        kinds = ("Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening")
        return [event["params"] for event in self._events if event["method"] in kinds]

    def value(self, expression: str) -> Any:
        """Return what an expression of JavaScript comes to."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def click(self, selector: str) -> None:
        """Click in the middle of an element with the mouse."""
        self.value(f"document.querySelector({json.dumps(selector)}).scrollIntoView()")
        box = self.value(
            f"document.querySelector({json.dumps(selector)}).getBoundingClientRect().toJSON()"
        )
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give an order and return its answer; events that come before it are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._orders, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._number:
            self._events.append(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], PATIENCE)
            assert ready, "the browser does not answer"
            data = os.read(self._answers, 1 << 20)
            assert data, "the browser has ended"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message


@contextlib.contextmanager
def opened_browser(folder: str) -> Iterator[Page]:
    """Start a browser whose files are in a folder; it ends with the context."""
    theirs_in, orders = os.pipe2(os.O_CLOEXEC)
    answers, theirs_out = os.pipe2(os.O_CLOEXEC)
    process = subprocess.Popen(
        [sys.executable, "-c", _STARTER, str(theirs_in), str(theirs_out), program(),
         *_ARGUMENTS, f"--user-data-dir={folder}", "about:blank"],
        pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True, env={**os.environ, "HOME": folder},
    )  # fmt: skip
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Page(orders, answers)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(orders)
        os.close(answers)
