"""Two servers behind a proxy: one is stopped under load, and no request is lost."""

from __future__ import annotations

import http.client
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from .conftest import picture, port_of, start

pytestmark = pytest.mark.scale
CLIENTS = 6


class RoundRobin(ThreadingHTTPServer):
    """Hands requests on in turn to those that are ready, as a service of Kubernetes does.

    ``retried`` counts those that a server did not take, and another got.
    """

    request_queue_size = 64
    daemon_threads = True

    def __init__(self, ports):
        super().__init__(("127.0.0.1", 0), Handler)
        self.ports, self.turn, self.retried = list(ports), 0, 0
        self.taken = dict.fromkeys(ports, 0)
        self.lock = threading.Lock()

    def next_port(self):
        with self.lock:
            self.turn += 1
            return self.ports[self.turn % len(self.ports)]

    def look(self):
        """Keep the servers that say they are ready."""
        self.ports = [port for port in self.ports if is_ready(port)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        for _ in range(3):
            port = self.server.next_port()
            try:
                status, answer = ask(port, "POST", self.path, body)
            except ConnectionError:  # it has closed its port, or not read the request
                with self.server.lock:
                    self.server.retried += 1
                    self.server.ports = [one for one in self.server.ports if one != port]
                continue
            with self.server.lock:
                self.server.taken[port] += 1
            break
        else:
            status, answer = 502, b""
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def ask(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def is_ready(port):
    try:
        return ask(port, "GET", "/readyz")[0] == 200
    except ConnectionError:
        return False


@pytest.fixture
def replicas(script):
    started = [start(script) for _ in range(2)]
    yield started
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()
        process.stdout.close()


@pytest.fixture
def proxy(replicas):
    server = RoundRobin([port_of(process) for process in replicas])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("drained", [True, False])
def test_a_replica_that_is_stopped_under_load_loses_no_request(replicas, proxy, drained):
    """Drained, as by `preStop`: no request goes there any more, and then comes the signal."""
    first, second = proxy.ports
    proxy.look()
    assert proxy.ports == [first, second], "both are ready"
    image, over = picture(), threading.Event()

    def client(_):
        found = []
        while not over.is_set():
            found.append(ask(proxy.server_port, "POST", "/v1/tags", image))
        return found

    with ThreadPoolExecutor(CLIENTS) as pool:
        working = [pool.submit(client, number) for number in range(CLIENTS)]
        wait_until(lambda: min(proxy.taken.values()) >= 2)
        if drained:
            proxy.ports.remove(first)
        replicas[0].send_signal(signal.SIGTERM)
        before = proxy.taken[first]
        wait_until(lambda: replicas[0].poll() is not None)
        after = proxy.taken[second]
        wait_until(lambda: proxy.taken[second] >= after + 4)
        over.set()
        found = [answer for each in working for answer in each.result()]
    assert {status for status, _ in found} == {200}
    assert len({answer for _, answer in found}) == 1
    assert len(found) == sum(proxy.taken.values())
    assert proxy.taken[first] > before, "what it had accepted was answered after the signal"
    if drained:
        assert proxy.retried == 0
    assert not is_ready(first)
    assert is_ready(second)
    assert replicas[0].returncode == 0
    assert "stopped; every accepted image was answered" in replicas[0].stderr.read()


def wait_until(seen):
    end = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.01)
