"""A file decodes in every process, version and batch, to the same pictures."""

import json
import os
import pathlib
import subprocess
import sys
import zlib

import numpy as np
import pytest
from coding_models import COUNT, SIZE, gray_codec, noise, smooth
from golden_pictures import CODED, DIGESTS, digests, golden_codec, golden_pictures

from agave_tf.codec import one_size
from agave_tf.codec.read_file import file_of


@pytest.fixture(scope="module")
def codec():
    return gray_codec()


def test_other_processes_instructions_libraries_and_threads_decode(codec, tmp_path):
    """And what they encode decodes here."""

    def started(name, lanes, threads, **environment):
        (tmp_path / name).write_bytes(gray_codec(lanes=lanes).encode(smooth()))
        script = "tests/codec/coded_elsewhere.py"
        files = [str(tmp_path / name), str(tmp_path / f"{name}.new")]
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **environment}
        return subprocess.Popen(
            [sys.executable, script, *files, str(lanes), str(threads)],
            env={**os.environ, "PYTHONPATH": ".:tests", **environment},
            cwd=pathlib.Path(__file__).resolve().parents[2],
        )

    processes = [
        started(
            "old_cpu",
            lanes=1,
            threads=1,
            ONEDNN_MAX_CPU_ISA="AVX2",
            XLA_FLAGS="--xla_cpu_max_isa=SSE4_2",
        ),
        started("no_onednn", lanes=3, threads=2, TF_ENABLE_ONEDNN_OPTS="0"),
    ]
    for process in processes:
        assert process.wait() == 0
    for name in ("old_cpu", "no_onednn"):
        decoded = codec.decode((tmp_path / f"{name}.new").read_bytes())
        np.testing.assert_array_equal(decoded.images, smooth())


def test_the_golden_file_decodes():
    """A change of arithmetic, of candidates or of the format would make it fail.

    Then every file that users have would be lost: it needs another number of the
    format.
    """
    data, expected = CODED.read_bytes(), json.loads(DIGESTS.read_text())
    groups = file_of(data, (*SIZE, 3), 2, False).header.groups
    kinds = {(group.kind.is_stored, group.kind.is_gray) for group in groups}
    assert kinds == {(False, False), (True, False), (False, True), (True, True)}
    assert len({group.kind.size for group in groups if not group.kind.is_stored}) == 2
    codec = golden_codec()
    decoded = codec.decode(data)
    pictures, labels, names = golden_pictures()
    for found, picture in zip(decoded.images, pictures, strict=True):
        np.testing.assert_array_equal(found, picture)
    assert (decoded.labels.tolist(), decoded.names) == (labels, names)
    assert digests(decoded) == expected["decoded"]
    assert digests(codec.preview(data)) == expected["preview"]


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_a_file_decodes_whatever_the_settings_of_the_decoder(codec, lanes):
    other = gray_codec(lanes=lanes, index_bits=8, block_bits=4.0)
    decoded = codec.decode(other.encode(smooth()))
    np.testing.assert_array_equal(decoded.images, smooth())


def test_numbers_of_images_at_a_time_and_of_threads_change_nothing(codec, monkeypatch):
    data = codec.encode(smooth())
    batches = []
    monkeypatch.setattr(one_size, "_ENCODED_PIXELS", SIZE[0] * SIZE[1])
    monkeypatch.setattr(one_size, "_DECODED_PIXELS", 1)
    pop_images = one_size.pop_images

    def counted(model, stacks, *args):
        batches.append(len(stacks))
        return pop_images(model, stacks, *args)

    monkeypatch.setattr(one_size, "pop_images", counted)
    one_by_one = gray_codec(codec.model)
    assert one_by_one.encode(smooth()) == data
    np.testing.assert_array_equal(one_by_one.decode(data).images, smooth())
    assert batches == [1] * COUNT
    monkeypatch.undo()
    # One thread takes the batches one after another.
    monkeypatch.setattr(one_size, "num_threads", lambda: 1)
    monkeypatch.setattr(one_size, "_DECODED_PIXELS", 2 * SIZE[0] * SIZE[1])
    monkeypatch.setattr(one_size, "_ENCODED_PIXELS", 3 * SIZE[0] * SIZE[1])
    in_one_thread = gray_codec(codec.model)
    assert in_one_thread.encode(smooth()) == data
    np.testing.assert_array_equal(in_one_thread.decode(data).images, smooth())


def test_another_zlib_packs_names_otherwise_and_they_still_open(codec, monkeypatch):
    """The digest was of names as this machine's zlib would pack them."""
    names = [f"{'name' * 9}{number}" for number in range(COUNT)]
    compress = zlib.compress
    monkeypatch.setattr(zlib, "compress", lambda content, level: compress(content, 1))
    data = codec.encode(smooth(), names=names)
    monkeypatch.undo()
    assert codec.encode(smooth(), names=names) != data
    decoded = codec.decode(data)
    assert decoded.names == names
    np.testing.assert_array_equal(decoded.images, smooth())
    assert codec.preview(data).names == names


def test_the_progress_counts_every_image(codec):
    """Batches that are filled up count no image twice; stored ones take no network."""
    progress = []
    shown = gray_codec(codec.model, progress=progress.append)
    data = shown.encode(np.concatenate([smooth(4), noise(1)]))
    encoded, before = list(progress), len(progress)
    shown.decode(data)
    assert sum(step.num_images for step in encoded) == COUNT
    assert sum(step.num_images for step in progress[before:]) == 4
    assert min(step.bits for step in encoded) > 0


def test_the_progress_of_a_long_stream_comes_image_by_image(codec):
    """It came when a lane was done, after minutes, and so did the end by Ctrl-C."""
    progress = []
    shown = gray_codec(codec.model, progress=progress.append, lanes=1)
    data = shown.encode(smooth(3))
    progress.clear()
    shown.decode(data)
    assert [step.num_images for step in progress] == [1, 1, 1]
