"""Clients that take their time cost nobody else anything."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress

import pytest

from .conftest import picture

HEAD = b"POST /v1/tags HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 9999\r\n\r\n"
HALF = b"POST /v1/tags HTTP/1.1\r\nhost: 127.0."


FEW_FILES = """
import resource, socket
from imlgcn.serve import ServeSettings
from imlgcn.serve.run import make_server

async def application(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})

resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160))
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
make_server(application, ServeSettings()).run(sockets=[listening])
"""


def connect(port: int, *parts: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    for part in parts:
        connection.sendall(part)
    return connection


def answer_of(connection: socket.socket) -> tuple[int, dict]:
    """Read what the server says until it closes the connection."""
    with connection:
        response = http.client.HTTPResponse(connection)
        response.begin()
        content = json.loads(response.read())
        with suppress(ConnectionResetError):
            assert connection.recv(100) == b""
    return response.status, content["error"]


def tag(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/v1/tags", picture())
    status = connection.getresponse().status
    connection.close()
    return status


def test_slow_bodies_take_no_room_in_the_queue(listening):
    port = listening(queue=2)
    slow = [connect(port, HEAD, b"\xff\xd8") for _ in range(8)]
    assert [tag(port) for _ in range(3)] == [200] * 3
    for connection in slow:
        connection.close()


def test_a_body_that_arrives_too_slowly_is_ended_and_a_steady_one_is_not(listening):
    port = listening(body_seconds=0.5, body_rate=400)
    slow = connect(port, HEAD, b"\xff")
    time.sleep(0.3)
    slow.sendall(b"\xd8")
    status, error = answer_of(slow)
    assert (status, error["code"]) == (408, "too_slow")
    image = picture((10, 10))
    head = HEAD.replace(b"9999", str(len(image)).encode()).replace(b"\r\n\r\n", b"\r\nx: y\r\n\r\n")
    steady = connect(port, head)
    for start in range(0, len(image), 100):  # longer than 0.5 seconds, but not behind the rate
        time.sleep(0.15)
        steady.sendall(image[start : start + 100])
    response = http.client.HTTPResponse(steady)
    response.begin()
    assert response.status == 200
    steady.close()


@pytest.mark.parametrize("sent", [b"", HALF])
def test_a_head_that_does_not_arrive_is_ended_however_it_is_dripped(listening, sent):
    connection = connect(listening(header_seconds=0.6), sent)
    started = time.monotonic()
    for _ in range(3):
        time.sleep(0.15)
        if sent:
            connection.sendall(b"0")
    status, error = answer_of(connection)
    assert (status, error["code"]) == (408, "too_slow")
    assert time.monotonic() - started < 3


def test_the_rest_of_a_body_that_nobody_reads_is_not_awaited_for_ever(listening):
    port = listening(header_seconds=0.4)
    connection = connect(port, HEAD.replace(b"/v1/tags", b"/nothing"))
    started = time.monotonic()
    with suppress(ConnectionError):
        while time.monotonic() < started + 5:
            time.sleep(0.1)
            connection.sendall(b"x")
    assert time.monotonic() - started < 4
    connection.close()


def test_a_request_is_answered_while_many_connections_wait_for_nothing(listening):
    port = listening(max_connections=10)
    half = [connect(port, HALF) for _ in range(10)]
    time.sleep(1.1)  # after that, their places may be taken
    assert [tag(port) for _ in range(3)] == [200] * 3
    for connection in half:
        connection.close()


def test_beyond_the_limit_a_connection_is_told_to_come_again(listening, quick):
    quick.engine.gate = gate = threading.Event()
    gate.set()
    port = listening(max_connections=3)
    gate.clear()
    image = picture()
    head = HEAD.replace(b"9999", str(len(image)).encode())
    busy = [connect(port, head, image) for _ in range(3)]
    time.sleep(0.2)
    status, error = answer_of(connect(port))
    assert (status, error["code"]) == (503, "busy")
    gate.set()
    for connection in busy:
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.status == 200
        connection.close()
    time.sleep(0.6)
    assert tag(port) == 200


@pytest.mark.thorough
def test_more_connections_at_once_than_it_may_open_files_do_not_make_a_server_deaf():
    program = [sys.executable, "-c", FEW_FILES]
    with subprocess.Popen(program, text=True, stdout=-1, stderr=-1) as server, ExitStack() as stack:
        stack.callback(server.kill)
        port = int(server.stdout.readline())

        def ask():
            with socket.create_connection(("127.0.0.1", port), 2) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
                return connection.recv(12)

        while ask() != b"HTTP/1.1 200":  # it has started
            pass
        server.send_signal(signal.SIGSTOP)
        for _ in range(400):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 2))
        server.send_signal(signal.SIGCONT)
        time.sleep(0.8)  # those that are refused stay half a second
        assert ask() in (b"HTTP/1.1 503", b"HTTP/1.1 200")
        server.kill()
        assert "Too many open files" not in server.stderr.read()


def test_what_is_no_request_is_answered_in_the_shape_of_every_error(listening):
    status, error = answer_of(connect(listening(), b"\x16\x03\x01 no http\r\n\r\n"))
    assert (status, error["code"]) == (400, "bad_request")
    assert len(error["request_id"]) == 24
