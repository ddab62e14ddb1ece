"""Runs a SavedModel where only TensorFlow is: test_export.py starts it as a process.

exported_elsewhere.py SAVED_MODEL CALLS.npz RESULTS.npz

CALLS has an array for `SIGNATURE/ARGUMENT`; RESULTS, one for `SIGNATURE/OUTPUT`.
"""

import importlib
import sys

import numpy as np

_ABSENT = ("agave_tf", "keras", "tf_keras", "tensorflow_probability")


def main(model: str, calls: str, results: str) -> None:
    """Calls every signature once."""
    # Importing one of these is an error from now on.
    sys.modules.update(dict.fromkeys(_ABSENT))
    tf = importlib.import_module("tensorflow")
    signatures = tf.saved_model.load(model).signatures
    arguments = {name: {} for name in signatures}
    with np.load(calls) as file:
        for key in file.files:
            name, argument = key.split("/")
            arguments[name][argument] = tf.constant(file[key])
    outputs = {}
    for name, given in arguments.items():
        for output, value in signatures[name](**given).items():
            outputs[f"{name}/{output}"] = value.numpy()
    np.savez(results, **outputs)


if __name__ == "__main__":
    main(*sys.argv[1:])
