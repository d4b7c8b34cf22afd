"""Model checkpoints: which files of one are wanted, where they are, and how they get there.

A checkpoint is either a folder, or a name on the model hub. What is fetched from the hub stays in
the hub's own cache (`models--<owner>--<name>/{refs,blobs,snapshots}`), which other tools share.
"""
