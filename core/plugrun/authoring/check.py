"""``plugin check``: an installed plugin held against its contract, on this machine."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

import plugrun
from plugrun.authoring.progress import Progress, Silence, follow
from plugrun.errors import InvalidArgument, PluginError
from plugrun.model.profile import TRANSPORT
from plugrun.model.record import record
from plugrun.model.spelling import did_you_mean
from plugrun.plugins import PluginInfo, describe_all
from plugrun.plugins.finding import ALL_KINDS

PASSED = "passed"
FAILED = "failed"
SKIPPED = "skipped"


@record
class Verdict:
    """One test of the contract; ``reason`` says why it failed or was skipped."""

    name: str
    state: str
    reason: str = ""


@record
class Checked:
    """What came of a check. ``broken`` is pytest's output if it could not run the suite at all."""

    plugin: PluginInfo
    verdicts: tuple[Verdict, ...]
    output: str
    broken: bool = False

    @property
    def ok(self) -> bool:
        """Whether the contract is kept."""
        return not self.broken and not any(v.state == FAILED for v in self.verdicts)


@record
class Addresses:
    """Of a transport: an image that it has, and one that it has not."""

    there: str = ""
    missing: str = ""


def find_plugin(kind: str, name: str, root: str, run_root: str) -> PluginInfo:
    """Return the installed plugin of this name, of any kind if ``kind`` is empty.

    PluginError if there is none, InvalidArgument if several kinds have one, or no such kind is.
    """
    if kind and kind not in ALL_KINDS:
        near = did_you_mean(kind, ALL_KINDS)
        raise InvalidArgument(f'"{kind}" is no kind of plugin{near}: one of {", ".join(ALL_KINDS)}')
    installed = [one for one in describe_all(root, run_root) if kind in ("", one.kind)]
    found = [one for one in installed if one.name == name]
    if not found:
        what = f"{kind} plugin" if kind else "plugin"
        near = did_you_mean(name, sorted({one.name for one in installed}))
        raise PluginError(
            f'no {what} "{name}" is installed{near}', hint="plugrun plugins lists them"
        )
    if len(found) > 1:
        kinds = ", ".join(one.kind for one in found)
        raise InvalidArgument(f'"{name}" is a plugin of several kinds ({kinds}): say which')
    return found[0]


def check(
    plugin: PluginInfo,
    options: Mapping[str, Any],
    addresses: Addresses,
    expression: str = "",
    progress: Progress | None = None,
) -> Checked:
    """Run the suite in a pytest of its own; PluginError if pytest is not installed."""
    for module in ("pytest", "hypothesis"):
        if importlib.util.find_spec(module) is None:
            raise PluginError(
                f"the suites need {module}, which is not installed",
                hint="pip install 'plugrun[suites]'",
            )
    if plugin.kind == TRANSPORT and not (addresses.there and addresses.missing):
        raise InvalidArgument(
            "a transport is checked with two addresses",
            hint="--address NAME-OF-AN-IMAGE-IT-HAS --missing NAME-OF-ONE-IT-HAS-NOT",
        )
    with tempfile.TemporaryDirectory(prefix="plugrun-check-") as folder:
        report = f"{folder}/report.xml"
        argv = [*_pytest(plugin, folder, report), *_said(plugin, options, addresses, expression)]
        code, output = _run(argv, folder, plugin, progress or Silence())
        verdicts = _verdicts(report) if os.path.exists(report) else ()
    return Checked(plugin, verdicts, output, broken=code not in (0, 1) or not verdicts)


def _run(
    argv: Sequence[str], folder: str, plugin: PluginInfo, progress: Progress
) -> tuple[int, str]:
    """Run pytest; return its exit code and what it printed."""
    reader, writer = os.pipe()
    with open(f"{folder}/output", "w+", encoding="utf-8", errors="replace") as printed:
        try:
            process = subprocess.Popen(
                [*argv, f"--plugrun-progress={writer}"],
                cwd=folder,
                env={**os.environ, "PLUGRUN_CHECKED_CAPABILITIES": ",".join(plugin.capabilities)},
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                pass_fds=(writer,),
            )
        finally:
            os.close(writer)
        try:
            with process:
                follow(reader, process.pid, progress)
        finally:
            os.close(reader)
        printed.seek(0)
        return process.returncode, printed.read()


def _pytest(plugin: PluginInfo, folder: str, report: str) -> list[str]:
    suites = f"{os.path.dirname(plugrun.__file__)}/testing/installed"
    return [
        *(sys.executable, "-m", "pytest", f"{suites}/{plugin.kind}.py"),
        *("-q", "-rs", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", folder),
        *("--basetemp", f"{folder}/tmp", "--import-mode=importlib"),
        *(f"--junit-xml={report}", "-o", "junit_family=xunit2"),
    ]


def _said(
    plugin: PluginInfo, options: Mapping[str, Any], addresses: Addresses, expression: str
) -> Sequence[str]:
    said = [f"--plugrun-plugin={plugin.name}", f"--plugrun-options={json.dumps(options)}"]
    if plugin.kind == TRANSPORT:
        said += [f"--plugrun-address={addresses.there}", f"--plugrun-missing={addresses.missing}"]
    return [*said, "-k", expression] if expression else said


def _verdicts(report: str) -> tuple[Verdict, ...]:
    cases = ElementTree.parse(report).iter("testcase")  # noqa: S314
    return tuple(_verdict(case) for case in cases)


def _verdict(case: ElementTree.Element) -> Verdict:
    name = case.get("name", "?")
    for tag, state in (("failure", FAILED), ("error", FAILED), ("skipped", SKIPPED)):
        element = case.find(tag)
        if element is not None:
            reason = element.get("message", "").strip().splitlines()
            return Verdict(name, state, reason[0] if reason else "")
    return Verdict(name, PASSED)
