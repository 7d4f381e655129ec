"""``plugrun login``."""

from __future__ import annotations

import os
import sys

from plugrun.cli import output
from plugrun.cli.failure import SaidError
from plugrun.cli.options import Parsed
from plugrun.engine.engine import open_engine
from plugrun.engine.request import GlobalOptions
from plugrun.errors import Interrupted, Unauthorized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.interfaces.registry import Login, Registry

_KEPT = """\
Authenticating with existing credentials... [Username: {}]

 Info -> To login with a different account, run 'plugrun logout' followed by 'plugrun login'

"""
_IN_CLEAR = """
WARNING! Your credentials are stored unencrypted in '{}'.
Configure a credential helper (credsStore in that file) to remove this warning.
"""


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Verify a name and password with a registry, and keep them for pull and push."""
    v = parsed.values
    username, password = v["username"], v["password"]
    if v["password_stdin"]:
        password = _password_from_stdin(username, password)
    elif password:
        output.error("WARNING! Using --password via the CLI is insecure. Use --password-stdin.")
    registry = open_engine(options).open_registry("".join(parsed.args))
    try:
        _say(_login(registry, username, password))
    finally:
        registry.close()
    return 0


def _password_from_stdin(username: str, password: str) -> str:
    if password:
        raise SaidError("conflicting options: cannot specify both --password and --password-stdin")
    if not username:
        raise SaidError("the --password-stdin option requires --username to be set")
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")


def _login(registry: Registry, username: str, password: str) -> Login:
    if not username and not password:
        kept = registry.username()
        if kept:
            output.error(_KEPT.format(kept))
            try:
                return registry.login("", "")
            except Unauthorized as error:
                output.error(f"Login did not succeed, error: {error.message}")
    if not username or not password:
        if not os.isatty(0):
            raise SaidError("Error: Cannot perform an interactive login from a non TTY device")
        username, password = _asked(username, password)
    return registry.login(username, password)


def _asked(username: str, password: str) -> tuple[str, str]:
    """Ask for what is missing at the terminal; the password is not shown."""
    import getpass

    try:
        while not username:
            output.write("Username: ")
            output.flush()
            line = sys.stdin.readline()
            if not line:
                raise SaidError("Error: Non-null Username Required")
            username = line.strip()
        password = password or getpass.getpass("Password: ")
    except (KeyboardInterrupt, EOFError):
        raise Interrupted("") from None
    if not password:
        raise SaidError("Error: Password Required")
    return username, password


def _say(login: Login) -> None:
    if login.file:
        output.error(_IN_CLEAR.format(login.file))
    output.line(login.status)
