"""Starts the processes of a training on this node, speaks for them, and ends them together.

The process that starts them does none of the work. What the first one says comes through a pipe, so
bars, messages and errors are those of a training in one process; the others have nothing to say. A
process whose starter is gone ends itself.
"""

from __future__ import annotations

import os
import pickle
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from copy import copy
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

from imlgcn.errors import InputError
from imlgcn.progress import SILENT, Advance, Progress
from imlgcn.stopping import Stopped, be_silent, is_asked, listen, safe_points
from imlgcn.training.layout import STARTED, Layout
from imlgcn.training.parallel import cores
from imlgcn.training.ranks import NO_RESULT, RESUME, LostProcessError

GRACE = 15.0  # seconds that the others have once one process has failed


def launch(
    work: Callable[..., Any], arguments: Mapping[str, Any], layout: Layout, progress: Progress
) -> None:
    """Call ``work(progress=..., **arguments)`` in the processes of this node, and wait for all.

    Raises:
        InputError: what a process raised, the first one's before others'.
        LostProcessError: a process was killed, here or on another node.
        Stopped: a signal asked for it, and all have stopped at the same point.
    """
    processes: list[_Process] = []
    try:
        with safe_points() as asked:
            shared = _environment(layout)
            for local in range(layout.processes):
                rank = layout.rank + local
                with _with_environment({**shared, "LOCAL_RANK": f"{local}", "RANK": f"{rank}"}):
                    processes.append(_Process(rank, work, arguments))
            _watch(processes, asked, _Speaker(progress))
            _raise_first(processes, layout, asked())
    finally:
        for process in processes:
            process.kill()


class _Process:
    """One process, with what it has sent."""

    def __init__(self, rank: int, work: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
        context = get_context("spawn")
        self.rank = rank
        self.error: BaseException | None = None
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_run, args=(theirs, rank, work, arguments))
        try:
            self.process.start()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise InputError(
                f"the data cannot be sent to other processes ({error}): give a file or a folder, "
                "or objects whose classes are in a module"
            ) from None
        theirs.close()

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self.process.exitcode

    def tell(self, number: int) -> None:
        with suppress(OSError):
            self.pipe.send(number)

    def kill(self) -> None:
        if self.process.pid is not None:
            self.process.kill()
            self.process.join()


def _watch(processes: list[_Process], asked: Callable[[], int | None], speaker: _Speaker) -> None:
    """Pass on what is said, and signals, until all have ended; end the rest if one has failed."""
    pipes = {process.pipe: process for process in processes}
    told, deadline = False, float("inf")
    with speaker:
        while pipes:
            for pipe in wait([*pipes], timeout=0.2):
                assert isinstance(pipe, Connection)
                try:
                    speaker.hear(pipes[pipe], pipe.recv())
                except (EOFError, OSError):  # it has ended
                    pipes.pop(pipe).process.join()
            if (number := asked()) is not None and not told:
                told = True
                for process in processes:
                    process.tell(number)
            failed = any(process.code for process in processes)
            if failed and not told:
                deadline = min(deadline, time.monotonic() + GRACE)
            if time.monotonic() > deadline:
                return


def _raise_first(processes: list[_Process], layout: Layout, asked: int | None) -> None:
    """Raise why the processes have ended, if not all of them have done their work."""
    for process in processes:
        if process.error is not None:
            raise process.error
    if asked is not None:  # the first process, which says more, is on another node
        raise Stopped(asked, RESUME)
    for process in processes:
        if (process.code or 0) < 0:
            raise LostProcessError(
                f"process {process.rank} of {layout.world} was killed by signal "
                f"{-(process.code or 0)} (is there enough memory?), and the training with it; "
                f"{RESUME}"
            )
    if any(process.code != 0 for process in processes):
        where = "" if layout.nodes == 1 else ", here or on another node, which says why,"
        raise LostProcessError(
            f"one of {layout.world} processes has ended{where} and the training with it; {RESUME}"
        )


class _Speaker:
    """Says what the first process says."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self._open = progress, dict[int, tuple[ExitStack, Advance]]()

    def __enter__(self) -> _Speaker:
        return self

    def __exit__(self, *error: object) -> None:
        for stack, _ in self._open.values():  # bars of work that did not come to its end
            unfinished = RuntimeError()
            with suppress(RuntimeError):
                stack.__exit__(RuntimeError, unfinished, None)

    def hear(self, process: _Process, message: tuple[Any, ...]) -> None:
        kind, *rest = message
        if kind == "say":
            self.progress.say(*rest)
        elif kind == "bar":
            stack = ExitStack()
            self._open[rest[0]] = stack, stack.enter_context(self.progress.bar(*rest[1:]))
        elif kind == "advance":
            self._open[rest[0]][1](rest[1])
        elif kind == "end":
            self._open.pop(rest[0])[0].close()
        else:
            process.error = Stopped(*rest) if kind == "stopped" else rest[0]


class _Relay(Progress):
    """Sends what is said to the process that speaks."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe, self.bars = pipe, 0

    def say(self, text: str) -> None:
        self.pipe.send(("say", text))

    @contextmanager
    def bar(self, stage: str, total: int, unit: str = "images") -> Iterator[Advance]:
        self.bars += 1
        name = self.bars
        self.pipe.send(("bar", name, stage, total, unit))
        yield lambda count: self.pipe.send(("advance", name, count))
        self.pipe.send(("end", name))


def _run(
    pipe: Connection, rank: int, work: Callable[..., Any], arguments: Mapping[str, Any]
) -> None:
    """Do the work of one process; what ends it is sent, not printed."""
    if hasattr(os, "setsid"):
        os.setsid()  # signals of the terminal come through the process that has started this one
    listen()
    be_silent()
    threading.Thread(target=_obey, args=(pipe,), daemon=True).start()
    code = NO_RESULT
    try:
        work(progress=SILENT if rank else _Relay(pipe), **arguments)
        return
    except SystemExit as ended:
        code = int(ended.code or 0)
    except Stopped as stopped:
        pipe.send(("stopped", stopped.number, str(stopped)))
        code = stopped.exit_code
    except BaseException as error:
        if not isinstance(error, LostProcessError):
            pipe.send(("failed", _sendable(error)))
    os._exit(code)  # taking the libraries down would keep the others waiting, for seconds


def _obey(pipe: Connection) -> None:
    """Pass a signal on to this process; end it when the one that has started it is gone."""
    import signal

    while True:
        try:
            number = pipe.recv()
        except (EOFError, OSError):
            os._exit(NO_RESULT)
        if not is_asked():
            signal.pthread_kill(threading.main_thread().ident or 0, number)


def _sendable(error: BaseException) -> BaseException:
    """Return the error, or one of the same text where it cannot be made anew from its arguments."""
    try:
        if type(copy(error)) is type(error):
            pickle.dumps(error)
            return error
    except Exception:
        pass
    kind = InputError if isinstance(error, InputError) else RuntimeError
    return kind(str(error) if kind is InputError else f"{type(error).__name__}: {error}")


def _environment(layout: Layout) -> dict[str, str]:
    """Return what all processes of this node get in their environment."""
    shared = {
        STARTED: str(layout.processes),
        "NUM_NODES": str(layout.nodes),
        "NODE_RANK": str(layout.rank // layout.processes),
        "TORCH_CPP_LOG_LEVEL": "ERROR",
    }
    if "OMP_NUM_THREADS" not in os.environ:
        shared["OMP_NUM_THREADS"] = str(max(cores() // layout.processes, 1))
    if layout.nodes == 1:  # nothing leaves this machine
        shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
        loopback = {"linux": "lo", "darwin": "lo0"}.get(sys.platform)
        shared |= {"GLOO_SOCKET_IFNAME": loopback} if loopback else {}
    return shared


@contextmanager
def _with_environment(values: Mapping[str, str]) -> Iterator[None]:
    """Let a process that is started in the block have ``values`` before it imports anything."""
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
