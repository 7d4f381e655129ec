"""The DNS server of one state folder, a program of its own; see ``main``."""
