"""``system check``."""
