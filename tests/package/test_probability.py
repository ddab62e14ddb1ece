"""TensorFlow Probability without tf-keras: what we use of it is the same."""

import json
import subprocess
import sys

import pytest
from command_process import ROOT

# Hides tf-keras, if it is installed, and prints numbers of the distributions we use.
PROGRAM = """
import importlib.util, json, sys
if sys.argv[1] == "without":
    find_spec = importlib.util.find_spec
    importlib.util.find_spec = lambda n, *a: None if n == "tf_keras" else find_spec(n)
from agave_tf.probability import tfp
import tensorflow as tf
distributions = tfp.distributions
normal = distributions.Normal(0.0, 2.0)
zero, one, three = tf.constant([0.0, 1.0, 3.0], tf.float64)
student = distributions.StudentT(three, zero, one)
mixture = distributions.Categorical(logits=[0.0, 1.0])
print(json.dumps({
    "has_tf_keras": "tf_keras" in sys.modules,
    "normal": float(normal.log_prob(1.0)),
    "student": float(student.quantile(tf.constant(0.975, tf.float64))),
    "categorical": mixture.log_prob([0, 1]).numpy().tolist(),
    "kl": float(normal.kl_divergence(distributions.Normal(1.0, 1.0))),
}))
"""


def numbers(how):
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, how],
        capture_output=True,
        check=True,
        cwd=ROOT,
        text=True,
    )
    return json.loads(run.stdout.splitlines()[-1])


def test_without_tf_keras_the_distributions_are_the_same():
    pytest.importorskip("tf_keras")
    found, expected = numbers("without"), numbers("with")
    # No stand-in is left for others to find.
    assert not found.pop("has_tf_keras")
    assert expected.pop("has_tf_keras")
    assert found == expected
