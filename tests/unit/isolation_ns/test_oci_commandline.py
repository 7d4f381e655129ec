"""Command lines as engines write them."""

from __future__ import annotations

import pytest
from plugrun.errors import UsageError
from plugrun_isolation_ns.isolation import NamespaceIsolation
from plugrun_isolation_ns.oci.commandline import parse
from plugrun_isolation_ns.oci.verbs import Runtime


def test_what_containerds_shim_calls():
    words = [
        "--root",
        "/r",
        "--log",
        "/l",
        "--log-format",
        "json",
        "create",
        "--bundle",
        "/b",
        "--pid-file",
        "/p",
        "ID",
    ]
    own, line = parse(words)
    assert (own.value("root"), own.value("log"), own.value("log-format")) == ("/r", "/l", "json")
    assert (line.command, line.value("bundle"), line.value("pid-file")) == ("create", "/b", "/p")
    assert line.arguments == ("ID",)


def test_what_conmon_calls():
    _, line = parse(["exec", "--pid-file", "/p", "--process", "/f", "--detach", "ID"])
    assert (line.value("process"), line.has("detach"), line.arguments) == ("/f", True, ("ID",))


def test_exec_leaves_the_commands_own_options_alone():
    _, line = parse(["exec", "-e", "A=1", "-e", "B=2", "-t", "ID", "ls", "-e", "--pid-file"])
    assert line.every("env") == ["A=1", "B=2"]
    assert line.has("tty")
    assert line.arguments == ("ID", "ls", "-e", "--pid-file")


def test_options_may_follow_elsewhere():
    _, line = parse(["kill", "ID", "KILL", "--all"])
    assert (line.arguments, line.has("all")) == (("ID", "KILL"), True)
    _, line = parse(["delete", "ID", "-f"])
    assert line.has("force")
    _, line = parse(["ps", "-f", "json", "ID"])
    assert (line.value("format"), line.arguments) == ("json", ("ID",))


def test_values_by_an_equals_sign_and_behind_two_dashes():
    _, line = parse(["create", "--bundle=/a=b", "--", "-odd"])
    assert (line.value("bundle"), line.arguments) == ("/a=b", ("-odd",))
    _, line = parse(["kill", "--all=false", "ID"])
    assert not line.has("all")


@pytest.mark.parametrize(
    "words",
    [
        ["fly"],
        ["--wings", "create", "ID"],
        ["create", "--wings", "ID"],
        ["create", "--bundle"],
        ["create"],
        ["create", "A", "B"],
        ["kill", "--all=perhaps", "ID"],
    ],
)
def test_a_line_that_is_wrong(words):
    with pytest.raises(UsageError):
        parse(words)


def test_list_leaves_out_what_was_deleted_meanwhile(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(NamespaceIsolation, "tasks", lambda self: ("gone",))
    assert Runtime(str(tmp_path)).list(parse(["list"])[1]) == 0
    assert capsys.readouterr().out.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED"]
