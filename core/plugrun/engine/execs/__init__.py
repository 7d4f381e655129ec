"""One more command in a running container."""
