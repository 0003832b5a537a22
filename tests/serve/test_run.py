"""The server as a process: how it starts, and that it stops without losing an image."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from imlgcn.serve.run import _listen
from imlgcn.serve.settings import ServeSettings

from .conftest import picture, port_of, start


@pytest.fixture
def process(script):
    started = start(script)
    yield started
    started.kill()
    started.wait()
    started.stderr.close()
    started.stdout.close()


def post(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/v1/tags", picture())
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def leave(port: int) -> None:
    """Send half of an image and go away."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        head = "POST /v1/tags HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9999\r\n\r\n"
        connection.sendall(head.encode() + picture()[:100])
        time.sleep(0.1)


def test_no_part_of_an_answer_waits_for_another_to_be_confirmed():
    """Nagle's algorithm would hold the body of an answer for 40 ms."""
    with (
        _listen(ServeSettings(port=0)) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.thorough)]
)
def test_a_signal_ends_it_when_everything_accepted_is_answered(process, number):
    port = port_of(process)
    leave(port)
    assert post(port) == 200
    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(post, port) for _ in range(6)]
        while not any(future.done() for future in waiting):
            time.sleep(0.01)
        process.send_signal(number)
        assert [future.result() for future in waiting] == [200] * 6
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "stopped; every accepted image was answered" in err
    assert "Traceback" not in err


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no such signal")
def test_a_hangup_takes_the_tagger_over_and_loses_no_image(process, own_tagger):
    port = port_of(process)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(post, port) for _ in range(4)]
        while not any(future.done() for future in waiting):
            time.sleep(0.01)
        process.send_signal(signal.SIGHUP)
        assert process.stderr.readline().endswith("reloaded: 5 labels\n")
        assert [future.result() for future in waiting] == [200] * 4
    (own_tagger / "model.json").write_text("{}", encoding="utf-8")
    process.send_signal(signal.SIGHUP)
    line = process.stderr.readline()
    assert "the one before it stays in service" in line
    assert "model.json" in line
    assert post(port) == 200
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err


@pytest.mark.thorough
def test_a_terminal_that_is_closed_ends_it(script):
    pty = pytest.importorskip("pty", reason="this system has no such terminals")
    import fcntl
    import termios

    ours, its = pty.openpty()
    started = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=its,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(its)
    try:
        assert post(port_of(started)) == 200
        os.close(ours)
        _, err = started.communicate(timeout=30)
        assert started.returncode == 0, err
        assert "every accepted image was answered" in err
    finally:
        started.kill()


EARLY = """
import signal, sys
sys.path.insert(0, {tests!r})
import imlgcn.serve.run, imlgcn.serve.service, imlgcn.tagger
from imlgcn import cli
from serve.conftest import MeanColour

def ask(*_, **__):
    signal.raise_signal({number})

load = imlgcn.tagger.Tagger.load
def quickly(path, **_):
    tagger = load(path)
    tagger.engine = MeanColour(num_labels=len(tagger.labels))
    return tagger
imlgcn.tagger.Tagger.load = quickly
stop = imlgcn.serve.run._stop_by_signals
def after_setting(server):
    asked = stop(server)
    ask()
    return asked
places = {{
    "loading": (imlgcn.tagger.Tagger, "load", ask),
    "between": (imlgcn.serve.run, "_stop_by_signals", after_setting),
    "opening": (imlgcn.serve.service.Service, "open", ask),
}}
setattr(*places[{place!r}])
sys.argv = ["imlgcn", "serve", {path!r}, "--port", "0", "--engine", "torch"]
cli.main()
"""


@pytest.mark.parametrize(
    ("place", "number"),
    [
        ("loading", signal.SIGTERM),
        ("between", signal.SIGTERM),
        pytest.param("opening", signal.SIGINT, marks=pytest.mark.thorough),
    ],
)
@pytest.mark.thorough
def test_a_signal_before_it_listens_ends_it_with_the_code_of_the_signal(
    tagger, request, place, number
):
    tests = str(request.path.parents[1])
    script = EARLY.format(tests=tests, place=place, number=int(number), path=str(tagger.path))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 128 + number, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("imlgcn: stopped; ")
    assert "every accepted image" not in done.stderr


def test_a_port_that_is_in_use_is_one_sentence(cli, tagger):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        outcome = cli("serve", tagger.path, "--port", port, "--engine", "torch")
    outcome.assert_refused(f"port {port}", "in use", "give another")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--port", "99999"), ("--port", "65535")),
        (("--max-batch", "0"), ("--max-batch", "0")),
        (("--queue", "-3"), ("--queue", "-3")),
        (("--engine", "onyx"), ("engine", "onnxruntime")),
        (("--host", "no.such.host.invalid"), ("no.such.host.invalid",)),
    ],
)
def test_an_option_that_does_not_fit_is_one_sentence(cli, tagger, arguments, words):
    cli("serve", tagger.path, *arguments).assert_refused(*words)


def test_a_folder_that_is_no_tagger_is_one_sentence(cli, tmp_path):
    cli("serve", tmp_path).assert_refused("model.json")
