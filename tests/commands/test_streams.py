"""Commands end well whatever their caller has made of streams, flags and warnings."""

import io
import json
import logging as std_logging
import os
import re
import runpy
import subprocess
import sys
import tempfile
import time

import pytest
import tensorflow as tf
from absl import flags, logging
from command_process import ROOT, called

from agave_tf.commands.log_lines import LineFormatter
from agave_tf.commands.running import run_command
from agave_tf.errors import InputError

pytestmark = pytest.mark.xdist_group("commands")

EVALUATE = str(ROOT / "bin" / "evaluate.py")
STREAMS = ROOT / "agave_tf" / "commands" / "streams.py"


def in_lines(lines):
    """Runs command lines in this process, which has a flag --run_dir of its own."""
    flags.DEFINE_string("run_dir", "mine", "A flag of the program around.")
    flags.DEFINE_string("must", None, "A flag that the program needs.", required=True)
    for line in lines:
        sys.argv = line
        try:
            runpy.run_path(line[0], run_name="__main__")
            print("returned")
        except SystemExit as end:
            print("exit code", end.code)
    print(flags.FLAGS["run_dir"].value)


def test_commands_run_one_after_another_in_one_process(tmp_path):
    """The second, as in a notebook, ended in DuplicateFlagError."""
    none = f"--run_dir={tmp_path}/none"
    train = [str(ROOT / "bin" / "train.py"), none, "--stage=ablation"]
    lines = [[EVALUATE, none], [EVALUATE, none], train, [EVALUATE, "--help"]]
    result = called(in_lines, lines)
    assert result.returncode == 0, result.stderr
    errors = result.stderr.splitlines()
    assert len(errors) == 3 and errors[0] == errors[1], result.stderr
    assert errors[0].startswith("evaluate.py: `run_dir` must be a run directory")
    assert errors[2].startswith("train.py: `--init_from` must")
    first, help_text = result.stdout.split("Prints the bits/dim", 1)
    assert first == "exit code 2\n" * 3
    # Success is no SystemExit, which a notebook would show.
    assert "--num_importance_samples" in help_text
    assert help_text.endswith("\nreturned\nmine\n")


def toy(run, encoding="utf-8", output=None, **environment):
    """Runs a command that has no flags, with standard output as it is asked for."""
    os.environ.update(environment)
    sys.argv = ["toy.py"]
    if output == "no reader":
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 1)
    elif output:
        os.dup2(os.open(output, os.O_WRONLY), 1)
    before = sys.stdout  # Kept, because at its end it would close the descriptor.
    sys.stdout = io.TextIOWrapper(open(1, "wb"), encoding=encoding)  # noqa: SIM115
    code = 0
    try:
        run_command(lambda values: None, run, "A toy.")
    except SystemExit as end:
        code = end.code
    sys.stderr.flush()
    before.detach()
    # `multiprocessing` would flush once more what could not be written.
    os._exit(code)


def prints_names(values):
    print("tr\xe8s/\N{RIGHTWARDS ARROW}", "latin-1 \udcfc")


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", "tr\\xe8s/\\u2192 latin-1 \\udcfc\n"),
        ("utf-8", "tr\xe8s/\N{RIGHTWARDS ARROW} latin-1 \\udcfc\n"),
    ],
)
def test_a_name_that_the_output_cannot_show_is_escaped(encoding, shown):
    """The last line, which names the picture, ended a command that had drawn it."""
    result = called(toy, prints_names, encoding)
    assert (result.returncode, result.stdout) == (0, shown), result.stderr


def prints_at_once(values):
    print("first", flush=True)
    raise AssertionError("not reached")


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (prints_names, ""),
        (
            prints_at_once,
            "toy.py: stopped, because nobody reads its output any more.\n",
        ),
    ],
)
def test_a_reader_that_has_left_is_no_traceback(run, message):
    result = called(toy, run, "utf-8", "no reader")
    assert (result.returncode, result.stderr) == (128 + 13, message)


def test_output_to_a_full_disk_is_one_line():
    result = called(toy, prints_names, "utf-8", "/dev/full")
    assert result.returncode == 2
    message = "toy.py: No space left on device: while writing.\n"
    assert result.stderr == message


def finds_no_file(values):
    here = tempfile.mkdtemp()
    os.chdir(here)
    os.rmdir(here)
    os.makedirs("runs/x")


def test_a_current_directory_that_was_removed_is_one_line():
    """With a relative --run_dir there was a traceback."""
    result = called(toy, finds_no_file)
    assert result.returncode == 2
    assert result.stderr == (
        "toy.py: the current directory must exist where paths start from it; it has "
        "been removed, and so there is no runs.\n"
    )


def fails_at_length(values):
    raise InputError(f"`flag` must be short; got {'x' * 100_000}!")


def test_an_error_that_quotes_a_huge_value_is_cut():
    result = called(toy, fails_at_length)
    assert result.returncode == 2
    assert result.stderr.startswith("toy.py: `flag` must be short; got xxx")
    assert len(result.stderr) < 10_000 and result.stderr.endswith("xxx!\n")


def logs(values):
    # As a module of the package does.
    line = compile("log('An %s.', 'information')", str(STREAMS), "exec")
    exec(line, {"log": logging.info})
    logging.warning("A warning.")
    tf.get_logger().warning("From TensorFlow.")
    std_logging.getLogger("another").info("not shown")
    logging.warning("A name is deprecated.")
    logging.warning("A file in a deprecated format is skipped.")


@pytest.mark.parametrize(
    ("addresses", "worker"), [(["a:1"], ""), (["a:1", "b:2"], "worker 1: ")]
)
def test_a_log_line_is_the_time_and_the_text(addresses, worker):
    """It had a date without year, thread numbers, and the file name of our code."""
    config = {
        "cluster": {"worker": addresses},
        "task": {"type": "worker", "index": len(addresses) - 1},
    }
    result = called(toy_with_config, logs, json.dumps(config))
    assert result.returncode == 0, result.stderr
    lines = result.stderr.splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines), lines
    assert [line[9:] for line in lines] == [
        f"{worker}An information.",
        f"{worker}Warning: A warning.",
        f"{worker}Warning: From TensorFlow.",
        f"{worker}Warning: A file in a deprecated format is skipped.",
    ]


def toy_with_config(run, config):
    toy(run, TF_CONFIG=config)


def test_the_first_line_of_another_day_has_the_date():
    formatter, now = LineFormatter(), time.time()
    lines = []
    for created in (now, now + 86400, now + 86400):
        record = std_logging.makeLogRecord({"msg": "text", "levelname": "INFO"})
        record.created = created
        lines.append(formatter.format(record))
    assert [len(line) for line in lines] == [13, 24, 13]
    assert lines[1].startswith(time.strftime("%Y-", time.localtime(now + 86400)))


@pytest.mark.parametrize("closed", ["2>&-", "2>&- 0<&-", "1>&-", "0<&- 1>&- 2>&-"])
def test_no_file_gets_the_number_of_a_closed_stream(closed, tmp_path):
    """TensorFlow would write its messages into it."""
    script = (
        "import os, runpy, sys;"
        f"runpy.run_path({str(STREAMS)!r})['open_closed_streams']();"
        f"found = os.open({str(tmp_path / 'file')!r}, os.O_CREAT | os.O_WRONLY);"
        "print('lost', file=sys.stderr); sys.stdin.read();"
        "os.write(found, str(found > 2).encode())"
    )
    line = f'{sys.executable} -c "{script}" {closed}'
    subprocess.run(line, shell=True, check=True, stdin=subprocess.DEVNULL)
    assert (tmp_path / "file").read_text() == "True"


def test_a_daemons_command_with_pythonwarnings_runs():
    """Without standard error it ended at its import, without a word."""
    result = subprocess.run(
        f"{sys.executable} {EVALUATE} --helpshort 2>&- 0<&-",
        shell=True,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": "error", "TERM": "dumb"},
    )
    assert result.returncode == 0
    assert result.stdout.startswith("Prints the bits/dim of a run")


def test_python_without_docstrings_is_refused_in_one_line():
    """tf-keras ended in AttributeError: 'NoneType' object has no attribute."""
    for options, environment in ((["-OO"], {}), ([], {"PYTHONOPTIMIZE": "2"})):
        result = subprocess.run(
            [sys.executable, *options, EVALUATE, "--help"],
            capture_output=True,
            text=True,
            env=os.environ | environment,
        )
        assert result.returncode == 2
        line = "evaluate.py: `PYTHONOPTIMIZE` must be at most 1"
        assert result.stderr.startswith(line)
        assert len(result.stderr.splitlines()) == 1
