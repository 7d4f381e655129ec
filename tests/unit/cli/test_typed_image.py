"""What templates see of an image whose config says little."""

import pytest
from plugrun.cli.document import fill, parse_template

BARE = {"Id": "sha256:x", "RepoTags": [], "Config": {}, "RootFS": {"Type": "layers", "Layers": []}}


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("{{.Config.Cmd}} {{.Config.Env}} {{.Config.Entrypoint}}", "[] [] []"),
        ("{{.Config.Labels}} {{.Config.Volumes}}", "map[] map[]"),
        ("[{{.Config.User}}] {{.Config.Healthcheck}}", "[] <nil>"),
        ("{{json .Config.Cmd}} {{json .Config}}", "null {}"),
    ],
)
def test_what_the_config_leaves_out_is_empty(form, shown):
    assert fill(parse_template(form), BARE) == shown


def test_what_it_has_is_shown():
    image = {**BARE, "Config": {"Cmd": ["sh", "-c"], "Env": None}}
    assert fill(parse_template("{{.Config.Cmd}} {{.Config.Env}}"), image) == "[sh -c] []"
