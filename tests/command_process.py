"""Runs the commands of bin/ as a user does, but imports TensorFlow once for all.

A server process imports it and is copied for every command. Each command still has its
own arguments, exit code and streams, and a signal ends it alone.
"""

import gc
import multiprocessing
import os
import pathlib
import resource
import runpy
import sys
import tempfile
from collections.abc import Callable
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[1]
SMOKE = f"--flagfile={ROOT}/flags/smoke.flags"

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    [
        "tensorflow_datasets",
        *(
            f"agave_tf.commands.{room}{path.stem}"
            for room in ("", "work.")
            for path in (ROOT / "agave_tf" / "commands" / room[:-1]).glob("[a-z]*.py")
        ),
    ]
)


class Result(NamedTuple):
    """The end of a command."""

    returncode: int
    stdout: str
    stderr: str


class Command:
    """A running command.

    Args:
      name: of bin/NAME.py.
      *arguments: flags.
      max_file_bytes: limit of the size of every file, as on a disk that is almost full.
      environment: variables of the environment to set.
    """

    def __init__(
        self,
        name: str,
        *arguments: object,
        max_file_bytes: int | None = None,
        environment: dict[str, str] | None = None,
    ):
        self._files = [pathlib.Path(tempfile.mkstemp()[1]) for _ in range(2)]
        line = [str(ROOT / "bin" / f"{name}.py"), *map(str, arguments)]
        self.process = _processes.Process(
            target=_run, args=(line, self._files, max_file_bytes, environment or {})
        )
        self.process.start()

    def result(self) -> Result:
        """Waits for the end, once. The exit code is negative after a signal."""
        self.process.join()
        out, err = (file.read_text() for file in self._files)
        for file in self._files:
            file.unlink()
        return Result(self.process.exitcode, out, err)


def called(function: Callable[..., None], *arguments: object) -> Result:
    """Calls a function of a test module in a process that has imported TensorFlow."""
    files = [pathlib.Path(tempfile.mkstemp()[1]) for _ in range(2)]
    process = _processes.Process(target=_call, args=(files, function, arguments))
    process.start()
    process.join()
    out, err = (file.read_text() for file in files)
    for file in files:
        file.unlink()
    return Result(process.exitcode, out, err)


def succeeds(*arguments: object) -> Result:
    """Runs a command, which must end with exit code 0."""
    result = Command(*arguments).result()
    assert result.returncode == 0, result.stderr
    return result


def refused(
    message: str, *arguments: object, exit_code: int = 2, **options: object
) -> None:
    """Runs a command, which must end with one line that contains `message`.

    Args:
      message: text that the line must contain.
      *arguments: name of the command, and its flags.
      exit_code: required exit code.
      **options: of `Command`.
    """
    result = Command(*arguments, **options).result()
    assert result.returncode == exit_code, result.stderr
    assert "Traceback" not in result.stderr
    lines = [
        line
        for line in result.stderr.splitlines()
        if line.startswith(f"{arguments[0]}.py:")
    ]
    assert len(lines) == 1, result.stderr
    assert message in lines[0], lines[0]


def _run(
    line: list[str],
    files: list[pathlib.Path],
    max_file_bytes: int | None,
    environment: dict[str, str],
) -> None:
    _write_to(files)
    os.environ.update(environment)
    if max_file_bytes is not None:
        limit = (max_file_bytes, resource.RLIM_INFINITY)
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    sys.argv = line
    runpy.run_path(line[0], run_name="__main__")


def _call(
    files: list[pathlib.Path], function: Callable[..., None], arguments: tuple
) -> None:
    _write_to(files)
    function(*arguments)


def _write_to(files: list[pathlib.Path]) -> None:
    """Sends standard output and standard error to files."""
    # As in conftest.py: the garbage collector need not look through all imports.
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    for descriptor, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY), descriptor)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    sys.stderr = os.fdopen(2, "w", buffering=1)
