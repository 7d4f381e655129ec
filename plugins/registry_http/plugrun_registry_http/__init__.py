"""Transport: registries by the OCI distribution protocol."""
