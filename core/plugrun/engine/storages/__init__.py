"""The storages below a root, and what moves between them."""
