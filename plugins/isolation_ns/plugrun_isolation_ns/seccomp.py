"""seccomp filters: temporary."""
from __future__ import annotations
def program(profile, cache): return b""
