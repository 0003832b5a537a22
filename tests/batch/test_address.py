"""Where no Ray answers, a run ends before it begins."""

from __future__ import annotations

import os
import re
import socket
import threading
from contextlib import nullcontext

import pytest

from imlgcn.batch import run
from imlgcn.errors import InputError


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "[::1]:1"])
def test_an_address_where_nothing_answers_is_refused_before_there_is_an_output(
    onnx, pictures, monkeypatch, address
):
    monkeypatch.setattr(run, "check_ray", lambda: None)
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(InputError, match=f"no Ray cluster at RAY_ADDRESS={re.escape(address)}: "):
        run.predict_on_ray(onnx, "in", "out")
    assert sorted(os.listdir()) == ["in"]


@pytest.mark.parametrize(
    ("answer", "is_ray"),
    [(b"\0\0\6\4\0\0\0\0\0", True), (b"HTTP/1.0 400 Bad request", False), (b"", False)],
)
def test_an_address_where_something_else_answers_is_refused_before_ray_tries(
    monkeypatch, answer, is_ray
):
    from imlgcn.batch.ray_workers import HELLO, check_address

    heard = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with server.accept()[0] as connection:
                heard.append(connection.recv(99))
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        monkeypatch.setenv("RAY_ADDRESS", f"ray://127.0.0.1:{server.getsockname()[1]}")
        with nullcontext() if is_ray else pytest.raises(InputError, match="there is not Ray"):
            check_address()
        thread.join()
    assert heard == [HELLO]
