"""Storage on a union file system of our own, served through FUSE."""
