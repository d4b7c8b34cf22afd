"""A lock that short work shares with long work."""

from __future__ import annotations

import threading
import time

from audio_score_server.runners.priority_lock import PriorityLock


def test_long_work_is_interrupted_when_short_work_waits() -> None:
    lock = PriorityLock()
    order: list[str] = []
    begun = threading.Event()

    def long_work() -> None:
        with lock.turn() as interrupted:
            begun.set()
            while not interrupted():
                time.sleep(0.001)
            order.append("long")

    thread = threading.Thread(target=long_work)
    thread.start()
    begun.wait()
    with lock:
        order.append("short")
    thread.join()
    assert order == ["long", "short"]


def test_nobody_is_interrupted_while_nobody_waits() -> None:
    lock = PriorityLock()
    with lock.turn() as interrupted:
        time.sleep(0.06)
        assert not interrupted()


class _Device:
    """Counts who is at it."""

    def __init__(self) -> None:
        self.most = self._inside = 0
        self.uses: dict[str, int] = {"short": 0, "long": 0}

    def use(self, kind: str) -> None:
        self._inside += 1
        self.most = max(self.most, self._inside)
        time.sleep(0.001)
        self._inside -= 1
        self.uses[kind] += 1


def test_only_one_has_it_and_both_get_on() -> None:
    lock, device, stop = PriorityLock(), _Device(), threading.Event()

    def short_work() -> None:
        while not stop.is_set():
            with lock:
                device.use("short")

    def long_work() -> None:
        while not stop.is_set():
            with lock.turn():
                device.use("long")

    threads = [threading.Thread(target=work) for work in (short_work, short_work, long_work)]
    for thread in threads:
        thread.start()
    while min(device.uses.values()) < 5:
        time.sleep(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert device.most == 1


def test_stages_of_long_work_go_on_at_once() -> None:
    lock = PriorityLock()
    with lock.turn(), lock.turn():
        assert lock.turns == 2
    assert lock.turns == 0


def test_turns_that_overlap_do_not_keep_short_work_out() -> None:
    lock, stop, served = PriorityLock(), threading.Event(), threading.Event()

    def stage() -> None:
        while not stop.is_set():
            with lock.turn() as interrupted:
                while not (stop.is_set() or interrupted()):
                    time.sleep(0.001)

    def short_work() -> None:
        with lock:
            served.set()

    stages = [threading.Thread(target=stage) for _ in range(2)]
    for thread in stages:
        thread.start()
    short = threading.Thread(target=short_work)
    short.start()
    assert served.wait(10)
    stop.set()
    for thread in (*stages, short):
        thread.join()
