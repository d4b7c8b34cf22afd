"""The client: against a real server, and against one that behaves badly."""
