"""Model checkpoints: which files of one are required, where they are, and how they get there.

A checkpoint is either a folder, or a name on the Hugging Face hub. What is downloaded stays in the
hub's own cache (`models--<owner>--<name>/{refs,blobs,snapshots}`), which other tools share.
"""
