"""Restart policies."""
