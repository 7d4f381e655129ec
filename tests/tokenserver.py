"""A token server for a real registry: it signs what it grants, and knows one user.

Source: distribution, docs/spec/auth/jwt.md. Signed by openssl, so that no library is needed.
"""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

ISSUER = "plugrun-tests"
SERVICE = "plugrun-registry"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class TokenServer:
    """Grants ``user`` everything it asks for, and others pulls; ``asked`` are its queries."""

    def __init__(self, folder: str, user: str, password: str) -> None:
        self.key, self.certificate = f"{folder}/token.key", f"{folder}/token.crt"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.key,
             "-out", self.certificate, "-days", "2", "-subj", f"/CN={ISSUER}"],
            check=True, capture_output=True,
        )  # fmt: skip
        self.asked: list[tuple[dict[str, list[str]], str]] = []
        self._known = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.realm = f"http://127.0.0.1:{self._server.server_address[1]}/token"

    @property
    def config(self) -> str:
        """What the registry's configuration has to say."""
        token = {
            "realm": self.realm,
            "service": SERVICE,
            "issuer": ISSUER,
            "rootcertbundle": self.certificate,
        }
        return f"auth: {{token: {json.dumps(token)}}}\n"

    @contextlib.contextmanager
    def running(self) -> Iterator[TokenServer]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def token(self, scopes: list[str], known: bool) -> str:
        """Return a signed token for these scopes."""
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            granted = [a for a in actions.split(",") if known or a == "pull"]
            access.append({"type": kind, "name": name, "actions": granted})
        with open(self.certificate, encoding="ascii") as file:
            lines = file.read().splitlines()
        header = {"typ": "JWT", "alg": "RS256", "x5c": ["".join(lines[1:-1])]}
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": "user",
            "aud": SERVICE,
            "exp": now + 300,
            "nbf": now - 60,
            "iat": now,
            "jti": uuid.uuid4().hex,
            "access": access,
        }
        text = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        signed = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", self.key],
            input=text.encode(),
            capture_output=True,
            check=True,
        )
        return f"{text}.{base64url(signed.stdout)}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        tokens = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                shown = self.headers.get("Authorization", "")
                tokens.asked.append((query, shown))
                if shown not in ("", tokens._known):
                    self.send_response(401)
                    self.end_headers()
                    return
                token = tokens.token(query.get("scope", []), bool(shown))
                body = json.dumps({"token": token, "expires_in": 300}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
