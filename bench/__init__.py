"""Measurements: how fast, how large, and how far from what the machine allows.

    python -m bench.startup     from the command line to a ready server
    python -m bench.library     large libraries: start, scans, a new clip
    python -m bench.lines       which line was it, among ten thousand
    python -m bench.clips_check how often clips' faults are found, and seen where there are none
    python -m bench.decode      decoding by format, against pydub
    python -m bench.scoring     alignment and scoring of a pair, against librosa's and numpy's
    python -m bench.evaluation  an evaluation's trials together, against one by one
    python -m bench.serving     servers that batch, against others, and the floor
    python -m bench.gateway     workers behind the gateway, against one server
    python -m bench.soak        minutes of overload, and what it leaves
    python -m bench.fuzz        damaged uploads, which must neither fail nor swell the server
    python -m bench.runners     Whisper and Higgs-Audio against others, and the floor
    python -m bench.transcribe  minutes of speech to words, against faster-whisper

Each prints small tables on standard output and its progress on standard error, and tells its
options with ``--help``. Servers are real processes on free ports of the loopback address, with
caches in a temporary folder; nothing of the checkout is touched. Run one at a time on an otherwise
idle machine.
"""
