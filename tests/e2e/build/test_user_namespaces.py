"""Builds by a profile whose containers have user namespaces of their own."""

from __future__ import annotations

import os
from pathlib import Path

from tests.e2e.build.conftest import Workshop
from tests.e2e.conftest import Plugrun


def test_steps_at_once_have_ids_of_their_own(overlay: Plugrun, tmp_path: Path) -> None:
    """And own what RUN --mount gives them."""
    config = tmp_path / "auto.yaml"
    text = Path(overlay.config).read_text().rstrip()
    config.write_text(f"{text}\n    userns: auto:size=1000\n")
    context = tmp_path / "context"
    context.mkdir()
    workshop = Workshop(Plugrun(str(config), overlay.root, overlay.run_root), context)
    secret = workshop.write("../secret", "told\n", 0o600)
    id = os.urandom(4).hex()
    stages = ""
    for own, other in (("one", "two"), ("two", "one")):
        stages += f"""
        FROM BASE AS {own}
        RUN --mount=type=cache,id={id},target=/s --mount=type=secret,id=k \\
            cat /proc/self/uid_map /run/secrets/k >/m && stat -c %u /s /run/secrets/k >>/m \\
            && touch /s/{own}; until [ -e /s/{other} ]; do sleep 0.05; done
        """
    image = workshop.image(
        f"{stages}\nFROM BASE\nCOPY --from=one /m /1\nCOPY --from=two /m /2\n",
        *("--secret", f"id=k,src={secret}"),
    )
    said = [workshop.run(image, "cat", f"/{number}").split() for number in (1, 2)]
    for words in said:
        assert words[0] == "0"
        assert words[2:] == ["1000", "told", "0", "0"]
    first, second = sorted(int(words[1]) for words in said)
    assert second >= first + 1000
