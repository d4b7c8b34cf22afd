from __future__ import annotations

import socket
from pathlib import Path

import pytest

from audio_score_server.listener import Listener


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


def test_a_path_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long"):
        Listener.on_path(tmp_path / ("x" * 200))


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "worker.sock"
    path.write_text("precious")
    with pytest.raises(OSError, match="in use"):
        Listener.on_path(path)
    assert path.read_text() == "precious"
