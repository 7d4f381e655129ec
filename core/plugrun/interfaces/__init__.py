"""The four interfaces a backend may implement, each with its contract above it."""
