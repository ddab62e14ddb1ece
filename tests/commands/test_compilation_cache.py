"""Tests that compiled code is kept for the next process, and does no harm."""

import os
import pathlib
import subprocess
import sys
import time

import pytest

from agave_tf.commands import compilation_cache
from agave_tf.commands.compilation_cache import compiled_code_kept

_PROGRAM = """
import numpy as np
from agave_tf.commands.compilation_cache import compiled_code_kept
for size in 8, 9:  # Two commands of one process.
    with compiled_code_kept():
        import agave_tf.training.train_loop
        import tensorflow as tf
        product = tf.function(lambda x: tf.nn.tanh(x @ x) @ x, jit_compile=True)
        print(np.asarray(product(tf.ones([size, size]))).sum())
"""


@pytest.fixture(name="cache")
def _cache(tmp_path, monkeypatch):
    """An empty cache of compiled code."""
    monkeypatch.setenv("AGAVE_COMPILATION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TF_XLA_FLAGS", "")
    monkeypatch.setattr(compilation_cache, "_in_use", {})
    return tmp_path / "cache"


def _command() -> None:
    """Begins and ends a command that compiles nothing, as in another process."""
    compilation_cache._in_use.clear()
    with compiled_code_kept():
        pass


def _directory() -> pathlib.Path:
    """Where TensorFlow is told to keep what it compiles."""
    flag = os.environ["TF_XLA_FLAGS"].split()[-2]
    return pathlib.Path(flag.removeprefix("--tf_xla_persistent_cache_directory="))


def _run() -> str:
    """Compiles in a new process; returns what it computes."""
    process = [sys.executable, "-c", _PROGRAM]
    result = subprocess.run(process, capture_output=True, text=True, check=True)
    return result.stdout


def test_next_process_loads_what_was_compiled(cache):
    first = _run()
    compiled, other = sorted(cache.glob("*/*.pb"))
    assert pathlib.Path(f"{other}.sha256").exists()
    whole, time_made = compiled.read_bytes(), compiled.stat().st_mtime_ns
    assert _run() == first
    assert compiled.stat().st_mtime_ns == time_made
    # TensorFlow by itself could not compute any more.
    compiled.write_bytes(whole[:-100])
    assert _run() == first
    assert len(compiled.read_bytes()) == len(whole)
    assert compilation_cache._digest(str(compiled)) == (
        pathlib.Path(f"{compiled}.sha256").read_text()
    )


def test_each_cpu_and_each_flag_of_xla_has_a_directory(cache, monkeypatch):
    directories = set()
    for flags in ("", "--xla_cpu_max_isa=AVX2"):
        monkeypatch.setenv("XLA_FLAGS", flags)
        monkeypatch.setenv("TF_XLA_FLAGS", "")
        _command()
        directories.add(_directory())
    monkeypatch.setenv("TF_XLA_FLAGS", "")
    monkeypatch.setattr(compilation_cache, "_facts", lambda: ["another CPU"])
    _command()
    directories.add(_directory())
    assert {path.parent for path in directories} == {cache}
    assert len(directories) == 3


def test_unsealed_and_old_files_are_removed(cache, monkeypatch):
    _command()
    directory = _directory()
    for number, name in enumerate(("old.pb", "new.pb", "damaged.pb")):
        (directory / name).write_bytes(bytes(1000))
        os.utime(directory / name, (number + 1, number + 1))
    compilation_cache._seal(str(directory))
    (directory / "damaged.pb").write_bytes(bytes(999))
    (directory / "killed.pb").write_bytes(bytes(10))
    (directory / "killed.pb.tmp").write_bytes(b"")
    (directory / "written_now.pb.tmp").write_bytes(b"")
    os.utime(directory / "killed.pb.tmp", (time.time() - 7200,) * 2)
    monkeypatch.setattr(compilation_cache, "_MOST_BYTES", 1500)
    monkeypatch.setenv("TF_XLA_FLAGS", "")
    _command()
    assert {path.name for path in directory.iterdir()} == {
        "new.pb",
        "new.pb.sha256",
        "written_now.pb.tmp",
    }


def test_is_off_where_nothing_can_be_written(cache, monkeypatch, caplog):
    cache.write_text("a file where the directory should be")
    _command()
    assert os.environ["TF_XLA_FLAGS"] == ""
    cache.unlink()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compilation_cache.os, "posix_fallocate", full)
    _command()
    assert os.environ["TF_XLA_FLAGS"] == ""
    assert not list(cache.glob("*/*"))


def test_directory_that_others_may_write_to_is_not_used(cache, monkeypatch):
    _command()
    _directory().chmod(0o777)
    monkeypatch.setenv("TF_XLA_FLAGS", "")
    _command()
    assert os.environ["TF_XLA_FLAGS"] == ""


@pytest.mark.parametrize("name", ["with space", "with'quote"])
def test_path_that_flags_cannot_hold_is_not_used(cache, monkeypatch, name):
    monkeypatch.setenv("AGAVE_COMPILATION_CACHE", str(cache / name))
    _command()
    assert os.environ["TF_XLA_FLAGS"] == ""
    assert not cache.exists()


def test_users_own_choice_is_kept(cache, monkeypatch):
    monkeypatch.setenv("TF_XLA_FLAGS", "file_of_flags")
    _command()
    assert os.environ["TF_XLA_FLAGS"] == "file_of_flags"
    own = "--tf_xla_persistent_cache_directory=/somewhere"
    monkeypatch.setenv("TF_XLA_FLAGS", own)
    _command()
    assert os.environ["TF_XLA_FLAGS"] == own
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_auto_jit=1")
    monkeypatch.setenv("AGAVE_COMPILATION_CACHE", "")
    _command()
    assert os.environ["TF_XLA_FLAGS"] == "--tf_xla_auto_jit=1"
    assert not cache.exists()
