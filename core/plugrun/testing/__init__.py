"""Contract suites for anybody's backend."""
