"""Calls of a runtime that go wrong: what is said of them."""

from __future__ import annotations

import pytest
from plugrun.errors import CannotMount, IsolationError
from plugrun_isolation_oci.program import Call, Refusal, Runtime


def runtime_that(tmp_path, script):
    program = tmp_path / "runtime"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Runtime(str(program), (), str(tmp_path / "state"))


def raising(error):
    def prepare():
        raise error

    return prepare


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(22, "Invalid argument", "/some/where"), "root: /some/where: invalid argument"),
        (OSError(22, "Invalid argument"), "root: invalid argument"),
        (KeyError("source"), "root: KeyError: 'source'"),
        (ValueError("a\0b"), r"root: ValueError: a\?b"),
        (RecursionError(), "root: RecursionError: "),
    ],
)
def test_whatever_fails_in_the_new_process_is_told(tmp_path, error, words):
    call = Call(runtime_that(tmp_path, "exit 0"), ("create", "id"), prepare=raising(error))
    with pytest.raises(IsolationError, match=f"^preparing the container's {words}"):
        call.finish()


def test_errors_of_ours_arrive_as_they_are(tmp_path):
    error = CannotMount("nothing to mount", hint="bring something")
    call = Call(runtime_that(tmp_path, "exit 0"), ("create", "id"), prepare=raising(error))
    with pytest.raises(CannotMount, match=r"^nothing to mount$") as raised:
        call.finish()
    assert raised.value.hint == "bring something"


def test_a_program_that_cannot_be_executed_is_named(tmp_path):
    runtime = runtime_that(tmp_path, "")
    (tmp_path / "runtime").write_bytes(b"\x7fELF nothing that runs")
    with pytest.raises(IsolationError, match=f"^executing {runtime.name}: .*exec format error"):
        runtime.tell("delete", "id")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 3", "delete ended with code 3, and said nothing"),
        ("kill -9 $$", "delete was ended by signal 9, and said nothing"),
        ("echo first >&2; echo why >&2; exit 1", "why"),
    ],
)
def test_a_runtime_that_fails_is_quoted(tmp_path, script, words):
    with pytest.raises(Refusal) as refused:
        runtime_that(tmp_path, script).tell("delete", "id")
    assert refused.value.reason == words
