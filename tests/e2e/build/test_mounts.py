"""``RUN --mount``: what is there for one command, and is in no layer."""

from __future__ import annotations

import os

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


def two_stages(step: str) -> str:
    """Return a Dockerfile with a step in two stages at once; each knows the OTHER."""
    text = ""
    for own, other in (("one", "two"), ("two", "one")):
        text += f"FROM BASE AS {own}\n{step}".replace("OWN", own).replace("OTHER", other)
    return f"{text}FROM BASE\nCOPY --from=one /bin/cat /1\nCOPY --from=two /bin/cat /2\n"


def test_nobody_else_is_in_a_locked_cache(workshop: Workshop) -> None:
    id = os.urandom(4).hex()
    step = f"RUN --mount=type=cache,id=s{id},target=/s touch /s/OWN\n"
    step += f"RUN --mount=type=cache,id=s{id},target=/s"
    step += f" --mount=type=cache,id=l{id},target=/l,sharing=locked"
    # The other one is about to come, or was here.
    step += " mkdir /l/busy && until [ -e /s/OTHER ]; do sleep 0.05; done"
    step += " && sleep 0.3 && rm -r /l/busy && echo OWN >>/l/log\n"
    workshop.build(two_stages(step))
    read = f"FROM BASE\nRUN --mount=type=cache,id=l{id},target=/l cat /l/log\n"
    done = workshop.build(read).stderr
    assert " one\n" in done
    assert " two\n" in done


def test_private_caches_in_use_at_once_are_two(workshop: Workshop) -> None:
    id = os.urandom(4).hex()
    step = f"RUN --mount=type=cache,id=s{id},target=/s"
    step += f" --mount=type=cache,id=p{id},target=/p,sharing=private"
    # Both have written to theirs before either looks, and neither goes before both have looked.
    step += " touch /p/OWN /s/OWN; until [ -e /s/OTHER ]; do sleep 0.05; done; ls /p"
    step += " && [ ! -e /p/OTHER ] && touch /s/OWN-looked"
    step += "; until [ -e /s/OTHER-looked ]; do sleep 0.05; done\n"
    workshop.build(two_stages(step))


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


def test_what_is_written_to_a_file_of_the_context_goes_with_the_step(workshop: Workshop) -> None:
    for name in ("top", "sub/deep"):
        workshop.write(name, "context\n")
        done = workshop.build(
            f"FROM BASE\nRUN --mount=type=bind,source={name},target=/m,rw"
            " cat /m; echo written >/m; cat /m\n"
        ).stderr
        assert done.index(" context\n") < done.index(" written\n")
        assert (workshop.context / name).read_text() == "context\n"
