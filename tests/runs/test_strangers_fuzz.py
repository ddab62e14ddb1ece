"""Whatever is changed in a file of a run: it is used, or one line refuses it, soon."""

import json
import random
import shutil
import time
import zlib

import numpy as np
import pytest
from damaged_files import CONFIG, PROGRESS, SCORES, WEIGHTS, make_run

from agave_tf.errors import InputError
from agave_tf.interop.provenance import about_run
from agave_tf.runs.open_run import open_run
from agave_tf.runs.score_files import stored_image_scores, stored_scores
from agave_tf.settings.evaluation import EvaluationSettings

SCORED = EvaluationSettings(num_importance_samples=2, max_images=5)
VALUES = (None, True, 0, -1, 1, 3, 8, 1.5, 10**30, 10**400, float("nan"), -float("inf"))
VALUES += ("", "1", "x" * 300, "\0", "~nobody/x", "<script>", [], {}, [[[]]], {"a": 1})
# Several times what a file takes on a busy machine; a hang or a large network is more.
MOST_SECONDS = 30


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "run"
    make_run(path)
    return path


def use(run_dir):
    """Reads all that the commands read of a run, and checks that it has bounds."""
    try:
        run = open_run(str(run_dir))
        assert 0 <= run.step < 2**62 and max(run.image_shape) <= 2048
        scores = stored_scores(run, SCORED)
        assert scores is None or scores["num_images"] >= 1
        stored_image_scores(run, SCORED)
        json.dumps(about_run(run))
        return "used"
    except InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 5000
        return "refused"


def places(content, found=()):
    """The path of keys to every value in JSON content."""
    inner = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in inner:
        yield (*found, key)
        if isinstance(value, dict | list):
            yield from places(value, (*found, key))


def with_another_value(text, rng):
    """JSON in which a value is another, is gone, stands elsewhere, or has a twin."""
    content = json.loads(text)
    *outer, last = rng.choice(list(places(content)))
    inner = content
    for key in outer:
        inner = inner[key]
    match rng.randrange(4):
        case 0:
            del inner[last]
        case 1:
            elsewhere = rng.choice(list(places(content)))
            value = content
            for key in elsewhere:
                value = value[key]
            inner[last] = json.loads(json.dumps(value))
        case 2 if isinstance(inner, dict):
            twin = f"{json.dumps(last)}: 1, {json.dumps(last)}: "
            return json.dumps(content).replace(f"{json.dumps(last)}: ", twin, 1)
        case _:
            inner[last] = rng.choice(VALUES)
    return json.dumps(content)


def with_other_bytes(data, rng):
    """Bytes of which some are others, are gone, stand twice, or are cut off."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 4))):
        # The ends of a file have its structure.
        ends = rng.random() < 0.5
        place = rng.randrange(len(data))
        place = max(0, len(data) - 1 - rng.randrange(400)) if ends else place
        match rng.randrange(4):
            case 0:
                del data[place : place + rng.randrange(1, 40)]
            case 1:
                data[place:place] = data[place : place + 40]
            case 2:
                data[place] = rng.randrange(256)
            case 3:
                data[place] ^= 1 << rng.randrange(8)
        if not data:
            break
    return bytes(data[: rng.randrange(len(data) + 1)] if rng.random() < 0.1 else data)


@pytest.mark.parametrize("file,count", [(CONFIG, 200), (PROGRESS, 30), (SCORES, 100)])
def test_changed_values(file, count, run_dir):
    path, rng = run_dir / file, random.Random(0)
    whole = path.read_text()
    assert use(run_dir) == "used"
    ends = set()
    for _ in range(count):
        path.write_text(with_another_value(whole, rng))
        started = time.monotonic()
        ends.add(use(run_dir))
        assert time.monotonic() - started < MOST_SECONDS, path.read_text()
    path.write_text(whole)
    assert ends == ({"used"} if file == SCORES else {"used", "refused"})


@pytest.mark.parametrize(
    "file,count", [(CONFIG, 100), (PROGRESS, 30), (SCORES, 60), (WEIGHTS, 150)]
)
def test_changed_bytes(file, count, run_dir):
    path, rng = run_dir / file, random.Random(1)
    whole = path.read_bytes()
    ends = set()
    for _ in range(count):
        path.write_bytes(with_other_bytes(whole, rng))
        started = time.monotonic()
        ends.add(use(run_dir))
        assert time.monotonic() - started < MOST_SECONDS
    path.write_bytes(whole)
    assert ends >= ({"used"} if file == SCORES else {"refused"})


def test_changed_scores_of_images(run_dir, tmp_path):
    """With the checksum that the changed file has."""
    shutil.copytree(run_dir, tmp_path / "run")
    path, rng = tmp_path / "run" / "evaluation_test_images.npz", random.Random(2)
    whole, scores = path.read_bytes(), tmp_path / "run" / SCORES
    content = json.loads(scores.read_text())
    for _ in range(60):
        data = with_other_bytes(whole, rng)
        path.write_bytes(data)
        content["images"]["crc32"] = zlib.crc32(data)
        scores.write_text(json.dumps(content))
        found = stored_image_scores(open_run(str(tmp_path / "run")), SCORED)
        for values in (found or {}).values():
            assert isinstance(values, np.ndarray) and values.shape == (5,)
