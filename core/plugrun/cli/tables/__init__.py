"""The tables of all commands that are not hot, a file for each family."""
