"""Runs a SavedModel with TensorFlow alone: tests of exports start it as a process.

exported_elsewhere.py SAVED_MODEL CALLS.npz RESULTS.npz

CALLS has an array for each `CALL/ARGUMENT`, RESULTS one for each `CALL/OUTPUT`. CALL is
the name of a signature, or `SIGNATURE, NOTE` for more calls of it. A call that is
refused has one output, `refusal`: the message.
"""

import importlib
import sys

import numpy as np

_ABSENT = ("agave_tf", "keras", "tf_keras", "tensorflow_probability")


def main(model: str, calls: str, results: str) -> None:
    """Makes the calls, and one of each signature that takes no arguments."""
    # From now on importing one of these is an error.
    sys.modules.update(dict.fromkeys(_ABSENT))
    tf = importlib.import_module("tensorflow")
    signatures = tf.saved_model.load(model).signatures
    arguments = {name: {} for name in signatures}
    with np.load(calls) as file:
        for key in file.files:
            name, argument = key.split("/")
            arguments.setdefault(name, {})[argument] = tf.constant(file[key])
    outputs = {}
    for name, given in arguments.items():
        try:
            result = signatures[name.split(",")[0]](**given)
        except tf.errors.InvalidArgumentError as error:
            result = {"refusal": tf.constant(str(error))}
        for output, value in result.items():
            outputs[f"{name}/{output}"] = value.numpy()
    np.savez(results, **outputs)


if __name__ == "__main__":
    main(*sys.argv[1:])
