"""The nouns: frozen records without I/O that pass between the rooms."""
