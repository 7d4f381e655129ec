"""Networks: what there are, who is on them, and what that takes when a container starts."""
