"""What a RUN gets besides files: secrets, an agent, a network, a script."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.e2e.build.conftest import Workshop
from tests.e2e.conftest import Plugrun


@pytest.fixture
def workshop(overlay: Plugrun, tmp_path: Path) -> Workshop:
    """On one profile: no storage has a part in this."""
    return Workshop(overlay, tmp_path)


def test_secrets_are_in_no_layer_and_on_no_disk(workshop: Workshop) -> None:
    secret = os.urandom(16).hex()
    path = workshop.write("../secret", secret)
    dockerfile = """
        FROM BASE
        RUN --mount=type=secret,id=one cd /run/secrets; cat one >/dev/null; stat -c '%a %u' one
        RUN --mount=type=secret,id=one,target=/s,mode=0444,uid=7 stat -c '%a %u' /s
        RUN --mount=type=secret,id=two,env=TOKEN test "$TOKEN"
        RUN --mount=type=secret,id=none cat /run/secrets/none 2>&1 || echo absent
        RUN ls /run/secrets /s 2>&1 || echo gone
        """
    words = ("--secret", f"id=one,src={path}", "--secret", "id=two,env=MINE", "-t", "secretive")
    done = workshop.build(dockerfile, *words, env={"MINE": secret}).stderr
    assert "400 0" in done
    assert "444 7" in done
    assert "absent" in done
    assert "gone" in done
    assert secret not in done
    found = subprocess.run(
        ["grep", "-rqa", secret, workshop.plugrun.root, workshop.plugrun.run_root], check=False
    )
    assert found.returncode == 1
    missing = "FROM BASE\nRUN --mount=type=secret,id=none,required true\n"
    assert "secret none: not found" in workshop.build(missing, code=1).stderr


def test_an_agent_is_passed_on(workshop: Workshop) -> None:
    path = f"{workshop.context}/agent"
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(path)
        done = workshop.build(
            "FROM BASE\nRUN --mount=type=ssh stat -c %F $SSH_AUTH_SOCK\nRUN echo $SSH_AUTH_SOCK.\n",
            "--ssh",
            f"default={path}",
        ).stderr
    assert " socket\n" in done
    assert " .\n" in done


@pytest.mark.parametrize("network", ["none", "host"])
def test_the_network_of_a_step(workshop: Workshop, network: str) -> None:
    seen = workshop.build(f"FROM BASE\nRUN --network={network} ls /sys/class/net\n").stderr
    host = set(os.listdir("/sys/class/net"))
    shown = {line.split()[-1] for line in seen.splitlines() if line.startswith("#3 0.")}
    assert shown == (host if network == "host" else {"lo"})


def test_a_script_of_a_heredoc(workshop: Workshop) -> None:
    done = workshop.build("FROM BASE\nRUN <<EOF\n#!/bin/cat\nshown by cat\nEOF\nRUN ls /dev\n")
    assert "shown by cat" in done.stderr
    assert "pipes" not in done.stderr.partition("RUN ls /dev")[2]
