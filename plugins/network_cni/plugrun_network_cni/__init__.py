"""Network: whatever standard CNI plugins make of a conflist."""
