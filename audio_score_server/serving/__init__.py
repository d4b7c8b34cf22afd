"""Uvicorn, its socket, and how the process ends."""
