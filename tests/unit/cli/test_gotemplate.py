"""Templates: what docker 28's own engine made of the same template and data is the measure."""

# ruff: noqa: E501  (templates and messages are kept whole)
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugrun.cli.gotemplate import Map, Template, TemplateError

DATA = {
    "Id": "1" * 64,
    "Name": "/foo",
    "Args": ["a", "b"],
    "Path": "/bin/sh",
    "State": {
        "Status": "running",
        "Running": True,
        "Paused": False,
        "Pid": 12,
        "ExitCode": 0,
        "Error": "<x>&",
    },
    "Config": {
        "Env": ["A=1", "B=2"],
        "Cmd": [],
        "Labels": Map({"k": "v", "a.b": "c"}),
        "Image": "x",
    },
    "HostConfig": {"Memory": 1234567890123, "NanoCpus": 0},
    "Mounts": [],
}

RENDERED = [
    ("{{.Id}}", "1111111111111111111111111111111111111111111111111111111111111111"),
    ("{{ .Id }}", "1111111111111111111111111111111111111111111111111111111111111111"),
    ("{{- .Id -}}", "1111111111111111111111111111111111111111111111111111111111111111"),
    ("a {{- .Id -}} b", "a1111111111111111111111111111111111111111111111111111111111111111b"),
    ("a  {{ .Id -}}   b", "a  1111111111111111111111111111111111111111111111111111111111111111b"),
    ("{{/* c */}}x", "x"),
    ("{{- /* c */ -}} x", "x"),
    ('{{.Name}}{{"x"}}{{`raw\\n`}}', "/fooxraw\\n"),
    ("{{range .Config.Env}}[{{.}}]{{end}}", "[A=1][B=2]"),
    ("{{range $i, $e := .Config.Env}}{{$i}}={{$e}};{{end}}", "0=A=1;1=B=2;"),
    ("{{range .Mounts}}x{{else}}none{{end}}", "none"),
    ("{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}} {{end}}", "a.b:c k:v "),
    ("{{if .State.Running}}up{{else}}down{{end}}", "up"),
    ("{{if .State.Paused}}p{{else if .State.Running}}r{{else}}d{{end}}", "r"),
    ("{{with .State}}{{.Status}}{{end}}", "running"),
    ("{{with $x := .State.Status}}{{$x}}{{.}}{{end}}", "runningrunning"),
    ("{{$x := .Name}}{{$x}}", "/foo"),
    ("{{$x := .State}}{{$x.Status}}", "running"),
    ("{{index .Args 1}}", "b"),
    ('{{index .Config.Labels "zz"}}', ""),
    ("{{(index .Args 0)}}", "a"),
    ("{{len .Args}} {{len .Name}} {{len .Config.Labels}}", "2 4 2"),
    ('{{join .Args ","}}', "a,b"),
    ('{{.Name | upper | printf "%s!"}}', "/FOO!"),
    ('{{title "hello world"}}', "Hello World"),
    ('{{split "a,b" ","}}', "[a b]"),
    ("{{println .Name .Path}}", "/foo /bin/sh\n"),
    ('{{print .Name 1 2 "x" 3}}', "/foo1 2x3"),
    (
        '{{printf "%-10s|%5d|%05d|%q|%v|%t|%x" .Name .State.Pid .State.Pid .Name .Args true .State.Pid}}',
        '/foo      |   12|00012|"/foo"|[a b]|true|c',
    ),
    ('{{printf "%s"}}', "%!s(MISSING)"),
    ('{{printf "%d" "x"}}', "%!d(string=x)"),
    ('{{printf "x" 1}}', "x%!(EXTRA int=1)"),
    (
        "{{eq .State.Pid 12}} {{ne .State.Pid 12}} {{lt 1 2}} {{gt 1 2}} {{le 2 2}} {{ge 1 2}}",
        "true false true false true false",
    ),
    ('{{eq .Name "/bar" "/foo"}}', "true"),
    ('{{and 1 0}} {{or 0 "x"}} {{not 1}} {{and true "y"}}', "0 x false y"),
    ("{{json .Args}} {{json .Name}} {{json .State.Error}}", '["a","b"] "/foo" "<x>&"'),
    ("{{json .Config.Labels}}", '{"a.b":"c","k":"v"}'),
    ("{{.State.Pid}} {{.State.Running}}", "12 true"),
    ("{{.Args}} {{.Config.Labels}}", "[a b] map[a.b:c k:v]"),
    ("{{.Config.Labels.zz}}", "<no value>"),
    ("{{.Config.Labels.k}}", "v"),
    ("{{range .Args}}{{break}}{{end}}x", "x"),
    ('{{range .Args}}{{if eq . "a"}}{{continue}}{{end}}{{.}}{{end}}', "b"),
    ('{{index .State "Pid"}}', "12"),
    ("{{index .Name 0}}", "47"),
    ("{{slice .Args 1}}", "[b]"),
    ("{{slice .Name 1 3}}", "fo"),
    ("{{range 3}}{{.}}{{end}}", "012"),
    ("{{true}} {{1.5}} {{1e3}} {{0x10}} {{'a'}}", "true 1.5 1000 16 97"),
    ("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"),
    ("{{$x := 1}}{{if true}}{{$x := 2}}{{end}}{{$x}}", "1"),
    ("{{.Id|len}}", "64"),
    ('{{len .Id|printf "%d"}}', "64"),
    ('{{not .State.Paused | printf "%v"}}', "true"),
    ("{{if and .State.Running (not .State.Paused)}}ok{{end}}", "ok"),
    ("{{(.State).Pid}}", "12"),
    ("{{$s := .State}}{{with $s}}{{.Pid}}{{end}}", "12"),
    ('{{pad "x" 1 2}}|{{truncate "hello" 2}}', " x  |he"),
    ("{{.HostConfig.Memory}}", "1234567890123"),
    ('{{index .Config.Labels "a.b"}}', "c"),
    (
        '{{ .Id}}{{ .Name }}{{- " x" }}',
        "1111111111111111111111111111111111111111111111111111111111111111/foo x",
    ),
    ("{{with .Config.Cmd}}c{{else}}empty{{end}}", "empty"),
    ("{{with .Config.Cmd}}c{{else with .Name}}{{.}}{{end}}", "/foo"),
    ('{{if not (eq .Name "x")}}y{{end}}', "y"),
    ("{{-3}} {{- 3}}", "-33"),
    ('{{printf "%6.2f|%g" 1.5 2.0}}', "  1.50|2"),
    ('{{printf "%s" .State.Pid}}', "%!s(int=12)"),
    ('{{printf "%+v" .Args}}', "[a b]"),
]

REFUSED = [
    (
        "{{index .Args 5}}",
        'template: :1:2: executing "" at <index .Args 5>: error calling index: index out of range: 5',
    ),
    (
        '{{eq 1 "a"}}',
        'template: :1:2: executing "" at <eq 1 "a">: error calling eq: incompatible types for comparison',
    ),
    ("{{.Nope}}", 'template: :1:2: executing "" at <.Nope>: map has no entry for key "Nope"'),
    (
        "{{.State.Nope}}",
        'template: :1:8: executing "" at <.State.Nope>: map has no entry for key "Nope"',
    ),
    (
        "{{.State.Nope.Deeper}}",
        'template: :1:8: executing "" at <.State.Nope.Deeper>: map has no entry for key "Nope"',
    ),
    ("{{foo}}", 'template: :1: function "foo" not defined'),
    ("{{.Id", "template: :1: unclosed action"),
    ("{{", "template: :1: unclosed action"),
    ("{{}}", "template: :1: missing value for command"),
    ("{{if}}", "template: :1: missing value for if"),
    ("{{if .Id}}", "template: :1: unexpected EOF"),
    ("{{end}}", "template: :1: unexpected {{end}}"),
    ("{{else}}", "template: :1: unexpected {{else}}"),
    ("{{range}}x{{end}}", "template: :1: missing value for range"),
    ("{{.Id}", "template: :1: bad character U+007D '}'"),
    ('{{"abc}}', "template: :1: unterminated quoted string"),
    ("{{`abc}}", "template: :1: unterminated raw quoted string"),
    ("{{$y}}", 'template: :1: undefined variable "$y"'),
    ("{{.Id | 1}}", "template: :1: non executable command in pipeline stage 2"),
    ("{{.Id 2}}", 'template: :1:2: executing "" at <.Id>: Id is not a method but has arguments'),
    ("{{break}}", "template: :1: {{break}} outside {{range}}"),
    ("{{len 3}}", 'template: :1:2: executing "" at <len 3>: error calling len: len of type int'),
    ("{{.Id}} {{.}", "template: :1: bad character U+007D '}'"),
    ("{{$}}x{{end}}", "template: :1: unexpected {{end}}"),
    (
        "{{range .Id}}x{{end}}",
        'template: :1:8: executing "" at <.Id>: range can\'t iterate over 1111111111111111111111111111111111111111111111111111111111111111',
    ),
    ("{{.Id,}}", 'template: :1: unexpected "," in operand'),
    ("{{@}}", 'template: :1: unexpected "@" in command'),
]


@pytest.mark.parametrize(("template", "text"), RENDERED)
def test_renders_as_docker_does(template, text):
    assert Template(template).render(DATA) == text


@pytest.mark.parametrize(("template", "message"), REFUSED)
def test_refuses_in_dockers_words(template, message):
    with pytest.raises(TemplateError) as raised:
        Template(template).render(DATA)
    assert raised.value.message == message


def test_says_whether_parsing_or_running_failed():
    with pytest.raises(TemplateError) as raised:
        Template("{{.Id")
    assert raised.value.parsing
    with pytest.raises(TemplateError) as raised:
        Template("{{.Nope}}").render(DATA)
    assert not raised.value.parsing


def test_places_count_lines():
    with pytest.raises(TemplateError, match=r"^template: :2:4: executing"):
        Template("a\nb{{ .Nope}}").render(DATA)


def test_structs_print_their_values_and_are_always_true():
    assert Template("{{.}}").render({"A": 1, "B": {"C": None, "D": True}}) == "{1 {<nil> true}}"
    assert Template("{{if .A}}y{{end}}").render({"A": {}}) == "y"
    assert Template("{{if .A}}y{{else}}n{{end}}").render({"A": Map()}) == "n"


def test_methods_take_arguments():
    row = {"Label": lambda name: {"a": "b"}.get(name, "")}
    assert Template('{{.Label "a"}}{{.Label "x"}}').render(row) == "b"
    assert Template("{{json .}}").render(row) == "{}"


def test_headers_pass_through_functions():
    headers = {"Names": "NAMES", "Label": lambda name: name}
    template = Template('{{lower .Names}} {{.Label "a"}} {{json .}}|{{printf "%s" .Names}}')
    assert template.render_header(headers) == "NAMES a |NAMES"


@given(st.text('{}-."$|()= \nabI range,end0if', max_size=30))
def test_any_text_renders_or_is_refused(text):
    try:
        Template("{{" + text + "}}").render(DATA)
    except TemplateError:
        pass


@given(st.text(max_size=30).filter(lambda text: "{{" not in text))
def test_text_without_actions_stays(text):
    assert Template(text).render(DATA) == text
