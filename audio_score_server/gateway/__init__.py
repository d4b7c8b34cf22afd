"""Several servers behind Nginx, started, watched and replaced by one supervisor.

    settings.py       flags and ``AUDIO_SCORE_GATE_*`` variables
    resolve.py        what they come to, with the workers' own settings
    supervisor.py     start, signals, reload, shutdown
      preflight.py    what is checked before anything is started
      run_dir.py      the run directory, locked by one supervisor
        files.py      writing files whole, and serving on where they cannot be written
        orphans.py    processes that a crashed supervisor has left
      nginx.py        Nginx: found, checked, how it is started
        nginx_config.py its configuration, from ``nginx.conf.j2``
      processes.py    the workers and Nginx together
        worker_pool.py which workers serve, and how they are replaced
          worker.py   how a worker is started
          gpus.py     which GPU it gets
        supervised.py one process under supervision
          process_state.py when it is started, stopped and restarted
          child.py    child processes and their output
            pdeathsig.py how they come to die with the supervisor
          probe.py    health checks
      admin.py        health and metrics of the whole
        metrics.py    the workers' metrics merged
      status.py       what ``audio-score status`` shows

No module here imports a model or PyTorch: the supervisor starts at once and takes little memory.
"""
