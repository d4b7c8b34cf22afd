"""Audio Score Server: how close does a recording come to a reference clip?

The path of a request, folder by folder:

    socket ── web/ ── service.py ── pipeline.py ─┬─ audio/       bytes -> waveform        (CPU pool)
              routes  which model,  one model's  ├─ runners/     -> input features        (CPU pool)
              limits  which clip    path         ├─ batching/    many requests, one batch
              errors                             ├─ runners/     -> features, transcript  (device)
                                                 ├─ references/  the clip's own, cached
                                                 └─ scoring/     -> three numbers         (CPU pool)

``assembly/`` puts the parts together from ``settings/``; ``domain.py`` and ``errors.py`` hold the
words they share. Imports only point from left to right, and a test keeps it so.
"""

__version__ = "0.1.0"
