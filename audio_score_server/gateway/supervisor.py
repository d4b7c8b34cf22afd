"""The launcher's life: start everything, keep it running, replace it, end it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from typing import Final

from audio_score_server.errors import AudioScoreError
from audio_score_server.gateway import checks, nginx
from audio_score_server.gateway.children import Program, adopt_orphans
from audio_score_server.gateway.errors import EXIT_FAILED, GatewayError
from audio_score_server.gateway.fleet import Fleet
from audio_score_server.gateway.front import Front
from audio_score_server.gateway.machine import Event, Limits, Paused, Tick
from audio_score_server.gateway.member import Member
from audio_score_server.gateway.overview import Overview
from audio_score_server.gateway.plan import Design, Plan, design
from audio_score_server.gateway.probe import ask
from audio_score_server.gateway.rundir import RunDir
from audio_score_server.settings import Settings
from audio_score_server.telemetry.systemd import Condition, Systemd, report

_LOG = logging.getLogger(__name__)
EXIT_OK: Final = 0
EXIT_NOBODY: Final = 3
"""All workers are given up: starting again will not help."""
_TICK_S: Final = 0.25
_PAUSE_S: Final = 1.0
"""A tick that comes so much later tells that the launcher itself stood still."""
_NGINX_SLACK_S: Final = 2.0
_NGINX_START_S: Final = 30.0
_NO_CONTENT: Final = 204
_LAST_CALL_S: Final = 0.05
_GONE_LOOK_S: Final = 0.01


def launch(plan: Plan, settings: Settings) -> int:
    """Serve until a signal says stop.

    Args:
        plan: what was asked for.
        settings: the workers', as read for the first time.

    Returns:
        The launcher's exit code.
    """
    try:
        rundir = RunDir(plan.gate.run_dir, plan.gate.log_dir)
        try:
            return asyncio.run(_run(plan, settings, rundir))
        finally:
            rundir.clear()
            rundir.release()
    except AudioScoreError as error:
        _LOG.critical("%s", error)
        return error.exit_code if isinstance(error, GatewayError) else EXIT_FAILED


async def _run(plan: Plan, settings: Settings, rundir: RunDir) -> int:
    """Look at everything first, so that nothing is started in vain."""
    gate = plan.gate
    program = checks.find_nginx(gate.nginx, plan.environment)
    with checks.bound(gate.listen_host, gate.listen_port) as listening:
        if gate.tls_certificate is not None and gate.tls_key is not None:
            checks.link_certificate(rundir, gate.tls_certificate, gate.tls_key)
        first = design(plan, settings, rundir, program, checks.place_of(listening))
        checks.check_configuration(program, rundir, first.config)
        return await Supervisor(plan, first, rundir, program, listening).run()


class Supervisor:
    """One run of the gateway."""

    def __init__(
        self,
        plan: Plan,
        first: Design,
        rundir: RunDir,
        program: checks.NginxProgram,
        listening: socket.socket,
    ) -> None:
        """Make one of parts that have been looked at."""
        self._plan, self._design = plan, first
        self._rundir, self._program, self._listening = rundir, program, listening
        scheme = "https" if plan.gate.tls_key else "http"
        self._address = f"{scheme}://{checks.place_of(listening)}"
        self._changed = asyncio.Event()
        self._fleet = Fleet(rundir, first.crew, self._on_change)
        self._overview = Overview(rundir, self._fleet, self._address)
        self._ready = self._hurried = self._asked_to_reread = False
        self._rolling: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """Start, serve, end.

        Returns:
            Exit code: 0 after a signal, 1 when something had to be killed.

        Raises:
            GatewayError: it cannot start or go on.
        """
        adopt_orphans()
        self._hear_signals()
        socket_path = self._rundir.path / nginx.FRONT_SOCKET
        front = Front(socket_path, self._overview, lambda key: self._design.admits(key))
        answering = asyncio.create_task(front.serve(), name="front")
        self._ticking = asyncio.create_task(self._tick(), name="ticks")
        self._ticking.add_done_callback(lambda _: self._changed.set())
        systemd = Systemd.found(self._plan.environment, os.getpid())
        telling = systemd and asyncio.create_task(report(systemd, self._condition), name="systemd")
        try:
            await self._start()
            await self._serve()
        finally:
            code = await self._end()
            self._ticking.cancel()
            if telling:
                telling.cancel()
            front.stop()
            await answering
        return code

    # The start

    async def _start(self) -> None:
        _LOG.info("Starting %d workers.", len(self._fleet.workers))
        await self._until(lambda: self._fleet.settled)
        if self._overview.stopping:
            return
        self._check()
        checks.listen(self._listening)
        member = self._overview.nginx = self._nginx_member()
        await self._until(lambda: member.machine.state == "ready" or member.over.is_set())
        self._check()
        if not self._overview.stopping:
            took_s = time.time() - self._overview.started
            serving, wanted = len(self._fleet.serving()), len(self._fleet.workers)
            _LOG.info("Ready after %.1f s: %d of %d workers.", took_s, serving, wanted)
            _LOG.info("Listening on %s.", self._address)
            self._ready = True

    def _nginx_member(self) -> Member:
        limits = Limits(
            startup_s=_NGINX_START_S,
            silence_s=self._plan.gate.health_timeout,
            stop_s=self._plan.gate.grace + _NGINX_SLACK_S,
            hopeless=frozenset(),
        )
        form = self._design.crew.form
        return Member(
            self._nginx_program, self._is_nginx_well, limits, form, lambda _: self._on_change()
        )

    def _nginx_program(self) -> Program:
        # Nginx leaves its own behind when it is killed, and will not start where one is.
        (self._rundir.path / nginx.ALIVE_SOCKET).unlink(missing_ok=True)
        descriptor = self._listening.fileno()
        return Program(
            name="nginx",
            command=checks.nginx_command(self._program, self._rundir),
            # With this variable Nginx is told, as by its own predecessor when it is upgraded,
            # which listening sockets it inherits.
            environment={**self._plan.environment, "NGINX": f"{descriptor};"},
            folder=self._rundir.path,
            descriptors=(descriptor,),
            # On this signal its own workers end with it; by SIGKILL they would be orphaned.
            on_death=signal.SIGTERM,
            stop=signal.SIGQUIT,
        )

    async def _is_nginx_well(self, limit_s: float) -> bool | None:
        answer = await ask(self._rundir.path / nginx.ALIVE_SOCKET, "/", limit_s)
        return None if answer is None else answer.status == _NO_CONTENT

    # Serving

    async def _serve(self) -> None:
        while not self._overview.stopping:
            await self._until(lambda: self._fleet.lost or self._nginx_lost or self._rereads)
            if self._overview.stopping:
                return
            self._check()
            self._asked_to_reread = False
            self._rolling = asyncio.create_task(self._reread(), name="rolling")
            self._rolling.add_done_callback(lambda _: self._changed.set())

    @property
    def _rereads(self) -> bool:
        """Whether to read the settings anew: asked to, and done with the last time."""
        return self._asked_to_reread and (self._rolling is None or self._rolling.done())

    @property
    def _nginx_lost(self) -> bool:
        member = self._overview.nginx
        return member is not None and member.machine.state == "given up"

    def _check(self) -> None:
        """Raise what keeps it from going on."""
        if self._fleet.lost:
            raise GatewayError(_told_of(self._fleet), EXIT_NOBODY)
        if self._nginx_lost:
            log = self._rundir.logs / nginx.ERROR_LOG
            raise GatewayError(f"Nginx ends again and again. {log} says why.")

    async def _reread(self) -> None:
        """Read the settings, and replace everything that they concern."""
        try:
            new = design(
                self._plan,
                self._plan.read(),
                self._rundir,
                self._program,
                checks.place_of(self._listening),
            )
            checks.check_configuration(self._program, self._rundir, new.config)
        except AudioScoreError as error:
            _LOG.error("Everything stays as it was, the new settings are wrong: %s", error)
            return
        except OSError as error:
            _LOG.error("Everything stays as it was, nothing can be written: %s.", error.strerror)
            return
        _LOG.info("Replacing the workers one at a time.")
        if not await self._fleet.roll(new.crew):
            return
        old, self._design = self._design, new
        # Also for a certificate that has been renewed.
        if self._overview.nginx and (new.config != old.config or self._plan.gate.tls_key):
            self._overview.nginx.send(signal.SIGHUP)
        _LOG.info("All workers have been replaced.")

    # The end

    async def _end(self) -> int:
        """Nginx first, which lets requests in flight finish; then the workers, idle by then."""
        self._overview.stopping = True
        self._on_change()
        if self._rolling is not None:
            self._rolling.cancel()
        if self._overview.nginx is not None:
            await self._close(self._overview.nginx)
        self._fleet.stop()
        while not all(member.gone for member in self._overview.members()):
            self._apply(Tick())
            await asyncio.sleep(_GONE_LOOK_S)
        late = any(member.machine.killed for member in self._overview.members())
        _LOG.info("Stopped.")
        return EXIT_FAILED if self._hurried or late else EXIT_OK

    async def _close(self, member: Member) -> None:
        # Who waits to be let in is let in before the door is closed.
        self._listening.listen(0)
        await asyncio.sleep(_LAST_CALL_S)
        member.stop()
        self._listening.close()
        await member.over.wait()
        member.kill()

    def _hear_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._ask_to_reread)

    def _stop(self) -> None:
        if not self._overview.stopping:
            _LOG.info("Told to stop; requests under way have %g s.", self._plan.gate.grace)
            self._overview.stopping = True
            self._changed.set()
            return
        _LOG.critical("Told to stop once more; ending everything at once.")
        self._hurried = True
        for member in self._overview.members():
            member.stop()
            member.kill()

    def _ask_to_reread(self) -> None:
        self._asked_to_reread = True
        self._changed.set()

    def _condition(self) -> Condition:
        """For systemd, which watches the launcher; the launcher watches the rest."""
        return Condition(self._ready, f"{self._address}: {self._overview.state}.", True)

    # Time and change

    def _on_change(self) -> None:
        self._overview.files.update()
        self._changed.set()

    def _apply(self, event: Event) -> None:
        for member in self._overview.members():
            member.apply(event)

    async def _tick(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(_TICK_S)
            now = time.monotonic()
            late_s, last = now - last - _TICK_S, now
            if late_s > _PAUSE_S:
                self._apply(Paused(late_s))
            self._apply(Tick())
            self._overview.files.catch_up()
            self._fleet.links.catch_up()

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait for it, or for being told to stop."""
        while not self._overview.stopping and not condition():
            if self._ticking.done():
                self._ticking.result()
            self._changed.clear()
            await self._changed.wait()


def _told_of(fleet: Fleet) -> str:
    members = [worker.member for worker in fleet.workers]
    reasons = "; ".join(f"{member.name} {member.machine.reason}" for member in members)
    remedy = "The lines above say why."
    if any(member.machine.fate == "give up" for member in members):
        remedy += " If time is all that they lack, allow more with --startup-timeout."
    return f"No worker is left: {reasons}. {remedy}"
