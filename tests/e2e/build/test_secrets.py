"""What a RUN gets besides files: secrets, an agent, a network, a script."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.e2e.build.conftest import Workshop
from tests.e2e.conftest import Plugrun, ends, processes


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


def test_keys_are_given_by_file(workshop: Workshop, tmp_path: Path) -> None:
    """The agent is OpenSSH's, and ends with the build."""
    keys = [str(tmp_path / name) for name in ("one", "two")]
    for key in keys:
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
    os.chmod(keys[0], 0o644)  # OpenSSH would refuse it by its name
    places = ":".join(("/usr/bin", "/usr/local/bin", "/bin"))
    base = "FROM host:sh,cat,ssh-add,stat\n"
    text = (
        f"{base}RUN --mount=type=ssh,id=mine PATH={places} ssh-add -L; stat -c %F $SSH_AUTH_SOCK\n"
    )
    done = workshop.build(text, "--ssh", f"mine={keys[0]},{keys[1]}").stderr
    for key in keys:
        assert Path(f"{key}.pub").read_text().split()[1] in done
    assert " socket\n" in done
    assert processes_of("ssh-agent", workshop.plugrun.root) == []
    assert workshop.marks() == []


def test_a_key_with_a_passphrase_is_refused(workshop: Workshop, tmp_path: Path) -> None:
    key = str(tmp_path / "locked")
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret phrase", "-f", key]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
    said = workshop.build("FROM BASE\nRUN true\n", "--ssh", f"default={key}", code=1).stderr
    assert f"--ssh default={key} cannot be used" in said
    assert "with a passphrase to an agent" in said
    assert processes_of("ssh-agent", workshop.plugrun.root) == []


def processes_of(program: str, root: str) -> list[int]:
    """Return the processes of a program that speak of a root and go on."""
    found = [pid for pid, words in processes(root) if words[0].endswith(program.encode())]
    return [pid for pid in found if not ends(pid)]


@pytest.mark.parametrize("network", ["none", "host"])
def test_the_network_of_a_step(workshop: Workshop, network: str) -> None:
    step = f"RUN --network={network} stat -c 'is %N' /proc/self/ns/net; ls /sys/class/net"
    seen = workshop.build(f"FROM BASE\n{step}\n").stderr
    own = os.readlink("/proc/self/ns/net")
    assert (f"-> '{own}'" in seen) == (network == "host")
    assert "-> 'net:[" in seen
    if network == "none":
        shown = [line.split()[-1] for line in seen.splitlines() if line.startswith("#3 0.")]
        assert shown[1:] == ["lo"]


def test_a_script_of_a_heredoc(workshop: Workshop) -> None:
    done = workshop.build("FROM BASE\nRUN <<EOF\n#!/bin/cat\nshown by cat\nEOF\nRUN ls /dev\n")
    assert "shown by cat" in done.stderr
    assert "pipes" not in done.stderr.partition("RUN ls /dev")[2]
