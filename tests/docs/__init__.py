"""The documentation and the code agree."""
