"""A small run with every record that a run can have, and ways to damage its files."""

import copy
import io
import json
import os
import pathlib
import warnings
import zipfile
import zlib

import numpy as np
from tiny import tiny_config

from agave_tf.data.image_set import DataRecord
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.run_record import Change, Source
from agave_tf.runs.score_files import _which_images
from agave_tf.runs.stages import STAGES
from agave_tf.weights.named_weights import named_weights

MISSING = object()  # Removes the field.
CONFIG, PROGRESS, SCORES = "config.json", "progress.json", "evaluation_test.json"
WEIGHTS = "averaged_weights.npz"


def make_run(path: pathlib.Path) -> RunDirectory:
    """A joint run on images of 8x8 that has not been trained, with made-up scores."""
    run = RunDirectory(
        str(path),
        STAGES["joint"],
        tiny_config(num_layers_per_resolution=1, dataset="dead_leaves", image_size="8"),
        (8, 8, 3),
        sources={
            "init_vae_from": Source("/somewhere/vae", "pretrain_vae", 3, "5" * 16)
        },
        data=DataRecord("a" * 16, 12, 6, "its split test"),
        changes=(Change("learning_rate", 0.01, 0.001, 4),),
    )
    run.write_config()
    weights = named_weights(run.make_model())
    run.write_weights({name: v.numpy() for name, v in weights.items()}, 6)
    # Without a comment, as version 0.2 wrote it: progress.json has the step.
    arrays = run_weights(path)
    np.savez(path / WEIGHTS, **arrays)
    run = open_run(run.path)
    of_images = {name: np.linspace(3, 4, 5) for name in scores_of(run)["scores"]}
    of_images["index"] = np.arange(5)
    np.savez(path / "evaluation_test_images.npz", **of_images)
    data = (path / "evaluation_test_images.npz").read_bytes()
    images = {"file": "evaluation_test_images.npz", "crc32": zlib.crc32(data)}
    write_json(path / SCORES, scores_of(run) | {"images": images})
    return run


def run_weights(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The weights in a run's directory."""
    with np.load(path / WEIGHTS) as file:
        return dict(file)


def scores_of(run: RunDirectory) -> dict:
    """The content of a file of scores, as `evaluate_run` writes it."""
    evaluation = {"split": "test", "num_importance_samples": 2, "max_images": 5}
    evaluation |= {"evaluation_batch_size": 50, "evaluation_seed": 0}
    return {
        "step": run.step,
        "weights": run.fingerprint(),
        "data": _which_images(run),
        "evaluation": evaluation | {"probe": False, "probe_images": 10_000},
        "versions": {"agave_tf": "0.2.0"},
        "num_images": 5,
        "num_images_in_split": 6,
        "num_importance_samples": 2,
        "scores": {"bits_per_dim": 3.5, "bits_per_dim_2_samples": 3.25},
        "standard_errors": {"bits_per_dim": 0.1, "bits_per_dim_2_samples": None},
        "probe": {"f(z)": 0.5},
    }


def write_json(path: pathlib.Path, content: object) -> None:
    path.write_text(json.dumps(content))


def with_field(content: dict, name: str, value: object) -> dict:
    """A copy whose field such as "data.num_train" is `value`."""
    content = copy.deepcopy(content)
    *outer, last = name.split(".")
    inner = content
    for key in outer:
        inner = inner[key]
    if value is MISSING:
        del inner[last]
    else:
        inner[last] = value
    return content


def put_directory(path: pathlib.Path) -> None:
    path.unlink()
    path.mkdir()


def put_pipe(path: pathlib.Path) -> None:
    """A pipe into which nobody writes: reading it waits for ever."""
    path.unlink()
    os.mkfifo(path)


# What is no JSON object at all, by what is wrong with it.
TEXTS = {
    "empty": b"",
    "a word": b"hello",
    "a list": b"[]",
    "a number": b"5",
    "UTF-16": '{"step": 1}'.encode("utf-16"),
    "invalid UTF-8": b'{"step": "\xff"}',
    "nested lists": b"[" * 100_000,
    "nested objects": b'{"step":' * 100_000,
    "twins": b'{"step": 1, "step": 1}',
    "too long": b" " * 2**20 + b"{}",
    "a long number": b'{"step": ' + b"1" * 5000 + b"}",
    "a strange name": b'{"\\u001b[31m": 1, "step": 1}',
}


def archive_of(members: list[tuple[str, bytes]], kind: int = zipfile.ZIP_STORED):
    """The bytes of a zip archive; a name may come twice."""
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", kind) as archive:
        warnings.simplefilter("ignore")  # Of the twins.
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def npy_of(array: np.ndarray, shape: tuple | None = None, version=(1, 0)) -> bytes:
    """The bytes of a .npy file, which may claim another shape than it has."""
    file = io.BytesIO()
    if shape is None:
        np.lib.format.write_array(file, array, version, allow_pickle=True)
        return file.getvalue()
    header = np.lib.format.header_data_from_array_1_0(array) | {"shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + array.tobytes()
