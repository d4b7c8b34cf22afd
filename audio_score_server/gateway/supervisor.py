"""The supervisor's lifecycle: start everything, keep it running, replace it, stop it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from audio_score_server.errors import AudioScoreError
from audio_score_server.gateway import nginx_config, preflight
from audio_score_server.gateway.admin import AdminServer
from audio_score_server.gateway.child import become_subreaper
from audio_score_server.gateway.errors import EXIT_FAILED, GatewayError
from audio_score_server.gateway.nginx import NginxBinary, find_nginx, install_config, nginx_spec
from audio_score_server.gateway.probe import is_ok
from audio_score_server.gateway.process_state import RestartPolicy, State, SupervisorPaused, Tick
from audio_score_server.gateway.processes import GatewayProcesses
from audio_score_server.gateway.resolve import LaunchOptions, ResolvedConfig, resolve
from audio_score_server.gateway.run_dir import RunDir
from audio_score_server.gateway.supervised import SupervisedProcess
from audio_score_server.gateway.worker_pool import WorkerPool
from audio_score_server.settings import Settings
from audio_score_server.telemetry.systemd import Condition, Systemd, report

_LOG = logging.getLogger(__name__)
EXIT_OK: Final = 0
EXIT_NO_WORKER: Final = 3
"""All workers are fatal: starting again will not help."""
_TICK_S: Final = 0.25
_PAUSE_S: Final = 1.0
"""A tick that comes so much later tells that the supervisor itself stood still."""
_NGINX_STOP_SLACK_S: Final = 2.0
NGINX_STARTUP_TIMEOUT_S: Final = 30.0
_ACCEPT_S: Final = 0.05
_EXIT_POLL_S: Final = 0.01


def launch(options: LaunchOptions, settings: Settings) -> int:
    """Serve until a signal to stop.

    Args:
        options: of the supervisor.
        settings: the workers', as read for the first time.

    Returns:
        The supervisor's exit code.
    """
    try:
        run_dir = RunDir(options.gateway.run_dir, options.gateway.log_dir)
        try:
            return asyncio.run(_run(options, settings, run_dir))
        finally:
            run_dir.clear()
            run_dir.release()
    except AudioScoreError as error:
        _LOG.critical("%s", error)
        return error.exit_code if isinstance(error, GatewayError) else EXIT_FAILED


async def _run(options: LaunchOptions, settings: Settings, run_dir: RunDir) -> int:
    """Check everything first, so that nothing is started in vain."""
    gateway = options.gateway
    nginx = find_nginx(gateway.nginx, options.environment)
    with preflight.bind(gateway.listen_host, gateway.listen_port) as listener:
        if gateway.tls_certificate is not None and gateway.tls_key is not None:
            preflight.link_certificate(run_dir, gateway.tls_certificate, gateway.tls_key)
        config = resolve(options, settings, run_dir, nginx, preflight.address_of(listener))
        install_config(nginx, run_dir, config.nginx)
        return await Supervisor(options, config, run_dir, nginx, listener).run()


class Supervisor:
    """One run of the gateway."""

    def __init__(
        self,
        options: LaunchOptions,
        config: ResolvedConfig,
        run_dir: RunDir,
        nginx: NginxBinary,
        listener: socket.socket,
    ) -> None:
        """Make one of parts that have been checked."""
        self._options, self._config = options, config
        self._run_dir, self._nginx, self._listener = run_dir, nginx, listener
        scheme = "https" if options.gateway.tls_key else "http"
        self._url = f"{scheme}://{preflight.address_of(listener)}"
        self._changed = asyncio.Event()
        self._pool = WorkerPool(run_dir, config.worker, self._on_change)
        self._processes = GatewayProcesses(run_dir, self._pool, self._url)
        self._is_ready = self._was_hurried = self._reload_requested = False
        self._reloading: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """Start, serve, stop.

        Returns:
            Exit code: 0 after a signal, 1 when something had to be killed.

        Raises:
            GatewayError: it cannot start or go on.
        """
        become_subreaper()
        self._handle_signals()
        async with self._background():
            try:
                await self._start()
                await self._serve()
            finally:
                code = await self._shut_down()
        return code

    @asynccontextmanager
    async def _background(self) -> AsyncIterator[None]:
        """Health and metrics are answered, time passes, and systemd is notified."""
        socket_path = self._run_dir.path / nginx_config.ADMIN_SOCKET
        admin = AdminServer(socket_path, self._processes, lambda key: self._config.authorize(key))
        answering = asyncio.create_task(admin.serve(), name="admin")
        self._ticking = asyncio.create_task(self._tick(), name="ticks")
        self._ticking.add_done_callback(lambda _: self._changed.set())
        systemd = Systemd.found(self._options.environment, os.getpid())
        notifying = systemd and asyncio.create_task(report(systemd, self._condition), name="notify")
        try:
            yield
        finally:
            self._ticking.cancel()
            if notifying:
                notifying.cancel()
            admin.stop()
            await answering

    async def _start(self) -> None:
        _LOG.info("Starting %d workers.", len(self._pool.workers))
        await self._until(lambda: self._pool.has_started)
        if self._processes.stopping:
            return
        preflight.listen(self._listener)
        nginx = self._processes.nginx = self._supervised_nginx()
        await self._until(lambda: nginx.state == State.READY)
        if not self._processes.stopping:
            elapsed_s = time.time() - self._processes.started_at
            serving, workers = len(self._pool.serving()), len(self._pool.workers)
            _LOG.info("Ready after %.1f s: %d of %d workers.", elapsed_s, serving, workers)
            _LOG.info("Listening on %s.", self._url)
            self._is_ready = True

    def _supervised_nginx(self) -> SupervisedProcess:
        policy = RestartPolicy(
            startup_timeout_s=NGINX_STARTUP_TIMEOUT_S,
            health_timeout_s=self._options.gateway.health_timeout,
            stop_timeout_s=self._options.gateway.shutdown_timeout + _NGINX_STOP_SLACK_S,
            non_retryable=frozenset(),
        )
        socket_path = self._run_dir.path / nginx_config.NGINX_SOCKET
        descriptor, environment = self._listener.fileno(), self._options.environment
        return SupervisedProcess(
            lambda: nginx_spec(self._nginx, self._run_dir, descriptor, environment),
            lambda timeout_s: is_ok(socket_path, "/", timeout_s),
            policy,
            self._config.worker.log_format,
            self._on_change,
        )

    async def _serve(self) -> None:
        while not self._processes.stopping:
            await self._until(lambda: self._reload_requested and not self._is_reloading)
            if self._processes.stopping:
                return
            self._reload_requested = False
            self._reloading = asyncio.create_task(self._reload(), name="reload")
            self._reloading.add_done_callback(lambda _: self._changed.set())

    @property
    def _is_reloading(self) -> bool:
        return self._reloading is not None and not self._reloading.done()

    async def _reload(self) -> None:
        """Read the settings anew, and replace everything that they concern."""
        options, run_dir, address = (
            self._options,
            self._run_dir,
            preflight.address_of(self._listener),
        )
        try:
            new = resolve(options, options.load_settings(), run_dir, self._nginx, address)
            install_config(self._nginx, run_dir, new.nginx)
        except AudioScoreError as error:
            _LOG.error("Everything stays as it was, the new settings are wrong: %s", error)
            return
        except OSError as error:
            _LOG.error("Everything stays as it was, nothing can be written: %s.", error.strerror)
            return
        _LOG.info("Replacing the workers one at a time.")
        if not await self._pool.replace(new.worker):
            return
        old, self._config = self._config, new
        # Also for a certificate that has been renewed.
        if self._processes.nginx and (new.nginx != old.nginx or options.gateway.tls_key):
            self._processes.nginx.send_signal(signal.SIGHUP)
        _LOG.info("All workers have been replaced.")

    async def _shut_down(self) -> int:
        """Stop Nginx first, which finishes requests in flight; then the workers, idle by then."""
        self._processes.stopping = True
        self._on_change()
        if self._reloading is not None:
            self._reloading.cancel()
        if self._processes.nginx is not None:
            await self._drain(self._processes.nginx)
        self._pool.stop()
        while not all(process.is_gone for process in self._processes.all()):
            self._processes.apply(Tick())
            await asyncio.sleep(_EXIT_POLL_S)
        killed = any(each.process.killed for each in self._processes.all())
        _LOG.info("Stopped.")
        return EXIT_FAILED if self._was_hurried or killed else EXIT_OK

    async def _drain(self, nginx: SupervisedProcess) -> None:
        # Clients that wait to be accepted are, before the port is closed.
        self._listener.listen(0)
        await asyncio.sleep(_ACCEPT_S)
        nginx.stop()
        self._listener.close()
        await nginx.finished.wait()
        nginx.kill()

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop_signal)
        loop.add_signal_handler(signal.SIGHUP, self._on_reload_signal)

    def _on_stop_signal(self) -> None:
        if not self._processes.stopping:
            timeout_s = self._options.gateway.shutdown_timeout
            _LOG.info("Stopping; requests in flight have %g s.", timeout_s)
            self._processes.stopping = True
            self._changed.set()
            return
        _LOG.critical("Second signal to stop; ending everything at once.")
        self._was_hurried = True
        for process in self._processes.all():
            process.stop()
            process.kill()

    def _on_reload_signal(self) -> None:
        self._reload_requested = True
        self._changed.set()

    def _condition(self) -> Condition:
        """For systemd, which watches the supervisor; the supervisor watches the rest."""
        return Condition(self._is_ready, f"{self._url}: {self._processes.status().state}.", True)

    def _on_change(self) -> None:
        self._processes.files.update()
        self._changed.set()

    async def _tick(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(_TICK_S)
            now = time.monotonic()
            late_s, last = now - last - _TICK_S, now
            if late_s > _PAUSE_S:
                self._processes.apply(SupervisorPaused(late_s))
            self._processes.apply(Tick())
            self._processes.files.retry()
            self._pool.links.retry()

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait for it, or for a signal to stop.

        Raises:
            GatewayError: it cannot go on.
        """
        while not self._processes.stopping:
            if self._pool.is_fatal:
                raise GatewayError(self._pool.describe_failure(), EXIT_NO_WORKER)
            if self._processes.nginx and self._processes.nginx.state == State.FATAL:
                log = self._run_dir.logs / nginx_config.ERROR_LOG
                raise GatewayError(f"Nginx exits again and again. {log} says why.")
            if condition():
                return
            if self._ticking.done():
                self._ticking.result()
            self._changed.clear()
            await self._changed.wait()
