"""``RUN --mount``: what is there for one command, and is in no layer."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest

from tests.e2e.build.conftest import Workshop


def test_a_cache_is_kept_between_builds_and_pruned(workshop: Workshop) -> None:
    step = (
        "FROM BASE\nRUN --mount=type=cache,id={id},target=/c/d echo {n} >>/c/d/log; cat /c/d/log\n"
    )
    id = os.urandom(4).hex()
    workshop.build(step.format(id=id, n=1))
    second = workshop.build(step.format(id=id, n=2), "-t", "cached").stderr
    assert second.index(" 1\n") < second.index(" 2\n")
    assert "/c" not in workshop.run("cached", "ls", "-d", "/").split()
    assert workshop.plugrun("run", "--rm", "cached", "ls", "/c", code=2)
    plugrun = workshop.plugrun
    kept = os.listdir(f"{plugrun.root}/build/mounts")
    assert kept
    plugrun("builder", "prune", "-f", "--filter", "type=exec.cachemount")
    assert os.listdir(f"{plugrun.root}/build/mounts") == []
    assert " 1\n" not in workshop.build(step.format(id=id, n=3)).stderr


def test_private_and_locked_caches(workshop: Workshop) -> None:
    id = os.urandom(4).hex()
    text = "FROM BASE\n"
    for stage in ("one", "two"):
        text += f"FROM BASE AS {stage}\n"
        text += f"RUN --mount=type=cache,id={id},target=/c,sharing=locked : {stage};"
        # Nobody else is in there.
        text += " mkdir /c/busy && sleep 0.3 && rm -r /c/busy\n"
        text += f"RUN --mount=type=cache,id={id},target=/p,sharing=private echo {stage} >>/p/x\n"
    workshop.build(f"{text}FROM BASE\nCOPY --from=one /bin/cat /1\nCOPY --from=two /bin/cat /2\n")


def test_the_context_and_stages_are_bound(workshop: Workshop) -> None:
    workshop.write("sub/file", "context\n")
    workshop.write("sub/hidden", "hidden\n")
    workshop.write(".dockerignore", "sub/hidden\n")
    done = workshop.build(
        """
        FROM BASE AS other
        RUN mkdir /d && echo stage >/d/file
        FROM BASE
        WORKDIR /w
        RUN --mount=type=bind,source=sub,target=in cat in/file; ls in; ! touch in/new
        RUN --mount=target=/ctx,rw echo changed >/ctx/sub/file; rm -r /ctx/sub; ls /ctx
        RUN --mount=from=other,source=/d,target=/m cat /m/file; ! touch /m/new
        RUN --mount=from=other,target=/m,rw touch /m/new; rm /m/d/file
        RUN --mount=type=tmpfs,target=/t,size=1m touch /t/x; stat -f -c %T /t
        RUN ls /w /m /t /ctx 2>&1 || true
        """,
        "-t",
        "bound",
    ).stderr
    assert " context\n" in done
    assert " stage\n" in done
    assert " tmpfs\n" in done
    assert "hidden" not in done.partition("ls in")[2].partition("DONE")[0]
    assert done.count("Read-only file system") == 2
    assert (workshop.context / "sub/file").read_text() == "context\n"
    for gone in ("/m", "/t", "/ctx"):
        workshop.plugrun("run", "--rm", "bound", "ls", gone, code=2)
    # What is bound is what the step depends on.
    workshop.write("sub/file", "other\n")
    again = workshop.build(
        "FROM BASE\nRUN --mount=type=bind,source=sub,target=/in cat /in/file\n"
    ).stderr
    assert " other\n" in again


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
