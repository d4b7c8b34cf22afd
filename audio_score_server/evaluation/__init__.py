"""How well the scores tell right readings from wrong ones, on an operator's own recordings.

**manifest** what the recordings are · **trial** one recording scored against one clip, its own or
(as an impostor) another line's · **label** what a trial is known to be, ``right`` and ``wrong``
above all · **component** one number of an answer · **measure** what somebody else, people or
another program, has said of a recording.
"""
