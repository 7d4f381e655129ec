"""Thin bindings to Linux system calls; failures are OSError with the call's own errno."""
