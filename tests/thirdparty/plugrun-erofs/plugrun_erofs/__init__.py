"""The storage ``erofs`` for plugrun: committed layers are EROFS images."""
