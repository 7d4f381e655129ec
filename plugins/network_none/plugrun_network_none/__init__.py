"""Network: loopback only."""
