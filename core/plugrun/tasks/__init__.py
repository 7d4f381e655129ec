"""What isolations share of tasks: the folder of each, and what its bundle asks of any runtime."""
