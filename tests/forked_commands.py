"""Runs command lines, each in a fork of one process that cannot import TensorFlow.

Such a fork starts in milliseconds, and has its own exit code and streams.
"""

import gc
import importlib
import json
import os
import pathlib
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from command_process import ROOT, Result

# The libraries that take long to import.
HEAVY = (
    *("tensorflow", "tensorflow_probability", "tensorflow_datasets", "keras"),
    *("tf_keras", "tensorboard", "matplotlib"),
)
# The exit code of a command that imports one of them; it cannot be caught.
IMPORTED = 99


def ends_of(lines: Sequence[Sequence[str]], directory: pathlib.Path) -> list[Result]:
    """Runs command lines; returns their ends.

    Args:
      lines: each the name of a command, and its flags.
      directory: the commands' working directory.
    """
    with tempfile.TemporaryDirectory() as traps:
        for name in HEAVY:
            trap = f"import os\nos._exit({IMPORTED})\n"
            pathlib.Path(traps, f"{name}.py").write_text(trap)
        path = os.pathsep.join([traps, str(ROOT), str(ROOT / "tests")])
        result = subprocess.run(
            [sys.executable, __file__],
            input=json.dumps(lines),
            capture_output=True,
            text=True,
            check=True,
            cwd=directory,
            env=os.environ | {"PYTHONPATH": path, "COLUMNS": "100"},
        )
    return [Result(*end) for end in json.loads(result.stdout)]


def _end_of(line: list[str]) -> Result:
    """Runs a command line in a fork of this process."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = os.fork()
        if not child:
            for descriptor, file in ((1, out), (2, err)):
                os.dup2(file.fileno(), descriptor)
            name, *arguments = line
            sys.argv = [str(ROOT / "bin" / f"{name}.py"), *arguments]
            runpy.run_path(sys.argv[0], run_name="__main__")
            sys.exit()
        _, status = os.waitpid(child, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read())
    return Result(os.waitstatus_to_exitcode(status), *texts)


if __name__ == "__main__":
    for path in (ROOT / "bin").glob("*.py"):
        importlib.import_module(f"agave_tf.commands.{path.stem}")
    # As in conftest.py: a fork need not look through all imports at its end.
    gc.freeze()
    print(json.dumps([_end_of(line) for line in json.load(sys.stdin)]))
