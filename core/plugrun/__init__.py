"""plugrun: a container engine whose storage, isolation, transport and network are plugins."""

__version__ = "0.1.0"
