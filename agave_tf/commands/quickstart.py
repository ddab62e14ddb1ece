"""Trains a small AGAVE, evaluates it and draws, for bin/quickstart.

The commands run in one process, which imports TensorFlow once and compiles the sampler
once.
"""

import contextlib
import io
import os
import sys
from types import ModuleType

from agave_tf.commands import evaluate, sample, train

_DRAWING = ("--num_images=12", "--scale=6")


def main() -> None:
    """Runs the commands; the one argument is the directory of their runs and files."""
    (directory,) = sys.argv[1:]
    joint = f"--run_dir={directory}/joint"
    evaluation, samples, reconstructions = (
        os.path.join(directory, name)
        for name in ("evaluation.txt", "samples.png", "reconstructions.png")
    )
    _say("1/4 Training: the VAE, the PixelCNN++, then both together ...")
    _run(train, "--flagfile=quickstart.flags", "--stage=all", f"--run_dir={directory}")
    if _is_newer(reconstructions, f"{directory}/joint/averaged_weights.npz"):
        _say("2/4 to 4/4 are done already:")
        with open(evaluation) as file:
            _say(file.read().rstrip())
        return
    _say("2/4 Evaluating on held-out images ...")
    with contextlib.redirect_stdout(io.StringIO()) as text:
        _run(evaluate, joint, "--num_importance_samples=16", "--max_images=100")
    _say(text.getvalue().rstrip())
    with open(evaluation, "w") as file:
        file.write(text.getvalue())
    _say("3/4 Drawing samples ...")
    _run(sample, joint, "--mode=prior", *_DRAWING, f"--output={samples}")
    _say("4/4 Drawing reconstructions ...")
    _run(sample, joint, "--mode=reconstruct", *_DRAWING, f"--output={reconstructions}")


def _run(command: ModuleType, *flags: str) -> None:
    """Runs a command as its own process would, and ends if it fails."""
    name = command.__name__.rpartition(".")[2]
    sys.argv = [f"{name}.py", *flags]
    command.main()


def _is_newer(path: str, than: str) -> bool:
    """Tells whether pictures were drawn from these weights."""
    return os.path.exists(path) and os.path.getmtime(path) > os.path.getmtime(than)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
