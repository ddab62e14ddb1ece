"""Errors end a command in one line with an exit code; flags can be parsed twice."""

import ast
import errno
import importlib
import inspect
import io
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf
from absl import flags

from agave_tf import errors
from agave_tf.commands import (
    benchmark,
    compress,
    decompress,
    evaluate,
    export,
    import_openai,
    reproduce,
    sample,
    score,
    train,
    work,
)
from agave_tf.commands.loading import run_work
from agave_tf.commands.running import Failure, failure_of, run_command
from agave_tf.commands.streams import shown_on
from agave_tf.whole_file import new_directory

COMMANDS = [
    *(train, evaluate, sample, score, compress, decompress),
    *(export, import_openai, reproduce, benchmark),
]


@pytest.mark.parametrize(
    "error,expected",
    [
        (errors.InputError("`a` must be 1."), Failure("`a` must be 1.", 2)),
        (errors.NonFiniteError("NaN."), Failure("NaN.", 1)),
        (errors.JobFailed("It failed."), Failure("It failed.", 1)),
        (errors.Stopped("Saved.", 2), Failure("Saved.", 130)),
        (errors.Stopped("Saved.", 0), Failure("Saved.", 143)),
        (errors.InputError(), Failure("InputError", 2)),
        (
            OSError(errno.ENAMETOOLONG, "File name too long", "x"),
            Failure("File name too long: x.", 2),
        ),
        (KeyboardInterrupt(), Failure("interrupted.", 130)),
        (ValueError("ours"), None),
        (FileNotFoundError(errno.ENOENT, "No such file"), None),
    ],
)
def test_every_error_has_its_line_and_exit_code(error, expected):
    assert failure_of(error) == expected


def test_every_error_of_the_package_has_an_exit_code():
    found = [
        error
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, Exception)
    ]
    assert len(found) >= 4
    for error in found:
        instance = error("x", 2) if error is errors.Stopped else error("x")
        assert failure_of(instance).exit_code > 0, error


def test_a_full_disk_is_named_even_if_the_error_has_no_words():
    error = OSError()
    error.errno = errno.ENOSPC
    message = "No space left on device: while writing."
    assert failure_of(error) == Failure(message, 2)
    named = PermissionError(errno.EACCES, "Permission denied", "run/config.json")
    assert failure_of(named).message == "Permission denied: run/config.json."
    error = tf.errors.UnknownError(None, None, "x; No space left on device")
    assert failure_of(error).message.startswith("No space left on device: while")
    assert failure_of(tf.errors.UnknownError(None, None, "something else")) is None


@pytest.mark.parametrize("command", COMMANDS)
def test_flags_of_commands_do_not_meet_in_one_process(command):
    of_process = set(flags.FLAGS)
    first, second = flags.FlagValues(), flags.FlagValues()
    for values in (first, second):
        command.define_flags(values)
    assert set(flags.FLAGS) == of_process
    assert len(first) > 1 and set(first) == set(second)
    assert not any(first[name] is second[name] for name in first)


def test_a_command_runs_in_process_with_flags_of_its_own(tmp_path):
    values = flags.FlagValues()
    evaluate.define_flags(values)
    values(["evaluate", f"--run_dir={tmp_path}/none", "--num_importance_samples=0"])
    with pytest.raises(errors.InputError, match="`num_importance_samples` must be at"):
        evaluate.run(values)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_hands_its_work_what_that_takes(command):
    """The work is imported by name, which no type checker follows."""
    name = command.__name__.rpartition(".")[2]
    work = importlib.import_module(f"agave_tf.commands.work.{name}")
    calls = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(command)))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "run_work"
    ]
    assert len(calls) == 1
    called, *arguments = calls[0].args
    assert ast.literal_eval(called) == name
    inspect.signature(work.run).bind(*arguments)


@pytest.mark.parametrize("as_missing", [True, False])
def test_a_signal_ends_a_command_though_an_import_catches_it(
    as_missing, tmp_path, monkeypatch, capsys
):
    """A library takes any error of an import for that of a module it can do without."""
    (tmp_path / "caught.py").write_text(
        "import os, signal, time\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(10)\n"
        "except Exception:\n"
        f"    {'raise ImportError' if as_missing else 'pass'}\n"
        "def run(): raise AssertionError('not reached')\n"
    )
    monkeypatch.setattr(work, "__path__", [str(tmp_path)])
    monkeypatch.setattr(sys, "argv", ["x.py"])
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        run_command(lambda values: None, lambda values: run_work("caught"), "help")
    assert end.value.code == 128 + signal.SIGTERM
    assert capsys.readouterr().err == "x.py: ended by SIGTERM.\n"
    assert signal.getsignal(signal.SIGTERM) == before
    sys.modules.pop(f"{work.__name__}.caught", None)


def test_sigterm_leaves_nothing_that_was_begun(tmp_path, monkeypatch, capsys):
    """Half a directory of pictures stayed until the next command."""
    monkeypatch.setattr(sys, "argv", ["x.py"])
    before = signal.getsignal(signal.SIGTERM)

    def run(values):
        with new_directory(str(tmp_path / "out")) as directory:
            (Path(directory) / "a.png").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)

    with pytest.raises(SystemExit) as end:
        run_command(lambda values: None, run, "help")
    assert end.value.code == 128 + signal.SIGTERM
    assert capsys.readouterr().err.endswith("x.py: ended by SIGTERM.\n")
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("is_terminal", [True, False])
def test_only_a_terminal_shows_what_is_waited_for_and_then_erases_it(is_terminal):
    stream = io.StringIO()
    stream.isatty = lambda: is_terminal
    with shown_on(stream, "Loading"):
        assert stream.getvalue() == ("Loading" if is_terminal else "")
    # No escape sequence, which a simple terminal (TERM=dumb) would show.
    assert stream.getvalue() == ("Loading\r       \r" if is_terminal else "")
