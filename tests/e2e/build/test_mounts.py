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


def test_what_is_written_to_a_file_of_the_context_goes_with_the_step(workshop: Workshop) -> None:
    for name in ("top", "sub/deep"):
        workshop.write(name, "context\n")
        done = workshop.build(
            f"FROM BASE\nRUN --mount=type=bind,source={name},target=/m,rw"
            " cat /m; echo written >/m; cat /m\n"
        ).stderr
        assert done.index(" context\n") < done.index(" written\n")
        assert (workshop.context / name).read_text() == "context\n"
