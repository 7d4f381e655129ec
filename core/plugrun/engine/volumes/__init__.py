"""What is mounted in a container: volumes, folders of this machine, tmpfs."""
