"""Isolation by an OCI runtime that is installed: runc, crun, runsc."""
