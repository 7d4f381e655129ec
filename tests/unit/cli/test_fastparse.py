"""The parser against Docker's rules, and against click's parser over the same tables."""

import click
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from plugrun.cli.commands import COMMANDS, by_path
from plugrun.cli.fastparse import ArgumentCount, FlagError, parse
from plugrun.cli.options import BYTES, DECIMAL, EXEC, FLAG, HOT, INT, REPEATED, ROOT, RUN
from plugrun.cli.values import CONVERTERS
from plugrun.errors import InvalidArgument, UsageError
from plugrun.model.network import EndpointConfig

LOGS = by_path()["logs"]
PS = by_path()["ps"]
RM = by_path()["rm"]


def values(command, *argv):
    return parse(command, argv).values


@pytest.mark.parametrize(
    ("argv", "dest", "value"),
    [
        (["-it"], "tty", True),
        (["-itd"], "detach", True),
        (["-ti", "--rm"], "auto", None),
        (["-e", "A=1", "-eB=2", "--env=C", "--env", "D="], "env", ("A=1", "B=2", "C", "D=")),
        (["-e=A=1"], "env", ("A=1",)),
        (["-itm512m"], "memory", 512 * 2**20),
        (["-itm", "1g"], "memory", 2**30),
        (["-m=1k"], "memory", 1024),
        (["--rm=false"], "rm", False),
        (["--rm", "--rm=0"], "rm", False),
        (["--rm=T"], "rm", True),
        (["-i=false"], "interactive", False),
        (["--name", "--rm"], "name", "--rm"),
        (["--name="], "name", ""),
        (["--net", "none"], "network", (EndpointConfig("none"),)),
        (["--network=host"], "network", (EndpointConfig("host"),)),
        (["-h", "box"], "hostname", "box"),
        (["--cpus", "1.5"], "cpus", 1_500_000_000),
        (["--pids-limit", "-1"], "pids_limit", -1),
        (["--entrypoint", ""], "entrypoint", ""),
        ([], "entrypoint", None),
        ([], "env", ()),
        ([], "rm", False),
        ([], "pull", "missing"),
    ],
)
def test_options_have_dockers_forms(argv, dest, value):
    if value is None and dest == "auto":
        dest, value = "rm", True
    assert values(RUN, *argv, "image")[dest] == value


@pytest.mark.parametrize(
    ("argv", "args"),
    [
        (["image", "ls", "-l", "--rm"], ("image", "ls", "-l", "--rm")),
        (["--rm", "--", "image", "-x"], ("image", "-x")),
        (["--", "-x"], ("-x",)),
        (["image", "--", "x"], ("image", "--", "x")),
        (["-", "x"], ("-", "x")),
    ],
)
def test_options_of_run_end_at_the_image(argv, args):
    assert parse(RUN, argv).args == args


def test_options_may_follow_arguments_elsewhere():
    parsed = parse(RM, ["a", "-f", "b", "--", "-c"])
    assert parsed.args == ("a", "b", "-c")
    assert parsed.values["force"] is True


# Messages as docker 28 prints them for the same line.
@pytest.mark.parametrize(
    ("command", "argv", "message"),
    [
        (RUN, ["--foo", "x"], "unknown flag: --foo"),
        (RUN, ["--ne", "x"], "unknown flag: --ne"),
        (RUN, ["--foo=1", "x"], "unknown flag: --foo"),
        (RUN, ["-x"], "unknown shorthand flag: 'x' in -x"),
        (RUN, ["-ixt"], "unknown shorthand flag: 'x' in -xt"),
        (RUN, ["-i="], "unknown shorthand flag: '=' in -="),
        (RUN, ["-m"], "flag needs an argument: 'm' in -m"),
        (RUN, ["-itm"], "flag needs an argument: 'm' in -m"),
        (RUN, ["--memory"], "flag needs an argument: --memory"),
        (RUN, ["--=x"], "bad flag syntax: --=x"),
        (RUN, ["---x"], "bad flag syntax: ---x"),
        (
            RUN,
            ["-m", "1xx"],
            'invalid argument "1xx" for "-m, --memory" flag: invalid suffix: \'xx\'',
        ),
        (RUN, ["-m="], 'invalid argument "=" for "-m, --memory" flag: invalid size: \'=\''),
        (
            RUN,
            ["--rm=maybe"],
            'invalid argument "maybe" for "--rm" flag: strconv.ParseBool: parsing "maybe": '
            "invalid syntax",
        ),
        (
            RUN,
            ["--cpus", "1x"],
            'invalid argument "1x" for "--cpus" flag: failed to parse 1x as a rational number',
        ),
        (
            RUN,
            ["-e", ""],
            'invalid argument "" for "-e, --env" flag: invalid environment variable: ',
        ),
        (
            RUN,
            ["-l", "=x"],
            'invalid argument "=x" for "-l, --label" flag: invalid label \'=x\': empty name',
        ),
        (
            PS,
            ["-n", "a"],
            'invalid argument "a" for "-n, --last" flag: strconv.ParseInt: parsing "a": '
            "invalid syntax",
        ),
    ],
)
def test_wrong_options_are_named_as_docker_does(command, argv, message):
    with pytest.raises(FlagError) as raised:
        parse(command, argv)
    assert raised.value.message == message
    assert raised.value.exit_code == 125


@pytest.mark.parametrize(
    ("command", "argv", "message"),
    [
        (RUN, [], "requires at least 1 argument"),
        (EXEC, ["a"], "requires at least 2 arguments"),
        (LOGS, [], "requires 1 argument"),
        (LOGS, ["a", "b"], "requires 1 argument"),
        (PS, ["a"], "accepts no arguments"),
        (by_path()["images"], ["a", "b"], "requires at most 1 argument"),
    ],
)
def test_a_wrong_number_of_arguments(command, argv, message):
    with pytest.raises(ArgumentCount) as raised:
        parse(command, argv)
    assert raised.value.message == message
    assert raised.value.exit_code == 1


@pytest.mark.parametrize("argv", [["--help"], ["-it", "--help", "--nonsense"]])
def test_help_ends_the_reading(argv):
    assert parse(RUN, argv).help


def test_h_is_help_where_it_is_not_an_option():
    assert parse(PS, ["-h"]).help
    assert parse(EXEC, ["-ih", "x"]).help


def test_help_after_the_image_is_the_commands():
    assert parse(RUN, ["image", "--help"]).args == ("image", "--help")


def test_tables_do_not_repeat_names():
    for command in (ROOT, *COMMANDS):
        longs = [name for o in command.every for name in (o.name, *o.aliases)]
        shorts = [o.short for o in command.every if o.short]
        assert len(set(longs)) == len(longs)
        assert len(set(shorts)) == len(shorts)


def test_hot_commands_stand_in_the_table_of_all():
    for path, command in HOT.items():
        assert by_path()[" ".join(path)] is command


# -- against click -----------------------------------------------------------------------------

WORD = st.text("abz019_./-", max_size=4)
SAMPLES = {
    INT: st.integers(-9, 99).map(str),
    BYTES: st.sampled_from(["1k", "512m", "0", "1.5g", "x"]),
    DECIMAL: st.sampled_from(["1", "0.5", "2.25", "x"]),
}


def words_of(option):
    sample = SAMPLES.get(option.kind, WORD)
    longs = [f"--{name}" for name in (option.name, *option.aliases)]
    short = [f"-{option.short}"] if option.short else []
    if option.kind == FLAG:
        return st.sampled_from([[name] for name in longs + short])
    apart = st.tuples(st.sampled_from(longs + short), sample).map(list)
    joined = st.tuples(st.sampled_from(longs), sample).map(lambda p: [f"{p[0]}={p[1]}"])
    forms = [apart, joined]
    if short:
        attached = sample.filter(bool).map(lambda value: [f"{short[0]}{value}"])
        forms.append(attached)
    return st.one_of(forms)


def combined(command):
    letters = [o.short for o in command.options if o.kind == FLAG and o.short]
    return st.lists(st.sampled_from(letters), min_size=1, max_size=3).map(
        lambda chosen: ["-" + "".join(chosen)]
    )


def lines(command):
    one = st.one_of([words_of(o) for o in command.options] + [combined(command)])
    odd = st.sampled_from([["--"], ["-"], ["--nope"], ["-Z"]])
    before = st.lists(st.one_of(one, one, one, one, odd), max_size=5)
    after = st.lists(WORD, min_size=0, max_size=3)
    return st.tuples(before, after).map(lambda p: [w for group in p[0] for w in group] + p[1])


def fast_parse(command, argv):
    """Return a line taken apart, or None if it is wrong or asks for help."""
    try:
        parsed = parse(command, argv)
    except UsageError:
        return None
    return None if parsed.help else parsed


def parameter(option):
    names = [f"--{name}" for name in (option.name, *option.aliases)]
    if option.short:
        names.append(f"-{option.short}")
    extra = {"is_flag": True} if option.kind == FLAG else {}
    extra |= {"type": click.INT} if option.kind == INT else {}
    return click.Option([option.dest, *names], multiple=option.kind in REPEATED, **extra)


def read_by_click(command, argv):
    params = [parameter(option) for option in command.options]
    params.append(click.Argument(["words"], nargs=-1))
    reader = click.Command(command.name, params=params, add_help_option=False)
    reader.allow_interspersed_args = command.mixed
    context = reader.make_context(command.name, list(argv))
    given = {
        option.dest: context.params[option.dest]
        for option in command.options
        if context.get_parameter_source(option.dest).name == "COMMANDLINE"
    }
    return given, tuple(context.params["words"])


def converted(option, value):
    convert = CONVERTERS.get(option.kind)
    if convert is None or option.kind in (FLAG, INT):
        return value
    if option.kind in REPEATED:
        return tuple(convert(item) for item in value)
    return convert(value)


@pytest.mark.parametrize("command", [RUN, EXEC, LOGS, RM], ids=lambda c: c.name)
@given(data=st.data())
def test_declines_or_agrees_with_click(command, data):
    argv = data.draw(lines(command))
    parsed = fast_parse(command, argv)
    if parsed is None:
        return
    given, args = read_by_click(command, argv)
    assert parsed.args == args
    for option in command.options:
        if option.dest in given:
            assert parsed.values[option.dest] == converted(option, given[option.dest])
        else:
            assert parsed.values[option.dest] == option.missing


def says_twice(argv):
    """Whether a line may give one value twice: click reads the last, and we refuse a bad first."""
    heads = [
        (f"--{option.name}", f"-{option.short}" if option.short else "--")
        for option in RUN.options
        if option.kind not in REPEATED
    ]
    return any(sum(word.startswith(head) for word in argv) > 1 for head in heads)


@given(argv=lines(RUN))
def test_accepts_what_click_accepts(argv):
    assume(not says_twice(argv))
    try:
        given, args = read_by_click(RUN, argv)
        for option in RUN.options:
            if option.dest in given:
                converted(option, given[option.dest])
    except (click.UsageError, InvalidArgument) as error:
        assert fast_parse(RUN, argv) is None, error
        return
    assert (fast_parse(RUN, argv) is not None) == (len(args) >= RUN.least)
