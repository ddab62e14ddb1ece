"""A wheel of the project, installed outside the checkout, does what the README says.

pip installs it into a directory of its own, which comes before the checkout on Python's
path; the packages that it needs are those of the environment of the tests.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest
from command_process import ROOT

import agave_tf

pytestmark = pytest.mark.xdist_group("wheel")

COMMANDS = [
    *("train", "evaluate", "sample", "score", "compress", "decompress"),
    *("export", "import-openai", "reproduce", "benchmark"),
]
# Taken for patterns, for ends of words, and for letters of more than one byte.
ODD = "größe [lr=0.1] a"
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy, so that the checkout stays as it is."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in ("agave_tf", "flags"):
        shutil.copytree(
            ROOT / name,
            source / name,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    offline = ["--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run(
        [*PIP, "wheel", *offline, "--wheel-dir", str(built), str(source)], check=True
    )
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    """The directory that the wheel is installed into."""
    site = tmp_path_factory.mktemp("site")
    subprocess.run(
        [*PIP, "install", "--no-deps", "--no-index", "--target", str(site), str(wheel)],
        check=True,
    )
    return site


@pytest.fixture
def started(site, tmp_path):
    """Runs a command line with the installed package, outside the checkout.

    The working directory has an odd name, and HOME cannot be written to.
    """

    # Nothing can be made below a file, so nobody, not even root, can write to HOME.
    (tmp_path / "file").touch()
    environment = os.environ | {
        "PYTHONPATH": str(site),
        "HOME": str(tmp_path / "file" / "home"),
    }
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "KERAS_HOME", "MPLCONFIGDIR"):
        environment.pop(name, None)
    (tmp_path / ODD).mkdir()

    def run(*line: object) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(word) for word in line],
            cwd=tmp_path / ODD,
            env=environment,
            capture_output=True,
            text=True,
        )

    return run


def test_a_wheel_contains_every_module_and_every_flag_file(wheel):
    with zipfile.ZipFile(wheel) as file:
        found = {name for name in file.namelist() if name.startswith("agave_tf/")}
    package = ROOT / "agave_tf"
    expected = {
        *package.rglob("*.py"),
        package / "py.typed",
        *(package / "flags").glob("*.flags"),
    }
    assert found == {str(path.relative_to(ROOT)) for path in expected}


def test_an_installed_wheel_works_in_odd_directories_without_a_home(
    site, started, tmp_path
):
    def output(*line: object) -> str:
        result = started(*line)
        assert result.returncode == 0, result.stderr
        return result.stdout

    script = "import agave_tf; print(agave_tf.__file__)"
    found = output(sys.executable, "-c", script).strip()
    assert pathlib.Path(found) == site / "agave_tf" / "__init__.py"
    # The other commands in such directories: tests/runs/test_paths.py.
    train, sample = (site / "bin" / f"agave-{name}" for name in ("train", "sample"))
    steps = (
        *(train, "--flagfile=smoke.flags", "--stage=joint", "--run_dir=run"),
        *("--checkpoint_every=1", "--evaluate_images=0"),
        "--num_pixel_cnn_resolutions=1",  # For speed.
    )
    output(*steps, "--joint_steps=1")
    resumed = started(*steps, "--joint_steps=2")
    assert resumed.returncode == 0, resumed.stderr
    assert "Going on from step 1 in run" in resumed.stderr
    output(sample, "--run_dir=run", "--num_images=1", "--output=picture.png")
    assert (tmp_path / ODD / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_an_installed_command_names_itself_in_errors_and_help(site, started):
    scripts = {path.name for path in (site / "bin").iterdir()}
    assert scripts == {f"agave-{name}" for name in COMMANDS}
    train = site / "bin" / "agave-train"
    refused = started(train, "--flagfile=nothing")
    assert refused.returncode == 2
    assert refused.stderr.startswith("agave-train: `flagfile` must be a file, or one")
    for flag in ("--helpshort", "--help"):
        shown = started(train, flag)
        assert "\nagave-train --flagfile=small.flags --stage=all" in shown.stdout
        assert (shown.returncode, shown.stderr) == (0, "")
    assert started(train, "--version").stdout == f"agave_tf {agave_tf.__version__}\n"
