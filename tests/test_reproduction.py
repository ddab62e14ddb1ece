"""One command makes a table of the paper, however often it is interrupted."""

import json
import os
import signal
import time

import numpy as np
import pytest
import tensorflow as tf
from command_process import Command
from test_commands import refused

from agave_tf.reproduction.artifacts import ARTIFACTS
from agave_tf.reproduction.planned_runs import planned_runs
from agave_tf.reproduction.report import Claim, Report
from agave_tf.reproduction.scales import SCALES
from agave_tf.reproduction.workspace import Workspace

pytestmark = pytest.mark.xdist_group("reproduction")


def test_a_table_is_made_after_an_interruption(tmp_path):
    arguments = ("--artifact=table1", "--scale=toy", f"--output_dir={tmp_path}")
    interrupted = Command("reproduce", *arguments)
    first, second = (tmp_path / "runs" / f"pretrain_{n}" for n in ("vae", "pixel_cnn"))
    while not (second / "config.json").exists():
        assert interrupted.process.is_alive()
        time.sleep(0.1)
    os.kill(interrupted.process.pid, signal.SIGTERM)
    result = interrupted.result()
    assert result.returncode == 128 + signal.SIGTERM, result.stderr
    assert "stopped by SIGTERM; the same command goes on" in result.stderr
    before = (first / "averaged_weights.npz").stat().st_mtime_ns
    result = Command("reproduce", *arguments).result()
    assert result.returncode == 0, result.stderr
    assert (first / "averaged_weights.npz").stat().st_mtime_ns == before
    content = json.loads((tmp_path / "results" / "table1.json").read_text())
    ours = {row[0]: float(row[3]) for row in content["rows"] if row[1] == "ours"}
    assert len(ours) == 4 and all(np.isfinite(list(ours.values())))
    numbers = content["claims"][0]["numbers"]
    assert numbers["difference"] == numbers["AGAVE"] - numbers["PixelCNN++"]
    assert (numbers["difference"] <= 0.02) == content["claims"][0]["is_held"]
    text = (tmp_path / "results" / "table1.md").read_text()
    assert f"| AGAVE, lambda 12 | ours | 8x8 | {numbers['AGAVE']:.4f} |" in text


def test_a_dry_run_trains_nothing_and_bad_input_is_refused(tmp_path):
    arguments = ("--artifact=all", f"--output_dir={tmp_path}/out")
    result = Command("reproduce", *arguments, "--scale=paper", "--dry_run").result()
    lines = [line for line in result.stdout.splitlines() if line[0] != "#"]
    assert len(lines) == len(planned_runs())
    assert not (tmp_path / "out").exists()
    refused("artifact", "reproduce", "--artifact=figure1", f"--output_dir={tmp_path}")


def test_every_artifact_has_its_runs_and_every_run_its_sources_before_it():
    runs = planned_runs()
    workspace = Workspace("out", SCALES["small"], "")
    shown = set()
    for artifact in ARTIFACTS.values():
        needed = workspace.needed(artifact.runs)
        for place, run in enumerate(needed):
            assert set(run.sources.values()) <= {r.name for r in needed[:place]}
        shown |= {run.name for run in needed}
    assert shown == set(runs)


def test_runs_that_are_compared_make_as_many_steps():
    workspace = Workspace("out", SCALES["small"], "")
    commands = {
        name: " ".join(workspace.command(run)) for name, run in planned_runs().items()
    }
    assert "--joint_steps=600" in commands["control_seed_1"]
    assert "--pretrain_pixel_cnn_steps=900" in commands["longer_pixel_cnn"]
    assert "--kl_annealing_steps=400" in commands["scratch_kl_annealing"]


def test_a_report_says_what_was_not_held(tmp_path):
    claim = Claim("It falls", False, {"before": 1.0, "after": [2.0, 3.0]})
    picture = np.zeros((4, 6, 3), np.uint8)
    Report("A table", ["x", "y"], [["a", 0.5]], [claim], picture).write(tmp_path, "t")
    text = (tmp_path / "t.md").read_text()
    assert "| a | 0.5000 |" in text
    assert "It falls: **not held** (before 1.0000, after 2.0000, 3.0000)" in text
    assert tf.io.decode_png((tmp_path / "t.png").read_bytes()).shape == (4, 6, 3)
    (stored,) = json.loads((tmp_path / "t.json").read_text())["claims"]
    assert stored["is_held"] is False
