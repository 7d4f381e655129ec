"""Layers: tar streams and their whiteouts over a tree of files (image-spec layer.md)."""
