"""``plugrun-oci``: the isolation as an OCI runtime that other engines can call."""
