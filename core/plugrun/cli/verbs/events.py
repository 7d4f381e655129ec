"""``plugrun events``."""

from __future__ import annotations

import time
from typing import Any

from plugrun.cli import output
from plugrun.cli.document import compact
from plugrun.cli.eventfilter import events_filter
from plugrun.cli.failure import SaidError
from plugrun.cli.gotemplate import Map, Template, TemplateError
from plugrun.cli.moments import parse_moment
from plugrun.cli.options import Parsed
from plugrun.engine.events import read_events
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions
from plugrun.errors import InvalidArgument
from plugrun.model.event import Event

_NS = 10**9
_BAD_TEMPLATE = 64


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print what happened, and go on as more happens, up to ``--until``."""
    v = parsed.values
    template = _template(v["format"])
    since, until = _moment(v["since"]), _moment(v["until"])
    if since is not None and until is not None and since > until:
        raise InvalidArgument(
            f"`since` time ({_seconds(since)}) cannot be after `until` time ({_seconds(until)})"
        )
    passes = events_filter(v["filter"])
    for event in read_events(open_healed(options), since, until):
        if passes(event):
            output.line(_shown(event, template, v["format"]))
    return 0


def _moment(text: str) -> int | None:
    return parse_moment(text) if text else None


def _seconds(time_ns: int) -> str:
    return f"{time_ns // _NS}.{time_ns % _NS:09d}"


def _template(form: str) -> Template | None:
    if form in ("", "json", "{{json .}}"):
        return None
    try:
        return Template(form)
    except TemplateError as error:
        raise SaidError(f"Error parsing format: {error.message}", code=_BAD_TEMPLATE) from None


def _shown(event: Event, template: Template | None, form: str) -> str:
    if template is None:
        return compact(message(event)) if form else outline(event)
    try:
        return template.render(_struct(event))
    except TemplateError as error:
        raise SaidError(f"Error parsing format: {error.message}", code=_BAD_TEMPLATE) from None


def outline(event: Event) -> str:
    """Return an event as Docker prints it, with local time."""
    text = f"{stamp(event.time_ns)} {event.kind} {event.action} {event.id}"
    pairs = ", ".join(f"{key}={event.attributes[key]}" for key in sorted(event.attributes))
    return f"{text} ({pairs})" if pairs else text


def stamp(time_ns: int) -> str:
    """Return a time as RFC 3339 with nanoseconds, in the local zone."""
    local = time.localtime(time_ns // _NS)
    zone = time.strftime("%z", local)
    zone = "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{time_ns % _NS:09d}{zone}"


def message(event: Event) -> dict[str, Any]:
    """Return an event as Docker's API sends it, with the older names of its parts."""
    old: dict[str, Any] = {}
    if event.kind in ("container", "image"):
        old = {"status": event.action, "id": event.id}
    if event.kind == "container":
        old["from"] = event.attributes.get("image", "")
    attributes = {key: event.attributes[key] for key in sorted(event.attributes)}
    return {
        **old,
        "Type": event.kind,
        "Action": event.action,
        "Actor": {"ID": event.id, "Attributes": attributes},
        "scope": "local",
        "time": event.time_ns // _NS,
        "timeNano": event.time_ns,
    }


def _struct(event: Event) -> dict[str, Any]:
    """Return an event by the names that templates have for its parts."""
    said = message(event)
    return {
        "Status": said.get("status", ""),
        "ID": said.get("id", ""),
        "From": said.get("from", ""),
        "Type": event.kind,
        "Action": event.action,
        "Actor": {"ID": event.id, "Attributes": Map(said["Actor"]["Attributes"])},
        "Scope": "local",
        "Time": said["time"],
        "TimeNano": event.time_ns,
    }
