"""The suites, each on an installed plugin that is named on pytest's command line.

``plugrun plugin check`` runs these files; ``conftest.py`` has what they share.
"""
