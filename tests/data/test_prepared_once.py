"""Processes that start together prepare a TFDS data set once."""

import multiprocessing
import os
import time

import numpy as np
import pytest
import tensorflow_datasets as tfds
from source_parts import part
from test_tfds import RGB, filled, opened, write

from agave_tf.data import tfds as tfds_source
from agave_tf.data import tfds_preparation
from agave_tf.data.tfds_preparation import one_at_a_time


class Slow(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Takes a second to prepare, and notes each time in a file."""

    name = "slow"
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = tfds.features.FeaturesDict({"image": RGB})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        root = os.path.dirname(self.data_dir_root)
        with open(os.path.join(root, "prepared"), "a") as file:
            file.write("x")
        time.sleep(1)
        return {"train": self._examples(0), "test": self._examples(4)}

    def _generate_examples(self):
        raise AssertionError("not called")

    def _examples(self, first):
        for i in range(first, first + 4):
            yield i, {"image": np.full((8, 8, 3), i, np.uint8)}


def _open_slow(root, both_are_here, results):
    """Opens the set with a builder that was made before anybody prepared it."""
    directory = os.path.join(root, "data")
    for module in (tfds_source, tfds_preparation):
        module.find_builder = lambda config: Slow(data_dir=config.data_dir)
    both_are_here.wait()
    try:
        source = opened(directory, "slow")
        images = part(source, "test")[0]
        results.put((source.fingerprint, sorted(images[:, 0, 0, 0].tolist())))
    except Exception as error:
        results.put(repr(error))


def test_two_processes_prepare_a_set_once_and_both_read_it(tmp_path):
    """Each prepared it, and the second found the directory of the first in its way."""
    processes = multiprocessing.get_context("forkserver")
    both_are_here, results = processes.Barrier(2), processes.Queue()
    started = [
        processes.Process(target=_open_slow, args=(tmp_path, both_are_here, results))
        for _ in range(2)
    ]
    for process in started:
        process.start()
    found = [results.get(timeout=120) for _ in started]
    for process in started:
        process.join()
    assert found[0] == found[1]
    assert found[0][1] == [4, 5, 6, 7]
    assert (tmp_path / "prepared").read_text() == "x"
    assert not list((tmp_path / "data").glob(".*"))


def test_a_prepared_set_is_read_and_nothing_is_written(tmp_path):
    """It may lie where one cannot write."""
    write(tmp_path, {"image": RGB}, {"train": filled(0, 4), "test": filled(4, 2)})
    directories = [tmp_path, *(p for p in tmp_path.rglob("*") if p.is_dir())]
    before = [path.stat().st_mtime_ns for path in directories]
    assert len(part(opened(tmp_path), "train")[0]) == 4
    assert [path.stat().st_mtime_ns for path in directories] == before


def _hold(path, entered, seconds):
    with one_at_a_time(path, "which holds"):
        entered.put("first")
        time.sleep(seconds)
        entered.put("first is done")


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_process_waits_for_the_one_before_it_to_end(tmp_path, is_killed):
    processes = multiprocessing.get_context("forkserver")
    path, entered = str(tmp_path / "new" / "lock"), processes.Queue()
    holder = processes.Process(target=_hold, args=(path, entered, 1))
    holder.start()
    assert entered.get(timeout=60) == "first"
    if is_killed:
        holder.kill()
    with one_at_a_time(path, "which holds"):
        assert is_killed or entered.get(timeout=5) == "first is done"
        assert os.path.exists(path)
    holder.join()
    assert not os.path.exists(path)
