"""Dockerfiles, contexts and ``.dockerignore`` as data: read, checked and planned, not executed."""
