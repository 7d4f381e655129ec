"""Isolation by namespaces and cgroups."""
