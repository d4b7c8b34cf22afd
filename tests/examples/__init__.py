"""The examples run, against a real server."""
