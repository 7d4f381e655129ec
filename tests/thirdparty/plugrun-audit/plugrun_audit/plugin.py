"""The hooks of plugrun-audit."""

from __future__ import annotations

import json
import os
import time

from plugrun.api import InvalidArgument, Option

PLACE = "/run/site"


def plugrun_options():
    """Declare where the log is, and what containers are given."""
    return (
        Option("log", "string", "/var/log/plugrun-audit.jsonl", "the file that is written to"),
        Option("site", "string", "", f"a folder of this machine, to be found at {PLACE}"),
        Option("forbid", "strings", (), "images that may not be started, by name"),
    )


def plugrun_adjust_spec(container, spec, options):
    """Give a container the site's folder, read-only, and say who made the rules."""
    if container.image_name in options["forbid"]:
        raise InvalidArgument(f"the site forbids {container.image_name}", hint="ask the operator")
    spec["process"]["env"].append("AUDITED=yes")
    if options["site"]:
        spec["mounts"].append(
            {
                "destination": PLACE,
                "type": "bind",
                "source": options["site"],
                "options": ["rbind", "ro", "nosuid", "nodev"],
            }
        )


def plugrun_event(event, options):
    """Write one line; whole lines, whoever writes at the same time."""
    line = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(event.time_ns // 10**9)),
        "user": int(os.environ.get("SUDO_UID", os.getuid())),
        "what": f"{event.kind} {event.action}",
        "id": event.id,
        "name": event.attributes.get("name", ""),
    }
    fd = os.open(options["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, json.dumps(line).encode() + b"\n")
    finally:
        os.close(fd)
