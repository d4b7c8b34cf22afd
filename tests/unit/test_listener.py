from __future__ import annotations

import fcntl
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from audio_score_server.serving.listener import Listener


def test_connections_send_without_delay() -> None:
    with Listener.on_port("127.0.0.1", 0) as listener:
        client = socket.create_connection(listener.socket.getsockname())
        accepted, _ = listener.socket.accept()
        with client, accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_address_names_the_port_taken() -> None:
    with Listener.on_port("127.0.0.1", 0) as listener:
        port = listener.socket.getsockname()[1]
        assert listener.address == f"http://127.0.0.1:{port}"
        with pytest.raises(OSError, match="in use"):
            Listener.on_port("127.0.0.1", port)


def test_an_ipv6_address_stands_in_brackets() -> None:
    try:
        listener = Listener.on_port("::1", 0)
    except OSError:
        pytest.skip("no IPv6 here")
    with listener:
        assert listener.address.startswith("http://[::1]:")


def test_a_path_is_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "worker.sock"
    with Listener.on_path(path) as listener:
        assert path.is_socket()
        assert listener.address == f"unix:{path}"
    assert not path.exists()


def test_a_dead_servers_path_is_taken_over_and_a_living_ones_is_not(tmp_path: Path) -> None:
    path = tmp_path / "worker.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    with Listener.on_path(path):
        with pytest.raises(OSError, match="in use"):
            Listener.on_path(path)
        assert path.is_socket()


def test_a_path_that_another_server_has_taken_over_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "worker.sock"
    with Listener.on_path(path):
        path.rename(tmp_path / "old.sock")
        other = Listener.on_path(path)
    with other:
        assert path.is_socket()


def test_servers_that_start_at_once_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "worker.sock"
    folder = os.open(tmp_path, os.O_RDONLY)
    # As one that has bound its socket and does not listen on it yet: it looks like a dead one's.
    fcntl.flock(folder, fcntl.LOCK_EX)
    with socket.socket(socket.AF_UNIX) as first, ThreadPoolExecutor(1) as pool:
        first.bind(str(path))
        second = pool.submit(Listener.on_path, path)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.1)
        first.listen()
        os.close(folder)
        with pytest.raises(OSError, match="in use"):
            second.result(timeout=10).close()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_many_servers_that_start_at_once_are_one_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "worker.sock"
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        with ThreadPoolExecutor(8) as pool:
            started = [pool.submit(Listener.on_path, path) for _ in range(8)]
        (alive,) = (each.result() for each in started if each.exception() is None)
        with alive, socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            alive.socket.accept()[0].close()
        assert not path.exists()


def test_a_path_whose_number_was_given_to_another_socket_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "worker.sock"
    first = Listener.on_path(path)
    inode = path.stat().st_ino
    # As the server's own loop does at its end, before the listener is closed.
    first.socket.close()
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        # Some filesystems give a number that is free to whoever comes next.
        assert path.stat().st_ino != inode
        first.close()
        assert path.is_socket()


def test_what_cannot_be_listened_on_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chmod(*_: object) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(Path, "chmod", chmod)
    with pytest.raises(PermissionError):
        Listener.on_path(tmp_path / "worker.sock")
    assert list(tmp_path.iterdir()) == []


def test_closing_again_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "worker.sock"
    listener = Listener.on_path(path)
    listener.close()
    with Listener.on_path(path):
        listener.close()
        assert path.is_socket()


def test_a_path_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long"):
        Listener.on_path(tmp_path / ("x" * 200))


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "worker.sock"
    path.write_text("precious")
    with pytest.raises(OSError, match="in use"):
        Listener.on_path(path)
    assert path.read_text() == "precious"
