"""What ``--log-driver`` and ``--log-opt`` come down to; refused in Docker's words.

Docker keeps a container's output without limit unless it is told; here it is bounded unless it is
told (docs/adr/0006-bounded-logs.md). Sizes are decimal, as Docker's are here: 10m is 10 000 000.
"""

from __future__ import annotations

from plugrun.errors import InvalidArgument, UsageError
from plugrun.model.record import record
from plugrun.monitor.logfile import FILES, LARGEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from plugrun.model.container import Container

_ATTRS = frozenset(("labels", "env", "tag", "labels-regex", "env-regex"))
_KNOWN = _ATTRS | frozenset(("max-size", "max-file", "mode", "max-buffer-size", "compress"))
_UNITS = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15}
_FAILED = "failed to initialize logging driver: "


@record
class LogRules:
    """At most ``files`` files of ``size`` bytes; ``attrs`` is JSON that each line carries."""

    size: int = LARGEST
    files: int = FILES
    attrs: str = ""


_DEFAULT = LogRules()


def log_rules(container: Container) -> LogRules:
    """Return a container's rules; raise InvalidArgument for options that say nothing sensible."""
    config = container.log
    if config.driver not in ("json-file", "none"):
        raise InvalidArgument(
            f'error looking up logging plugin {config.driver}: plugin "{config.driver}" not found',
            hint="the log drivers are json-file and none",
        )
    if not config.options:
        return _DEFAULT
    options = dict(config.options)
    _check(config.driver, options)
    size = options.get("max-size", "")
    files = options.get("max-file", "")
    return LogRules(
        _size(size) if size else LARGEST,
        _count(files) if files else FILES,
        _attrs(container, options),
    )


def _check(driver: str, options: Mapping[str, str]) -> None:
    if driver == "none":
        raise UsageError("invalid logging opts for driver none")
    for name in options:
        if name not in _KNOWN:
            raise InvalidArgument(f"unknown log opt '{name}' for {driver} log driver")
    mode = options.get("mode", "")
    if mode not in ("", "blocking", "non-blocking"):
        raise InvalidArgument(f"logger: logging mode not supported: {mode}")
    if "max-buffer-size" in options and mode != "non-blocking":
        raise InvalidArgument(
            "logger: max-buffer-size option is only supported with 'mode=non-blocking'"
        )
    if options.get("compress", "false") not in ("", "0", "f", "F", "false", "FALSE", "False"):
        raise InvalidArgument(
            f"{_FAILED}compress is not supported", hint="leave it out: old files are kept plain"
        )


def _size(text: str) -> int:
    """Return a size as Docker's units.FromHumanSize reads it."""
    digits = text.rstrip("bBkKmMgGtTpPi")
    unit = text[len(digits) :].lower().removesuffix("b").removesuffix("i")
    number = digits.removesuffix(" ")
    try:
        size = float(number) * _UNITS[unit]
        if not number[:1].isdigit() or not number.replace(".", "").isdigit():
            raise ValueError
    except (ValueError, KeyError):
        raise InvalidArgument(f"{_FAILED}invalid size: '{text}'") from None
    if int(size) <= 0:
        raise InvalidArgument(f"{_FAILED}max-size must be a positive number")
    return int(size)


def _count(text: str) -> int:
    if not text.isascii() or not text.removeprefix("-").isdigit():
        raise InvalidArgument(f'{_FAILED}strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) < 1:
        raise InvalidArgument(f"{_FAILED}max-file cannot be less than 1")
    return int(text)


def _attrs(container: Container, options: Mapping[str, str]) -> str:
    if _ATTRS.isdisjoint(options):
        return ""
    from plugrun.engine.logs.attributes import log_attrs

    return log_attrs(container, options)
