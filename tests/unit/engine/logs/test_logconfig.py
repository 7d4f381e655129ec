"""Log options as the real Docker takes and refuses them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from plugrun.engine.logs.config import LogRules, log_rules
from plugrun.errors import PlugrunError
from plugrun.model.upkeep import LogConfig


def rules(*options: tuple[str, str], driver: str = "json-file") -> LogRules:
    container = SimpleNamespace(
        id="f" * 64, short_id="f" * 12, name="web", image="sha256:" + "a" * 64,
        image_name="busybox", args=("sh", "-c", "true"), env=("A=1", "B=2"),
        labels=(("tier", "front"), ("team", "x")), log=LogConfig(driver, options),
    )  # fmt: skip
    return log_rules(container)


def test_it_is_bounded_unless_said():
    assert rules() == LogRules(10_000_000, 3, "")
    assert rules(driver="none") == LogRules()


@pytest.mark.parametrize(
    ("size", "bytes"),
    [("1k", 1000), ("10m", 10_000_000), ("1.5g", 1_500_000_000), ("100", 100), ("2MB", 2_000_000)],
)
def test_sizes(size, bytes):
    assert rules(("max-size", size)).size == bytes


@pytest.mark.parametrize(
    ("options", "attrs"),
    [
        ([("labels", "tier,none"), ("env", "B")], '{"B":"2","tier":"front"}'),
        ([("labels-regex", "^t"), ("env-regex", "^A$")], '{"A":"1","team":"x","tier":"front"}'),
        ([("tag", "{{.Name}}/{{ .ID }}-{{.ImageName}}")], f'{{"tag":"web/{"f" * 12}-busybox"}}'),
        ([("tag", "plain")], '{"tag":"plain"}'),
        ([("labels", "none")], ""),
        ([("mode", "non-blocking"), ("max-buffer-size", "4m")], ""),
        ([("compress", "false")], ""),
    ],
)
def test_attributes(options, attrs):
    assert rules(*options).attrs == attrs


START = "failed to initialize logging driver: "


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("max-size", "abc"), START + "invalid size: 'abc'"),
        (("max-size", "-1"), START + "invalid size: '-1'"),
        (("max-size", "0"), START + "max-size must be a positive number"),
        (("max-file", "0"), START + "max-file cannot be less than 1"),
        (("max-file", "x"), START + 'strconv.Atoi: parsing "x": invalid syntax'),
        (("foo", "bar"), "unknown log opt 'foo' for json-file log driver"),
        (("mode", "x"), "logger: logging mode not supported: x"),
        (("tag", "{{"), START + "template: log-tag:1: unclosed action"),
        (
            ("max-buffer-size", "1m"),
            "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
        ),
        (
            ("tag", "{{.Foo}}"),
            START + 'template: log-tag:1:2: executing "log-tag" at <.Foo>: '
            "can't evaluate field Foo in type *logger.Info",
        ),
        (("compress", "true"), START + "compress is not supported"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(PlugrunError) as caught:
        rules(options)
    assert caught.value.message == message


def test_drivers_that_are_not_here():
    with pytest.raises(PlugrunError) as caught:
        rules(driver="foo")
    assert caught.value.message == 'error looking up logging plugin foo: plugin "foo" not found'
    with pytest.raises(PlugrunError, match="invalid logging opts for driver none"):
        rules(("max-size", "1k"), driver="none")
