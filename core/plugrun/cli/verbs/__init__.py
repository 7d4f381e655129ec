"""One command a file: ``main(options, parsed)`` calls the engine, prints, returns the exit code."""
