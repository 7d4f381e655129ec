"""Content by digest, metadata in SQLite, locks: what survives a command."""
