"""The small process that watches one container."""
