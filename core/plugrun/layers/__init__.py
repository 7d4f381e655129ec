"""Layers: tar streams with whiteouts, applied beneath a root."""
