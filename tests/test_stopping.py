"""A signal ends a command at a safe point, with the usual exit code and a word on how to go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from imlgcn.cli import NOTHING_KEPT
from imlgcn.files import only_writer

SCRIPT = """
import os, signal, sys
from imlgcn import cli, stopping

def command():
    {body}

class App:
    def __call__(self):
        command()

cli.commands = lambda wanted: App()
cli.main()
"""
ASK = "signal.raise_signal(signal.{name})"


def run(body: str, name: str = "SIGTERM") -> subprocess.CompletedProcess[str]:
    body = body.replace("ASK", ASK.format(name=name)).replace("\n", "\n    ")
    script = SCRIPT.replace("{body}", body)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_outside_of_safe_points_a_signal_ends_at_once_with_its_code(name, code):
    done = run("ASK\nprint('never')", name)
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr == f"imlgcn: stopped; {NOTHING_KEPT}\n"


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_within_safe_points_the_work_is_finished_first(name, code):
    body = "with stopping.safe_points() as asked:\n    ASK\n    print('saved', asked())"
    done = run(body + "\nprint('never')", name)
    assert (done.returncode, done.stdout) == (code, f"saved {getattr(signal, name).value}\n")
    assert "stopping after this step" in done.stderr


def test_within_nested_ones_the_inner_one_says_so_and_the_outer_ends():
    inner = "with stopping.safe_points() as asked:\n        ASK\n        print(asked())"
    body = f"with stopping.safe_points() as asked:\n    {inner}\n    print('outer', asked())"
    assert run(body).stdout == "15\nouter 15\n"


def test_a_second_signal_ends_at_once():
    done = run("with stopping.safe_points():\n    ASK\n    ASK\n    print('never')")
    assert (done.returncode, done.stdout) == (143, "")


def test_how_to_go_on_is_said_as_flags():
    done = run("raise stopping.Stopped(15, 'resume=True goes on')")
    assert done.stderr == "imlgcn: stopped; --resume goes on\n"


def test_ctrl_c_which_reaches_every_process_of_a_terminal_leaves_copies_to_the_one_that_listens():
    body = "pid = os.fork()\nif not pid:\n    ASK\n    os._exit(7)\n"
    assert (
        run(body + "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))", "SIGINT").stdout
        == "7\n"
    )


def test_a_copy_of_the_process_ends_as_processes_do():
    body = "pid = os.fork()\nif not pid:\n    ASK\nprint(os.WTERMSIG(os.waitpid(pid, 0)[1]))"
    assert run(body).stdout == "15\n"


def test_a_folder_has_one_writer_and_a_dead_one_locks_nobody_out(tmp_path):
    hold = (
        "import os, sys; from imlgcn.files import only_writer\n"
        f"with only_writer({str(tmp_path / 'run')!r}):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", hold], **pipes) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(BlockingIOError), only_writer(tmp_path / "run"):
            pass
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    with only_writer(tmp_path / "run"):
        pass
    assert not list(tmp_path.iterdir())


def test_the_working_folder_and_a_folder_in_a_closed_one_can_be_locked(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    with only_writer("."):
        assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [".run.lock"]
        with pytest.raises(BlockingIOError), only_writer(tmp_path / "run"):
            pass
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with only_writer(tmp_path / "run"):
        assert (tmp_path / "run" / ".lock").is_file()
    assert not list((tmp_path / "run").iterdir())
