"""Docker's own ``config.json``: names and passwords, or which program keeps them.

Both tools share the file. What is in it beside the credentials is kept as it is; it is written
whole, and readable by its owner alone. Source: docker/cli, cli/config/configfile, and the protocol
of docker-credential-helpers.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import subprocess

from plugrun.api import ConfigError, TransportError, filesystem, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The key Docker Hub's credentials have had since its first registry.
HUB_KEY = "https://index.docker.io/v1/"
_LARGEST = 4 << 20
_PATIENCE = 60
_NOT_FOUND = "credentials not found in native keychain"
_IDENTITY = "<token>"


@record
class Credentials:
    """A name and password, or an identity token in the place of both."""

    username: str
    password: str
    identity: str = ""

    @property
    def basic(self) -> str:
        """The Authorization header for them (RFC 7617)."""
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


class DockerConfig:
    """The file; it is read anew whenever it is asked something."""

    def __init__(self, folder: str = "") -> None:
        home = os.environ.get("HOME") or os.path.expanduser("~")
        self._folder = folder or os.environ.get("DOCKER_CONFIG") or f"{home}/.docker"
        self.path = f"{self._folder}/config.json"

    def find(self, server: str) -> Credentials | None:
        """Return what is kept for a server, by its key or its host name."""
        body = self._read()
        helper = self._helper(body, server)
        if helper:
            return _asked(helper, server)
        auths = _object(body, "auths", self.path)
        entry = auths.get(server)
        if entry is None:
            same = (value for key, value in auths.items() if _host(key) == _host(server))
            entry = next(same, None)
        return _parsed(entry) if isinstance(entry, dict) else None

    def store(self, server: str, credentials: Credentials) -> str:
        """Keep credentials; return the name of the helper that has them, if one has."""
        body = self._read()
        helper = self._helper(body, server)
        if helper:
            secret = credentials.identity or credentials.password
            name = _IDENTITY if credentials.identity else credentials.username
            words = {"ServerURL": server, "Username": name, "Secret": secret}
            _run(helper, "store", json.dumps(words))
            entry: dict[str, str] = {}
        else:
            pair = f"{credentials.username}:{credentials.password}".encode()
            entry = {"auth": base64.b64encode(pair).decode()}
            if credentials.identity:
                entry["identitytoken"] = credentials.identity
        body["auths"] = {**_object(body, "auths", self.path), server: entry}
        self._write(body)
        return helper

    def erase(self, server: str) -> bool:
        """Forget a server; return whether anything was kept for it."""
        body = self._read()
        auths = _object(body, "auths", self.path)
        helper = self._helper(body, server)
        kept = [key for key in auths if key == server or _host(key) == _host(server)]
        if helper and _asked(helper, server) is not None:
            _run(helper, "erase", server)
            kept = kept or [server]
        if not kept:
            return False
        body["auths"] = {key: value for key, value in auths.items() if key not in kept}
        self._write(body)
        return True

    def _helper(self, body: dict[str, Any], server: str) -> str:
        """Return the name of the program that keeps a server's credentials."""
        own = _object(body, "credHelpers", self.path)
        found = own.get(server) or own.get(_host(server)) or body.get("credsStore") or ""
        if not isinstance(found, str) or "/" in found:
            raise ConfigError(f"{self.path} names a credential helper {found!r:.100}")
        return found

    def _read(self) -> dict[str, Any]:
        try:
            with open(self.path, "rb") as file:
                raw = file.read(_LARGEST)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be read: {error.strerror}") from None
        try:
            body = json.loads(raw) if raw.strip() else {}
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{self.path} is not JSON: {error}") from None
        if not isinstance(body, dict):
            raise ConfigError(f"{self.path} is not a JSON object")
        return body

    def _write(self, body: dict[str, Any]) -> None:
        text = json.dumps(body, indent="\t", ensure_ascii=False)
        # A link (as in dotfiles kept elsewhere) stays one.
        path = os.path.realpath(self.path)
        try:
            filesystem.make_private(self._folder)
            filesystem.write_whole(path, text.encode(), durable=True)
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be written: {error.strerror}") from None


def _object(body: dict[str, Any], key: str, path: str) -> dict[str, Any]:
    found = body.get(key) or {}
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: {key} is not an object")
    return found


def _host(key: str) -> str:
    """Return the host of a key, which may be a URL, as older versions of Docker wrote them."""
    return key.partition("://")[2].partition("/")[0] if "://" in key else key.partition("/")[0]


def _parsed(entry: dict[str, Any]) -> Credentials | None:
    words = [entry.get(key) for key in ("username", "password", "identitytoken", "auth")]
    username, password, identity, auth = (w if isinstance(w, str) else "" for w in words)
    if auth:
        try:
            pair = base64.b64decode(auth, validate=True).decode().rstrip("\0")
        except (ValueError, binascii.Error):
            return None
        username, _, password = pair.partition(":")
    if not username and not identity:
        return None
    return Credentials(username, password, identity)


def _asked(helper: str, server: str) -> Credentials | None:
    said = _run(helper, "get", server)
    if said is None:
        return None
    try:
        body = json.loads(said)
        username, secret = body["Username"], body["Secret"]
    except (ValueError, KeyError, TypeError):
        raise ConfigError(
            f"docker-credential-{helper} did not answer as such programs do"
        ) from None
    if username == _IDENTITY:
        return Credentials("", "", secret)
    return Credentials(username, secret)


def _run(helper: str, act: str, words: str) -> str | None:
    """Run a credential helper; None if it has nothing."""
    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run(
            [program, act],
            input=words,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TransportError(
            f"the credential helper {program} cannot be used: {error}",
            hint="install it, or take credsStore and credHelpers out of Docker's config.json",
        ) from None
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        if act == "get" and _NOT_FOUND in said:
            return None
        raise TransportError(f"{program} {act} failed: {said[:200]}")
    return done.stdout


def key_of(host: str) -> str:
    """Return the key that the credentials of a registry's images are kept under."""
    return HUB_KEY if host in ("docker.io", "index.docker.io", "registry-1.docker.io") else host
