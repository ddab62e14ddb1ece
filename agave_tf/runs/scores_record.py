"""Reads the scores in a run's directory, and checks them: anyone may have written them.

evaluation_*.json has means, evaluation_*_images.npz has the scores of every image.
"""

import dataclasses
import os
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from absl import logging

from agave_tf.checked_json import JsonValue, read_json
from agave_tf.checked_npz import ArrayForm, read_open_npz
from agave_tf.errors import InputError
from agave_tf.plain_file import open_plain
from agave_tf.settings.evaluation import EvaluationSettings

_MOST_IN_WORD = 100  # characters of a fingerprint, a version or a score's name
# Settings of an evaluation that files of version 0.2 do not have.
_LATER = ("tile_size",)
# The largest file of image scores that is read, of some ten million images.
_MOST_BYTES = 2**32


def read_scores(path: str) -> dict[str, Any]:
    """Reads a file of scores that `evaluate_run` wrote; other fields are left out.

    A damaged file is passed over with a warning: scores can be computed again.

    Returns:
      Nothing if there is no such file, if it is damaged, or if it is of version 0.1,
      which did not record whose weights were scored.
    """
    try:
        content = read_json(path)
        return _scores(content) if "weights" in content.fields() else {}
    except FileNotFoundError:
        return {}
    except InputError as error:
        logging.warning("These scores are not used: %s", error)
        return {}


def read_image_scores(
    path: str, scores: dict[str, Any]
) -> dict[str, np.ndarray] | None:
    """Reads the scores of every image, [N] each, by name.

    Args:
      path: the file.
      scores: the means over these images, from `read_scores`.

    Returns:
      None if there is no such file, if it is damaged, or if its checksum is not the one
      that `scores` name.
    """
    count = scores["num_images"]

    def check(found: Mapping[str, ArrayForm]) -> None:
        if missing := sorted({"index", *scores["scores"]} - found.keys()):
            raise InputError(f"{path} lacks {missing[0]!r}, which is beside it.")
        for name, form in found.items():
            if form.shape != (count,):
                raise InputError(
                    f"{path}: {name!r} must have a number for each of {count} images, "
                    f"as in the scores beside it; it has shape {form.shape}."
                )

    try:
        with open_plain(path) as file:
            if os.fstat(file.fileno()).st_size > _MOST_BYTES:
                raise InputError(f"{path} must have at most {_MOST_BYTES} bytes.")
            if scores.get("images", {}).get("crc32") != _crc32(file):
                return None
            file.seek(0)
            return read_open_npz(file, path, check)
    except FileNotFoundError:
        return None
    except InputError as error:
        logging.warning("These scores are not used: %s", error)
        return None


def file_crc32(path: str) -> int:
    """The checksum of a file of image scores, which the file of the means names."""
    with open_plain(path) as file:
        return _crc32(file)


def _crc32(file: BinaryIO) -> int:
    checksum = 0
    while data := file.read(2**20):
        checksum = zlib.crc32(data, checksum)
    return checksum


def _scores(content: JsonValue) -> dict[str, Any]:
    """The fields of a file of scores, in the order in which they are written."""
    content["data"]["dataset"].text()
    found: dict[str, Any] = {
        "step": content["step"].whole_number(),
        "weights": content["weights"].text(_MOST_IN_WORD),
        "data": {name: v.simple() for name, v in content["data"].fields().items()},
        "evaluation": _evaluation(content["evaluation"]),
    }
    if versions := content.get("versions"):
        texts = versions.fields().items()
        found["versions"] = {name: v.text(_MOST_IN_WORD) for name, v in texts}
    found["num_images"] = content["num_images"].whole_number(least=1)
    found["num_images_in_split"] = content["num_images_in_split"].whole_number(least=1)
    if samples := content.get("num_importance_samples"):
        found["num_importance_samples"] = samples.whole_number(least=1)
    if images := content.get("images"):
        checksum = images["crc32"].whole_number()
        found["images"] = {"file": images["file"].text(), "crc32": checksum}
    found["scores"] = _numbers(content["scores"])
    for name in ("standard_errors", "probe"):
        if numbers := content.get(name):
            found[name] = _numbers(numbers)
    return found


def _evaluation(evaluation: JsonValue) -> dict[str, Any]:
    """The settings of the evaluation: those of `EvaluationSettings`, all of them."""
    names = [field.name for field in dataclasses.fields(EvaluationSettings)]
    for name, value in evaluation.fields().items():
        if name not in names:
            raise value.wrong(f"be one of {', '.join(names)}")
    given = evaluation.fields()
    values: dict[str, Any] = {
        name: evaluation[name].simple()
        for name in names
        if name in given or name not in _LATER
    }
    try:
        return dataclasses.asdict(EvaluationSettings(**values))
    except InputError as error:
        raise InputError(f"{evaluation.file}: {error}") from error


def _numbers(numbers: JsonValue) -> dict[str, int | float | None]:
    """Numbers by name; those of a model that has diverged may be NaN.

    null stands for one that could not be computed.
    """
    return {
        name: None if number.value is None else number.number(is_finite=False)
        for name, number in numbers.fields().items()
    }
