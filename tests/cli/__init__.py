"""The commands that score recordings and change clips, with a server and without."""
