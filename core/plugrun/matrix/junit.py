"""Results as JUnit XML: one test case a cell, as CI systems read it."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from xml.etree import ElementTree

from plugrun.matrix.cell import FAILED, PASSED, SKIPPED, Result
from plugrun.matrix.logtail import tail

_NO_CHAR = dict.fromkeys((*range(0xD800, 0xE000), 0xFFFE, 0xFFFF), "\ufffd")


def junit_xml(results: Iterable[Result], command: Iterable[str]) -> str:
    """Return the document; a required cell that was skipped is a failure there, too."""
    results = list(results)
    suite = ElementTree.Element(
        "testsuite",
        name="plugrun matrix",
        tests=str(len(results)),
        failures=str(sum(one.bad and one.state in (FAILED, SKIPPED) for one in results)),
        errors=str(sum(one.bad and one.state not in (FAILED, SKIPPED) for one in results)),
        skipped=str(sum(one.state == SKIPPED and not one.bad for one in results)),
        time=f"{sum(one.seconds for one in results):.3f}",
    )
    for one in results:
        _case(suite, one, " ".join(command))
    top = ElementTree.Element("testsuites")
    top.append(suite)
    ElementTree.indent(top)
    text = ElementTree.tostring(top, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _case(suite: ElementTree.Element, result: Result, command: str) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", classname="matrix", name=result.cell.name, time=f"{result.seconds:.3f}"
    )
    if result.began:
        moment = datetime.datetime.fromtimestamp(result.began, datetime.UTC)
        case.set("timestamp", moment.isoformat(timespec="seconds"))
    properties = ElementTree.SubElement(case, "properties")
    for axis, value in (*result.cell.axes, ("command", command)):
        ElementTree.SubElement(properties, "property", name=axis, value=_fit(value))
    if result.state == SKIPPED and not result.bad:
        ElementTree.SubElement(case, "skipped", message=_fit(result.reason))
    elif result.state != PASSED:
        kind = "failure" if result.state in (FAILED, SKIPPED) else "error"
        ElementTree.SubElement(case, kind, message=_fit(result.reason), type=result.state)
    if result.log:
        ElementTree.SubElement(case, "system-out").text = _fit(tail(result.log))


def _fit(text: str) -> str:
    """Replace what XML 1.0 has no character for (production 2, Char): control characters mostly."""
    return "".join(c if c >= " " or c in "\t\n\r" else "\ufffd" for c in text).translate(_NO_CHAR)
