"""The entrance: options before the command, errors, exit codes, and what the hot path loads."""

import os
import subprocess
import sys

import pytest
from plugrun.cli import absent, failure, main
from plugrun.cli.commands import COMMANDS, GROUPS, UNLISTED, by_path
from plugrun.cli.fastparse import parse
from plugrun.cli.options import ROOT, RUN
from plugrun.cli.requests import exec_request, run_request
from plugrun.errors import (
    CommandNotFound,
    Conflict,
    Interrupted,
    InvalidArgument,
    NoSuchContainer,
    UsageError,
)

FORBIDDEN = {
    *("click", "stevedore", "pluggy", "yaml", "requests", "pyroute2", "json", "re", "typing"),
    *("dataclasses", "inspect", "enum", "pathlib", "subprocess", "asyncio", "logging"),
    *("threading", "shutil", "tempfile", "contextlib", "collections", "functools", "signal"),
    *("importlib.metadata", "argparse", "fractions", "decimal", "textwrap"),
}


def run(capsys, *argv):
    code = main.main(argv)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def verb(monkeypatch):
    """Replace what `rm` does by something that raises."""
    from plugrun.cli.verbs import rm
    from plugrun.cli.verbs import run as run_verb

    def set_error(error):
        def fail(*_):
            raise error

        monkeypatch.setattr(rm, "main", fail)
        monkeypatch.setattr(run_verb, "main", fail)

    return set_error


# -- what stands before the command ------------------------------------------------------------


@pytest.mark.parametrize("words", [["images"], ["ps"], ["config", "show"], ["run", "x"]])
def test_a_configuration_file_that_is_not_there_is_refused_by_all(capsys, tmp_path, words):
    path = str(tmp_path / "nosuch.yaml")
    code, out, err = run(capsys, "--config", path, "--root", str(tmp_path / "root"), *words)
    assert (code, out) == (125, "")
    assert f"{path}: no such file (named by --config or PLUGRUN_CONFIG)" in err


def test_global_options_have_defaults():
    options = main.global_options(parse(ROOT, ["ps"]).values, {})
    assert (options.root, options.run_root) == ("/var/lib/plugrun", "/run/plugrun")
    assert (options.config, options.profile, options.debug) == ("", "", False)


def test_the_environment_speaks_where_the_line_does_not(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    environ = {
        "PLUGRUN_ROOT": "r",
        "PLUGRUN_RUN_ROOT": "/rr",
        "PLUGRUN_CONFIG": "c.yaml",
        "PLUGRUN_PROFILE": "p",
    }
    options = main.global_options(parse(ROOT, ["--profile=q", "-D", "ps"]).values, environ)
    assert options.root == f"{tmp_path}/r"
    assert options.run_root == "/rr"
    assert options.config == f"{tmp_path}/c.yaml"
    assert (options.profile, options.debug) == ("q", True)


# -- Docker's options about its daemon ---------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["-l", "debug"], ["-lwarn"], ["--log-level=fatal"], ["-c", "default"], ["-D"],
        ["--context=default"], ["--tls=false", "--tlsverify=false"],
    ],
)  # fmt: skip
def test_what_changes_nothing_is_accepted(capsys, words):
    code, out, err = run(capsys, *words, "version", "--format", "{{.Client.Version}}")
    assert (code, err) == (0, "")
    assert out


@pytest.mark.parametrize("verb_words", [["ps"], ["run", "debian"], ["version"]])
@pytest.mark.parametrize(
    ("words", "name", "hint"),
    [
        (["-H", "tcp://192.0.2.1:2375"], "host", "ssh HOST plugrun"),
        (["--host=ssh://there"], "host", "ssh HOST plugrun"),
        (["--context", "prod"], "context", "ssh HOST plugrun"),
        (["-cprod"], "context", "--root"),
        (["--tls"], "tls", "leave it out"),
        (["--tlsverify"], "tlsverify", "leave it out"),
        (["--tlscacert=/ca.pem"], "tlscacert", "leave it out"),
        (["--tlskey", "/key.pem"], "tlskey", "leave it out"),
        (["--tlscert", "/cert.pem"], "tlscert", "leave it out"),
    ],
)
def test_what_asks_for_a_daemon_is_refused_with_the_reason(capsys, words, name, hint, verb_words):
    code, out, err = run(capsys, *words, *verb_words)
    assert (code, out) == (125, "")
    assert f": --{name} is not supported: there is no daemon to connect to\nhint: " in err
    assert hint in err.splitlines()[1]


def test_a_level_that_is_none(capsys):
    assert run(capsys, "-l", "nope", "ps") == (1, "", "Unable to parse logging level: nope\n")


@pytest.mark.parametrize("argv", [["-v"], ["--version"], ["--version", "ps"]])
def test_version(capsys, argv):
    code, out, _ = run(capsys, *argv)
    assert code == 0
    assert out.startswith("plugrun version ")


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"], ["--debug"], ["help"]])
def test_root_help(capsys, argv):
    code, out, err = run(capsys, *argv)
    assert (code, err) == (0, "")
    assert out.startswith("Usage:  plugrun [OPTIONS] COMMAND\n")
    for command in COMMANDS:
        if " " not in command.name:
            assert f"\n  {command.name} " in out


# -- help --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(by_path()))
def test_every_command_has_help_and_a_verb(capsys, path):
    code, out, err = run(capsys, *path.split(), "--help")
    assert (code, err) == (0, "")
    command = by_path()[path]
    assert out.startswith(f"Usage:  plugrun {path} {command.usage}\n\n{command.help}\n")
    for option in command.options:
        assert option.hidden or f"--{option.name}" in out
    assert all(len(line) < 80 for line in out.splitlines() if not line.startswith("  plugrun "))
    assert run(capsys, "help", *path.split()) == (0, out, "")
    verb = command.verb.replace(".", "/")
    assert os.path.exists(os.path.join(os.path.dirname(main.__file__), "verbs", f"{verb}.py"))


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_groups_have_help(capsys, group):
    code, out, _ = run(capsys, group)
    assert code == 0
    assert out == run(capsys, group, "--help")[1]
    for path in by_path():
        if path.startswith(f"{group} "):
            assert (f"\n  {path.split()[1]} " in out) == (path not in UNLISTED)


# -- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "said", "near"),
    [
        (["os"], "'os' is not a plugrun command. See 'plugrun --help'", ["ps"]),
        (["sto", "x"], "'sto' is not a plugrun command. See 'plugrun --help'", ["stop", "storage"]),
        (["qqqqq"], "'qqqqq' is not a plugrun command. See 'plugrun --help'", []),
        (
            ["conatiner"],
            "'conatiner' is not a plugrun command. See 'plugrun --help'",
            ["container"],
        ),
        (
            ["image", "lss"],
            "'image lss' is not a plugrun command. See 'plugrun image --help'",
            ["image ls"],
        ),
        (
            ["container", "xyz"],
            "'container xyz' is not a plugrun command. See 'plugrun container --help'",
            [],
        ),
    ],
)
def test_unknown_commands(capsys, argv, said, near):
    guess = "".join(f"\t{one}\n" for one in near)
    guess = f"\nDid you mean this?\n{guess}" if near else ""
    assert run(capsys, *argv) == (1, "", f"plugrun: {said}\n{guess}")


@pytest.mark.parametrize(
    ("argv", "instead"),
    [
        (["compose", "up", "-d"], "plugrun network create"),
        (["context", "ls"], "--root"),
        (["swarm", "init"], "one machine"),
        (["config", "ls"], "one machine"),
        (["plugin", "ls"], "plugrun plugins"),
        (["buildx", "use", "x"], "plugrun build"),
        (["builder", "du"], "plugrun system df -v"),
    ],
)
def test_docker_s_commands_that_are_not_here_are_answered_with_what_is(capsys, argv, instead):
    code, out, err = run(capsys, *argv)
    first, hint = err.splitlines()
    assert (code, out) == (1, "")
    assert "is not a plugrun command. See 'plugrun" in first
    assert hint.startswith("hint: ")
    assert instead in hint
    helped = run(capsys, "help", *argv[:2])
    assert (helped[0], helped[2].splitlines()[1]) == (1, hint)


def test_what_is_said_to_be_absent_is():
    assert not absent.BY_PATH.keys() & {*by_path(), *GROUPS}


def test_help_of_what_is_not_there(capsys):
    assert run(capsys, "help", "os") == (1, "", "unknown help topic: os\n")


@pytest.mark.parametrize(
    ("argv", "code", "path"),
    [
        (["--foo"], 125, ""),
        (["run", "--foo", "x"], 125, "run"),
        (["container", "run", "--foo", "x"], 125, "container run"),
        (["ps", "--foo"], 125, "ps"),
        (["image", "--foo"], 125, "image"),
    ],
)
def test_unknown_flags(capsys, argv, code, path):
    full = f"plugrun {path}".rstrip()
    got, out, err = run(capsys, *argv)
    assert (got, out) == (code, "")
    assert err.startswith(f"unknown flag: --foo\n\nUsage:  {full} ")
    assert err.endswith(f"\n\nRun '{full} --help' for more information\n")


def test_missing_arguments(capsys):
    code, _, err = run(capsys, "container", "run", "-it")
    assert code == 1
    assert err.startswith("plugrun: 'plugrun container run' requires at least 1 argument\n\nUsage:")
    assert err.endswith("\n\nSee 'plugrun container run --help' for more information\n")
    _, _, err = run(capsys, "rename", "x")
    assert err.endswith("\n\nRun 'plugrun rename --help' for more information\n")


def test_errors_of_run_are_125_and_say_where_help_is(capsys, verb):
    verb(NoSuchContainer("it is gone", hint="look elsewhere"))
    assert run(capsys, "run", "x") == (
        125,
        "",
        "plugrun: it is gone\nhint: look elsewhere\n\n"
        "Run 'plugrun run --help' for more information\n",
    )
    assert run(capsys, "rm", "x") == (1, "", "Error: it is gone\nhint: look elsewhere\n")


@pytest.mark.parametrize(
    ("error", "of_run", "of_rm"),
    [
        (CommandNotFound("x"), 127, 127),
        (Conflict("x"), 125, 1),
        (UsageError("x"), 125, 125),
        (Interrupted(""), 130, 130),
        (KeyboardInterrupt(), 130, 130),
        (BrokenPipeError(), 141, 141),
        (ZeroDivisionError("x"), 125, 1),
        (failure.SaidError("x", code=64), 64, 64),
    ],
)
def test_exit_codes(capsys, monkeypatch, verb, error, of_run, of_rm):
    monkeypatch.setattr(main.output, "discard", lambda: None)
    verb(error)
    assert run(capsys, "run", "x")[0] == of_run
    assert run(capsys, "rm", "x")[0] == of_rm


def test_interrupted_says_nothing(capsys, verb):
    verb(Interrupted(""))
    assert run(capsys, "run", "x")[2] == ""
    verb(KeyboardInterrupt())
    assert run(capsys, "run", "x")[2] == ""


def test_a_fault_of_ours_is_one_line_without_debug(capsys, verb):
    verb(ZeroDivisionError("by me"))
    err = run(capsys, "run", "x")[2]
    assert err.startswith("plugrun: internal error: ZeroDivisionError: by me\nhint: ")
    assert "Traceback" not in err
    assert "Traceback" in run(capsys, "--debug", "run", "x")[2]


def test_a_reader_that_goes_away_ends_the_command_quietly():
    program = "import sys; from plugrun.launch import main; sys.exit(main())"
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", program, "--help"], stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("argv", [["ps"], ["run", "img"], ["exec", "a", "b"], ["images"]])
def test_an_ordinary_user_is_told_so(capsys, monkeypatch, argv):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    code, out, err = run(capsys, *argv)
    assert (code, out) == (125, "")
    assert "plugrun needs root" in err
    assert "\nhint: " in err


@pytest.mark.parametrize("argv", [["version"], ["config", "show"], ["run", "--help"], ["-v"]])
def test_an_ordinary_user_may_look(capsys, monkeypatch, argv):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert run(capsys, *argv)[::2] == (0, "")


# -- requests ----------------------------------------------------------------------------------


def request(*argv):
    return run_request(parse(RUN, argv))


def test_a_run_request_has_all_that_was_said(tmp_path):
    env = tmp_path / "env"
    env.write_text("A=file\nB=2\n")
    found = request(
        *("-dit", "--rm", "--name", "/web", "-e", "A=1", "--env-file", str(env), "-u", "1:2"),
        *("-w", "/w", "-v", "/a:/b:ro", "-h", "box", "--entrypoint", "sh", "-m", "64m"),
        *("--cpus", "0.5", "--pids-limit", "9", "--platform", "linux/arm64", "--net", "none"),
        *("--read-only", "--init", "-l", "k=v=w", "-l", "bare", "--pull", "never", "-q"),
        *("--cidfile", "/c", "--stop-signal", "INT", "--stop-timeout", "3", "img", "-c", "ls"),
    )
    assert (found.image, found.args, found.name) == ("img", ("-c", "ls"), "web")
    assert found.env == ("A=file", "B=2", "A=1")
    assert found.entrypoint == ("sh",)
    assert (found.limits.memory, found.limits.nano_cpus, found.limits.pids) == (
        64 << 20,
        5 * 10**8,
        9,
    )
    assert str(found.platform) == "linux/arm64"
    assert found.labels == (("k", "v=w"), ("bare", ""))
    assert (found.network, found.pull, found.quiet) == ("none", "never", True)
    assert (found.stop_signal, found.stop_timeout, found.cidfile) == ("INT", 3, "/c")
    assert found.detach
    assert found.interactive
    assert found.tty
    assert found.auto_remove
    assert found.read_only
    assert found.init


def test_a_bare_run_request_has_its_defaults():
    found = request("img")
    from plugrun.engine.request import RunRequest

    assert found == RunRequest("img")
    assert request("--entrypoint", "", "img").entrypoint == ("",)
    assert request("--pids-limit", "-1", "img").limits.pids == 0


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["-m", "1m"], "Minimum memory limit allowed is 6MB"),
        (["--name", "a b"], "Invalid container name (a b)"),
        (["-w", "rel"], "the working directory 'rel' is invalid"),
        (["--pull", "x"], 'invalid pull option: \'x\': must be one of "always", "missing" or'),
        (["--network", "x", "--network", "x"], 'network "x" is specified multiple times'),
        (["--network", "x", "--network", "host"], "conflicting options: cannot attach both user-"),
        (["--network-alias", "a"], "network-scoped aliases are only supported for user-defined"),
        (["--mac-address", "x"], "x is not a valid mac address"),
        (["--network", "name=n,ip=1.2.3.4", "--ip", "1.2.3.5"], "conflicting options: cannot "),
        (["-p", "80-70"], "invalid containerPort: 80-70"),
        (["--platform", "a/b/c/d"], '"a/b/c/d" is not a platform'),
        (["-v", "/a:/b", "-v", "/c:/b"], "Duplicate mount point: /b"),
        (["-h", "a b"], "invalid hostname format: a b"),
        (["--env-file", "/nonexistent"], "open /nonexistent: no such file or directory"),
    ],
)
def test_what_cannot_be_asked(argv, message):
    with pytest.raises((InvalidArgument, UsageError)) as raised:
        request(*argv, "img")
    assert raised.value.message.startswith(message)


def test_an_exec_request():
    from plugrun.cli.options import EXEC

    found = exec_request(parse(EXEC, ["-it", "-e", "A", "-u", "me", "-w", "/", "web", "ls", "-l"]))
    assert (found.container, found.args, found.env) == ("web", ("ls", "-l"), ("A",))
    assert (found.user, found.workdir) == ("me", "/")
    assert found.interactive
    assert found.tty


# -- the hot path ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        ["run", "-it", "--rm", "-e", "A=1", "-m", "64m", "--cpus", ".5", "-v", ".:/b", "img", "ls"],
        ["container", "run", "--platform", "arm64", "img"],
        ["exec", "-i", "--env-file", "/dev/null", "web", "ls"],
        ["run", "--env-file", "/nonexistent", "img"],
    ],
)
def test_the_hot_path_loads_nothing_that_costs(argv):
    program = (
        "import sys; sys.path[:0] = {path!r}; before = set(sys.modules)\n"
        "import plugrun.launch\n"
        "from plugrun.cli.main import main\n"
        "import plugrun.cli.verbs.run as run, plugrun.cli.verbs.exec as execute\n"
        "from plugrun.cli.requests import run_request, exec_request\n"
        "run.main = lambda options, parsed: run_request(parsed) and 0\n"
        "execute.main = lambda options, parsed: exec_request(parsed) and 0\n"
        "code = main({argv!r})\n"
        "sys.stdout.write(' '.join(sorted(set(sys.modules) - before)))\n"
    ).format(path=[os.path.dirname(os.path.dirname(main.__file__)) + "/.."], argv=argv)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "plugrun.cli.fastparse" in loaded
    assert not loaded & FORBIDDEN
