"""Other ways to serve the same runner: each module is a server, in a process of its own.

All read one settings file, as ours does: which model, where the clips are, how many go in a batch
and how long it waits, how many requests may be under way and for how long. Each does as its
documentation teaches, and bounds what it has a setting for.
"""
