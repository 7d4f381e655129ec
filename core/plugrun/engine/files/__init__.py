"""A container's files, whether it runs or not."""
