"""Several servers behind Nginx, started, watched and replaced by one launcher.

    settings.py     flags and ``AUDIO_SCORE_GATE_*`` variables
    supervisor.py   the launcher's life: start, signals, end
      upkeep.py     files that are kept up to date, and what follows where they cannot be
      checks.py     what is looked at before anything is started
      rundir.py     sockets and files of a run, and what a crashed launcher left of its own
      fleet.py      the workers: which of them serve, and how one takes another's place
      member.py     one process under supervision
        machine.py  when it is started, stopped, replaced, given up
        children.py processes that die with the launcher
          mortal.py how they come to: what they are until they become what they shall be
        probe.py    whether it answers
      nginx.py      Nginx' configuration
      front.py      health and metrics of the whole
      status.py     what ``audio-score status`` shows

No module here imports a model or PyTorch: the launcher starts at once and takes little memory.
"""
