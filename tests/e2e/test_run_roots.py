"""One data root and two run roots: nobody's containers are lost."""

from __future__ import annotations

from dataclasses import replace

from tests.e2e.conftest import HOST_IMAGE, Plugrun


def other(alone: Plugrun) -> Plugrun:
    return replace(alone, run_root=f"{alone.run_root}-other")


def test_another_run_root_is_refused_until_the_containers_end(alone):
    two = other(alone)
    alone("run", "-d", "--name", "one", HOST_IMAGE, "sleep", "1000")
    try:
        asked = [("ps", "-a"), ("start", "one"), ("rm", "-f", "one"), ("logs", "one")]
        for args in [*asked, ("create", HOST_IMAGE), ("run", "--rm", HOST_IMAGE, "true")]:
            said = two(*args, code=125 if args[0] == "run" else None)
            assert said.returncode != 0
            assert f"use --run-root {alone.run_root}, or stop its containers" in said.stderr, args
        assert alone.out("ps", "--format", "{{.Names}}") == "one"
    finally:
        alone("rm", "-f", "one")
    # The bridge of the other run root must not be in the way.
    try:
        two("run", "-d", "--name", "two", HOST_IMAGE, "sleep", "1000")
        assert "use --run-root" in alone("ps", code=1).stderr
    finally:
        two("rm", "-f", "two")
    assert alone.out("ps", "-aq") == ""
