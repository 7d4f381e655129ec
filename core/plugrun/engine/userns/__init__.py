"""User namespaces: which IDs a container's are outside, and what follows from it."""
