"""``build``: an image from a Dockerfile, each step run and committed through the storage."""
