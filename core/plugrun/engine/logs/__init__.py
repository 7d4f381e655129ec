"""What a container has written."""
