"""Help, the version and wrong flags take no TensorFlow, whose import takes seconds."""

import os
import signal
import subprocess
import sys

import pytest
from command_process import ROOT
from forked_commands import IMPORTED, ends_of

import agave_tf

COMMANDS = [path.stem for path in sorted((ROOT / "bin").glob("*.py"))]
ASKING = ("--help", "--helpfull", "--helpshort", "--version")
RUN = "--run_dir=nowhere"
OUT, CSV, CODED = "--output=x.png", "--output=x.csv", "--output=x.agave"
# A command line, and the words of its error.
REFUSED = {
    **{(name, "--no_such=1"): "There is no flag --no_such" for name in COMMANDS},
    **{
        (name,): "must be given; got nothing."
        for name in COMMANDS
        if name != "benchmark"
    },
    ("train", RUN, "--stage=jont"): "Did you mean joint?",
    ("train", RUN, "--stage=joint", "--batch_size=many"): "an integer; got 'many'",
    ("train", RUN, "--stage=joint", "--num_color_levels=48"): "must divide 256",
    ("train", RUN, "--stage=joint", "--image_size=0x30"): "got 0x30",
    ("train", RUN, "--stage=ablation"): "`--init_from` must name a run directory",
    ("train", RUN, "--stage=all", "--init_from=x"): "cannot go with --stage=all",
    ("train", RUN, "--stage=joint", "--num_logical_cpus=2"): "--strategy=mirrored",
    ("train", "--run_dir=coded", "--stage=joint"): "coded is a file",
    ("train", "--run_dir=..", "--stage=joint"): "with a config.json; .. has none",
    ("train", RUN, "--stage=joint", "--init_from=x"): "there is no directory x",
    ("train", RUN, "--flagfile=smal"): "Did you mean small.flags?",
    ("evaluate", RUN): "there is no directory nowhere",
    ("evaluate", "--run_dir=empty"): "with a config.json; empty has none",
    ("evaluate", RUN, "--strategy=multi_worker"): "auto, one or mirrored",
    ("evaluate", RUN, "--evaluation_seed=-1"): "must be at least 0",
    ("evaluate", RUN, "--probe", "--split=all"): "`probe` must go with --split=test",
    ("evaluate", RUN, "--per_image=x.txt"): "`per_image` must end in .npz",
    ("evaluate", RUN, "--white_level=3"): "`white_level` must be from 255",
    ("evaluate", RUN, "--num_logical_cpus=2"): "--strategy=mirrored",
    ("sample", RUN, OUT): "there is no directory nowhere",
    ("sample", RUN, OUT, "--mode=interpolat"): "Did you mean interpolate?",
    ("sample", RUN, OUT, "--num_images=0"): "`num_images` must be at least 1",
    ("sample", RUN, OUT, "--image_size=3x"): "`image_size` must be SIDE",
    ("sample", RUN, "--output=nowhere/x.png"): "in a directory that exists",
    ("score", RUN, CSV): "there is no directory nowhere",
    ("score", RUN, CSV, "--rank_by=ratios"): "Did you mean ratio?",
    ("score", RUN, CSV, "--reference_images=-1"): "must be at least 0",
    ("score", RUN, CSV, "--files=x", "--split=train"): "must not be given with --files",
    ("score", RUN, CSV, "--files=x"): "there is no 'x'",
    ("compress", RUN, CODED, "--files=x"): "there is no 'x'",
    ("compress", RUN, CODED): "there is no directory nowhere",
    ("compress", RUN, CODED, "--lanes=0"): "`lanes` must be",
    ("compress", RUN, CODED, "--files=x", "--crop=centre"): "not be given with --files",
    ("decompress", RUN, "--input=coded"): "`output_dir` or `save_npz` must be given",
    ("decompress", RUN, "--input=coded", "--threads=-1"): "`threads` must be",
    ("decompress", RUN, "--input=x", "--output_dir=y"): "`input` must be a file",
    ("decompress", RUN, "--input=coded", "--output_dir=empty"): "must not exist yet",
    (
        *("decompress", RUN, "--input=coded", "--output_dir=y"),
        *("--preview", "--salvage"),
    ): "`salvage` must not be given with --preview",
    ("export", RUN, "--output_dir=y"): "there is no directory nowhere",
    ("export", RUN, "--output_dir=empty"): "`output_dir` must not exist yet",
    ("export", RUN, "--output_dir=[y]"): "TensorFlow cannot load a model",
    ("export", RUN, "--output_dir=y", "--sampling_batch_size=0"): "must be",
    (
        *("export", RUN, "--output_dir=y"),
        *("--format=run", "--image_size=8"),
    ): "`image_size` must be empty",
    ("import_openai", RUN, "--checkpoint=x", "--kind=vae"): "pixel_cnn or iaf_vae",
    (
        *("import_openai", "--run_dir=empty", "--checkpoint=x", "--kind=iaf_vae"),
    ): "`run_dir` must not exist yet",
    ("import_openai", RUN, "--checkpoint=x", "--kind=iaf_vae"): "no x.index",
    (
        *("import_openai", RUN, "--checkpoint=x", "--kind=iaf_vae"),
        "--image_channels=2",
    ): "`image_channels` must be 0, 1 or 3",
    ("reproduce", "--artifact=figure77", "--output_dir=y"): "Did you mean figure7?",
    ("reproduce", "--artifact=all", "--output_dir=y", "--scale=big"): "`scale` must be",
    ("benchmark", "--what=trian"): "Did you mean train?",
    ("benchmark", "--models=smal"): "Did you mean small?",
    ("benchmark", "--sizes=0"): "`sizes` must be positive numbers",
    ("benchmark", "--sizes=4,8"): "must be one size for --what=train",
}
# All its flags are right.
RIGHT = ("benchmark", "--what=input")


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """The end of every command line of this module."""
    directory = tmp_path_factory.mktemp("here")
    (directory / "empty").mkdir()
    (directory / "coded").write_bytes(b"no file of ours")
    asked = [(name, flag) for name in COMMANDS for flag in ASKING]
    lines = [*asked, *REFUSED, RIGHT]
    return dict(zip(lines, ends_of(lines, directory), strict=True))


def test_there_are_ten_commands():
    assert len(COMMANDS) == 10


def test_a_command_whose_flags_are_right_imports_tensorflow(ends):
    """So the other tests would see it."""
    assert ends[RIGHT].returncode == IMPORTED


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "--helpfull", "--helpshort"])
def test_help_takes_no_tensorflow(ends, command, flag):
    code, out, err = ends[command, flag]
    assert (code, err) == (0, "")
    assert f"\nbin/{command}.py --" in out and out.count("\n  --") > 4


@pytest.mark.parametrize("command", COMMANDS)
def test_the_version_is_one_line(ends, command):
    assert ends[command, "--version"] == (0, f"agave_tf {agave_tf.__version__}\n", "")


@pytest.mark.parametrize("line", REFUSED, ids=" ".join)
def test_what_is_refused_at_a_glance_takes_no_tensorflow(ends, line):
    code, out, err = ends[line]
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith(f"{line[0]}.py: ") and REFUSED[line] in err


@pytest.mark.parametrize(
    "number,code,words",
    [
        (signal.SIGINT, 130, "interrupted."),
        (signal.SIGTERM, 143, "ended by SIGTERM."),
    ],
)
def test_a_signal_while_tensorflow_loads_is_one_line(number, code, words, tmp_path):
    """A terminal shows what is waited for, and then the line in its place."""
    (tmp_path / "tensorflow.py").write_text(
        f"import os, time\nos.kill(os.getpid(), {number:d})\ntime.sleep(60)\n"
    )
    terminal, end_of_command = os.openpty()
    result = subprocess.run(
        [sys.executable, ROOT / "bin" / "benchmark.py"],
        stdout=subprocess.PIPE,
        stderr=end_of_command,
        # A shell has its background jobs ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    )
    shown = os.read(terminal, 10_000).decode()
    for descriptor in (terminal, end_of_command):
        os.close(descriptor)
    assert (result.returncode, result.stdout) == (code, b"")
    loading = "Loading TensorFlow ..."
    erased = f"{loading}\r{' ' * len(loading)}\r"
    assert shown == f"{erased}benchmark.py: {words}\r\n"
