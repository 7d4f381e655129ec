"""Storage in plain directories, copied by the best means of their file system."""
