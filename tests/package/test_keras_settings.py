"""The user's own settings of Keras change nothing, whatever they are for."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import tiny

SCRIPT = """
import os, sys
sys.path.insert(0, sys.argv[1])
import agave_tf
import keras, numpy as np, tensorflow as tf
from tiny import tiny_images, tiny_model
keras.utils.set_random_seed(0)
model = tiny_model(num_pixel_cnn_resolutions=1, num_layers_per_resolution=1)
images = tiny_images(4)
from agave_tf.evaluation.evaluator import Evaluator
scores = Evaluator(model, 4).scores(images, 1)
print(keras.config.backend(), scores.bound.tolist(), keras.config.floatx())
"""


def run(script, environment, *arguments):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("KERAS_")}
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        env=clean | environment,
    )


def test_keras_json_and_the_environment_change_no_number(tmp_path):
    """Another backend ended in a traceback, another float type in other weights."""
    (tmp_path / "keras.json").write_text(
        json.dumps(
            {
                "backend": "jax",
                "floatx": "float64",
                "epsilon": 0.1,
                "image_data_format": "channels_first",
            }
        )
    )
    tests = str(pathlib.Path(tiny.__file__).parent)
    plain = run(SCRIPT, {"KERAS_HOME": str(tmp_path / "none")}, tests)
    assert plain.stdout.startswith("tensorflow [-"), plain.stderr
    for environment in ({}, {"KERAS_BACKEND": "torch"}):
        result = run(SCRIPT, {"KERAS_HOME": str(tmp_path), **environment}, tests)
        # The user's own layers keep the float type.
        expected = plain.stdout.replace("float32", "float64")
        assert result.stdout == expected, result.stderr


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_keras_imported_before_with_another_backend_is_refused(backend):
    # Another backend's library need not be installed here.
    script = (
        "import sys, types; keras = types.ModuleType('keras');"
        f"keras.config = types.SimpleNamespace(backend=lambda: '{backend}');"
        "sys.modules['keras'] = keras; import agave_tf"
    )
    result = run(script, {})
    is_refused = backend != "tensorflow"
    message = f"Keras was imported before with {backend}. Import agave_tf first."
    assert (message in result.stderr) == is_refused
    assert (result.returncode != 0) == is_refused
