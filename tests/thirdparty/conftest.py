"""The projects' own tests run where the projects are installed, not here."""

collect_ignore_glob = ["plugrun-*"]
