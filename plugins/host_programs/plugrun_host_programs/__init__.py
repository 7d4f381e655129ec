"""Transport: images made of this machine's own programs."""
