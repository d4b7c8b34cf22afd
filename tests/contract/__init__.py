"""The same tests for every runner."""
