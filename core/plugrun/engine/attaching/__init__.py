"""Being attached to a container's first process."""
