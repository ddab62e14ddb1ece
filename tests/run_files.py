"""Reads and waits for the files of a run that a process is writing."""

import json
import time

import numpy as np

from agave_tf.runs.checkpoints import checkpoint_steps


def wait_for_step(command, run_dir, step):
    """Returns when a run has saved this step."""
    deadline = time.monotonic() + 120
    while max(checkpoint_steps(run_dir / "checkpoints"), default=-1) < step:
        assert command.process.is_alive(), command.result().stderr
        assert time.monotonic() < deadline, "no checkpoint came"
        time.sleep(0.05)


def saved_step(run_dir):
    """The step of the stored weights."""
    return json.loads((run_dir / "progress.json").read_text())["step"]


def averaged_weights(run_dir):
    """The stored weights by name."""
    with np.load(run_dir / "averaged_weights.npz") as file:
        return {name: file[name] for name in file.files}
