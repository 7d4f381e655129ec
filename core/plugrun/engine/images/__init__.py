"""An image's ways in and out of the store, and what the store knows of it."""
