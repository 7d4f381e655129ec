"""Transport: images in files: Docker's archives, OCI layouts in archives and in folders."""
