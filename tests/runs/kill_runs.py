#!/usr/bin/env python3
"""Kills a run again and again, and compares its weights with those of a run left alone.

tests/runs/kill_runs.py --kills=20

The run is killed (signal 9) at random moments and started again until it is finished.
Its weights must equal the other's, bit for bit. This takes too long for bin/test, which
kills a run once in every way.
"""

import argparse
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]


def train(run_dir: pathlib.Path, steps: int) -> subprocess.Popen:
    """Starts bin/train.py on a tiny joint stage that saves every third step."""
    command = [
        sys.executable,
        str(ROOT / "bin" / "train.py"),
        f"--flagfile={ROOT}/flags/smoke.flags",
        "--stage=joint",
        f"--run_dir={run_dir}",
        f"--joint_steps={steps}",
        "--checkpoint_every=3",
        "--evaluate_images=0",
        "--evaluate_every=100000",
        "--dropout_rate=0.5",
    ]
    # To a file: nobody empties a pipe, and a full pipe blocks the run.
    with open(f"{run_dir}.log", "a", encoding="utf-8") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def finish(process: subprocess.Popen, run_dir: pathlib.Path) -> None:
    """Waits for a run to end; exits with its log if it failed."""
    if process.wait() != 0:
        sys.exit(pathlib.Path(f"{run_dir}.log").read_text(encoding="utf-8"))


def seconds_until_saved(process: subprocess.Popen, run_dir: pathlib.Path) -> float:
    """Waits for the first checkpoint of a new run; returns the seconds it took."""
    started = time.monotonic()
    while process.poll() is None:
        if (run_dir / "checkpoints" / "step-3.index").exists():
            break
        time.sleep(0.05)
    return time.monotonic() - started


def weights_of(run_dir: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the averaged weights of a finished run."""
    with np.load(run_dir / "averaged_weights.npz") as file:
        return {name: file[name] for name in file.files}


def main() -> None:
    """Prints the time of each kill, and the number of variables that differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as directory:
        whole, killed = pathlib.Path(directory, "whole"), pathlib.Path(directory, "k")
        started = time.monotonic()
        process = train(whole, arguments.steps)
        beginning = seconds_until_saved(process, whole)
        finish(process, whole)
        duration = time.monotonic() - started
        share = (duration - beginning) / arguments.kills
        print(
            f"left alone: {arguments.steps} steps in {duration:.0f} s, the first after "
            f"{beginning:.0f} s"
        )
        for kill in range(arguments.kills):
            process = train(killed, arguments.steps)
            # A third of the kills come before the first step, the others after it.
            wait = moments.uniform(0, beginning)
            if moments.random() > 1 / 3:
                wait = beginning + moments.uniform(0, 1.5 * share)
            try:
                process.wait(timeout=wait)
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            names = sorted(p.name for p in (killed / "checkpoints").glob("*.index"))
            print(f"kill {kill + 1} after {wait:.1f} s; checkpoints {names}")
        process = train(killed, arguments.steps)
        finish(process, killed)
        a, b = weights_of(whole), weights_of(killed)
        assert a.keys() == b.keys()
        differing = [name for name in a if not np.array_equal(a[name], b[name])]
        print(f"variables that differ: {len(differing)} of {len(a)}")
        sys.exit(bool(differing))


if __name__ == "__main__":
    main()
