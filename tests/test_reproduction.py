"""One command makes a table of the paper, however often it is interrupted."""

import dataclasses
import json
import os
import shlex
import signal
import time
import types

import numpy as np
import pytest
import tensorflow as tf
from command_process import Command, refused

from agave_tf.data.image_set import Images
from agave_tf.pictures.picture_row import PictureRow
from agave_tf.reproduction import trained_runs
from agave_tf.reproduction import workspace as workspaces
from agave_tf.reproduction.artifacts import ARTIFACTS
from agave_tf.reproduction.claim import Claim, below
from agave_tf.reproduction.compared_models import CURVES
from agave_tf.reproduction.learning_curves import ORIGINALS
from agave_tf.reproduction.likelihoods import PUBLISHED
from agave_tf.reproduction.planned_runs import planned_runs
from agave_tf.reproduction.report import Report, column
from agave_tf.reproduction.scales import SCALES
from agave_tf.reproduction.trained_runs import Scores, TrainedRuns
from agave_tf.reproduction.workspace import Workspace
from agave_tf.runs.event_curves import Curve
from agave_tf.settings.flag_files import read_flag_file

pytestmark = pytest.mark.xdist_group("reproduction")


def test_a_table_is_made_after_an_interruption(tmp_path, monkeypatch):
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
    ours = {row[0]: row[3]["mean"] for row in content["rows"] if row[1] == "ours"}
    assert len(ours) == 4 and all(np.isfinite(list(ours.values())))
    (compared,) = content["claims"][0]["comparisons"]
    agave, alone = (
        ours[f"{name}"]
        for name in ("AGAVE, lambda 12", "PixelCNN++ alone, as many steps as AGAVE's")
    )
    assert abs(compared["mean"] - (agave - alone)) < 1e-9
    # Of one seed and of the paired differences of 8 images.
    assert compared["seed_error"] is None and compared["num_images"] == 8
    assert compared["low"] < compared["mean"] < compared["high"]
    text = (tmp_path / "results" / "table1.md").read_text()
    assert f"| AGAVE, lambda 12 | ours | 8x8 | {agave:.4f} ± " in text
    assert (
        content["claims"][0]["verdict"] in (tmp_path / "results/claims.md").read_text()
    )
    assert_scores_are_reused_for_the_same_images_only(tmp_path / "runs", monkeypatch)


def assert_scores_are_reused_for_the_same_images_only(runs, monkeypatch):
    def evaluate(*_):
        raise RuntimeError("evaluated again")

    monkeypatch.setattr(trained_runs, "evaluate_run", evaluate)
    first = TrainedRuns(str(runs), SCALES["toy"]).scores("pretrain_vae")
    stored = runs / "pretrain_vae" / "evaluation_test.json"
    content = json.loads(stored.read_text())
    assert first.bound.shape == (1, 8)
    assert first.bound.mean() == content["scores"]["bits_per_dim_2_samples"]
    content["data"]["dataset"] = "npz:others.npz"
    stored.write_text(json.dumps(content))
    with pytest.raises(RuntimeError, match="evaluated again"):
        TrainedRuns(str(runs), SCALES["toy"]).scores("pretrain_vae")


def test_estimates_are_in_proportion_to_the_pixels_of_a_step():
    """The learning curves have 32 images a step, where the small scale has 16."""
    scale = SCALES["small"]._replace(num_seeds=1)
    workspace = Workspace("out", scale, "")
    for run in workspace.needed(CURVES.values()):
        steps_of_scale = 3000 * 2
        seconds = scale.start_seconds + steps_of_scale * scale.step_seconds[run.stage]
        assert workspace.estimate(run) == pytest.approx(seconds)


def test_a_dry_run_trains_nothing_and_bad_input_is_refused(tmp_path):
    arguments = ("--artifact=all", f"--output_dir={tmp_path}/out")
    result = Command("reproduce", *arguments, "--scale=paper", "--dry_run").result()
    lines = [line for line in result.stdout.splitlines() if line[0] != "#"]
    assert len(lines) == len(planned_runs())
    # A shell can run every line.
    workspace = Workspace(f"{tmp_path}/out", SCALES["paper"], "")
    commands = [workspace.command(run) for run in planned_runs().values()]
    assert [shlex.split(line) for line in lines] == commands
    assert all(os.access(command[0], os.X_OK) for command in commands)
    assert not (tmp_path / "out").exists()
    refused("artifact", "reproduce", "--artifact=figure1", f"--output_dir={tmp_path}")


def test_runs_of_a_seed_start_from_runs_of_that_seed():
    workspace = Workspace("out", SCALES["toy"]._replace(num_seeds=3), "")
    needed = {run.name: run for run in workspace.needed(["joint_lambda_12"])}
    kinds = ("pretrain_vae", "pretrain_pixel_cnn", "joint_lambda_12")
    assert set(needed) == {
        f"{kind}{seed}" for kind in kinds for seed in ("", "_seed_1", "_seed_2")
    }
    command = workspace.command(needed["joint_lambda_12_seed_2"])
    assert "--init_vae_from=out/runs/pretrain_vae_seed_2" in command
    assert "--seed=2" in command
    # The claim of Table 1 has the least margin.
    workspace = Workspace("out", SCALES["toy"]._replace(more_for_table1=1), "")
    needed = {
        run.name for run in workspace.needed(["joint_lambda_12", "joint_lambda_4"])
    }
    assert needed == {
        *(f"{kind}{seed}" for kind in kinds for seed in ("", "_seed_1")),
        "joint_lambda_4",
    }
    # A curve of many steps has one seed.
    assert [run.name for run in workspace.needed(["long_pixel_cnn"])] == [
        "pretrain_pixel_cnn",
        "long_pixel_cnn",
    ]


@pytest.mark.parametrize(
    ("changed", "is_trained"),
    [
        ("ablation_steps", True),
        ("joint_steps", False),
        ("pretrain_vae_steps", False),  # It starts from a run of that stage.
        ("learning_rate", False),
    ],
)
def test_a_run_is_trained_again_only_for_what_determines_it(
    tmp_path, monkeypatch, changed, is_trained
):
    started = []
    monkeypatch.setattr(workspaces, "run_jobs", lambda jobs, _: started.extend(jobs))
    workspace = Workspace(str(tmp_path), SCALES["toy"], "")
    workspace.train(["joint_lambda_12"])
    for job in started:
        os.makedirs(workspace.trained.path(job.name))
        job.finished(1.0)
    marker = f"{workspace.trained.path('joint_lambda_12')}/trained.json"
    with open(marker, encoding="utf-8") as file:
        content = json.load(file)
    content["settings"].append(f"--{changed}=7")
    with open(marker, "w", encoding="utf-8") as file:
        json.dump(content, file)
    del started[:]
    workspace.train(["joint_lambda_12"])
    assert [job.name for job in started] == ["joint_lambda_12"] * (not is_trained)


@pytest.mark.parametrize("content", [[], {}, {"settings": 5}, {"settings": [5]}, "x"])
def test_a_run_whose_mark_is_damaged_is_trained_again_and_said(
    tmp_path, monkeypatch, caplog, content
):
    """The train command finds that it is finished."""
    started = []
    monkeypatch.setattr(workspaces, "run_jobs", lambda jobs, _: started.extend(jobs))
    workspace = Workspace(str(tmp_path), SCALES["toy"], "")
    marker = f"{workspace.trained.path('pretrain_vae')}/trained.json"
    os.makedirs(os.path.dirname(marker))
    with open(marker, "w", encoding="utf-8") as file:
        json.dump(content, file)
    workspace.train(["pretrain_vae"])
    assert [job.name for job in started] == ["pretrain_vae"]
    assert marker in caplog.text


def test_every_artifact_has_its_runs_and_every_run_its_sources_before_it():
    runs = planned_runs()
    workspace = Workspace("out", SCALES["toy"], "")
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
    preset = dict(
        line.lstrip("-").partition("=")[::2]
        for line in read_flag_file("reproduce_small.flags")
    )
    pixel_cnn, joint, ablation = (
        int(preset[f"{stage}_steps"])
        for stage in ("pretrain_pixel_cnn", "joint", "ablation")
    )
    assert f"--joint_steps={ablation}" in commands["control"]
    assert f"--pretrain_pixel_cnn_steps={joint}" in commands["longer_pixel_cnn"]
    from_pixel_cnn = "--init_pixel_cnn_from=out/runs/pretrain_pixel_cnn"
    assert from_pixel_cnn in commands["longer_pixel_cnn"]
    annealed = f"--kl_annealing_steps={round(2 / 3 * pixel_cnn)}"
    assert annealed in commands["scratch_kl_annealing"]
    for name in ("long_lambda_12", "long_without_loss"):
        assert f"--joint_steps={5 * joint}" in commands[name]
    assert f"--pretrain_pixel_cnn_steps={5 * joint}" in commands["long_pixel_cnn"]


@dataclasses.dataclass(frozen=True)
class Row:
    name: str = column("x")
    value: float = column("y")


class FakeSampler:
    """Draws as `Sampler` does, without a model."""

    def __init__(self, name, finish):
        self.name, self.finish = name, finish

    def prior(self, num_images, num_samples=1):
        f_z = [] if self.name == "pretrain_pixel_cnn" else [self._row("f(z)")]
        finished = [] if self.name == "pretrain_vae" else num_samples * ["sample"]
        return [*f_z, *map(self._row, finished)]

    def reconstruct(self, images):
        rows = [self._row("image"), self._row("f(z)")]
        return [*rows, self._row("sample")] if self.finish else rows

    def interpolate(self, images):
        return [self._row("image"), self._row("f(z)")]

    @staticmethod
    def _row(caption):
        return PictureRow(caption, np.zeros((8, 8, 8, 3), np.uint8))


class FakeTrainedRuns(TrainedRuns):
    """Made-up numbers and pictures of runs; any other run is missing."""

    def __init__(self, names):
        super().__init__("runs", SCALES["toy"]._replace(num_seeds=2))
        self.names = names

    def open(self, name, seed=0):
        assert name in self.names
        return types.SimpleNamespace(image_shape=(8, 8, 3), step=4)

    def held_out(self, name):
        self.open(name)
        return Images(np.zeros((8, 8, 8, 3), np.uint8), np.arange(8, dtype=np.int32))

    def scores(self, name, all_seeds=False):
        self.open(name)
        features = ("pixels", "z, mean", "z, drawn", "f(z)")
        noise = np.random.default_rng(len(name)).normal(0, 0.01, [2, 8])
        parts = {
            "kl": 0.2 + noise,
            "primary_reconstruction": 4.8 + noise,
            "auxiliary_reconstruction": 5.1 + noise,
        }
        right = (noise > 0).astype(float)
        return Scores(5 + noise, 4.9 + noise, parts, dict.fromkeys(features, right))

    def curve(self, name, score="kl", seed=0):
        self.open(name)
        steps = [0, *sorted({s for o in ORIGINALS for s in o.bits_per_dim})]
        return Curve(steps, [0.1 + 0.01 * seed for _ in steps])

    def sampler(self, name, finish=True, seed=0):
        self.open(name)
        return FakeSampler(name, finish)


@pytest.mark.parametrize("name", ARTIFACTS)
def test_an_artifact_shows_no_other_runs_than_it_names(name, tmp_path):
    workspace = Workspace("out", SCALES["toy"], "")
    needed = [run.name for run in workspace.needed(ARTIFACTS[name].runs)]
    workspace.trained = FakeTrainedRuns(needed)
    report = ARTIFACTS[name].make(workspace)
    report.write(str(tmp_path), name)
    content = json.loads((tmp_path / f"{name}.json").read_text())
    assert all(len(row) == len(content["columns"]) for row in content["rows"])
    assert set(content["made_from"]["steps"]) == set(ARTIFACTS[name].runs)
    assert content["made_from"]["evaluation"]["num_importance_samples"] == 2
    assert (tmp_path / f"{name}.png").exists() == (report.figure is not None)


def test_a_report_says_what_was_not_held(tmp_path):
    claim = Claim("It falls", [below("after - before", np.array([[1.0, 1.5, 2.0]]))])
    picture = np.zeros((4, 6, 3), np.uint8)
    Report("A table", [Row("a", 0.5)], [claim], picture).write(tmp_path, "t")
    text = (tmp_path / "t.md").read_text()
    assert "| x | y |" in text and "| a | 0.5000 |" in text
    assert "- It falls: **not held** (3 images, 1 seeds)\n" in text
    # 1.5 and 4.30 standard errors of 0.289: Student's t with 2 degrees of freedom.
    assert "  - after - before 1.5000 [0.2579, 2.7421], below 0?\n" in text
    assert tf.io.decode_png((tmp_path / "t.png").read_bytes()).shape == (4, 6, 3)
    content = json.loads((tmp_path / "t.json").read_text())
    assert (content["columns"], content["rows"]) == (["x", "y"], [["a", 0.5]])
    (stored,) = content["claims"]
    assert stored["verdict"] == "not held"
    (compared,) = stored["comparisons"]
    assert (compared["limit"], compared["must_be"]) == (0.0, "below")


def test_table_1_has_every_published_row():
    """Lucas & Verbeek 2018: from 4.48 down to 2.92, bounds where z is marginalised."""
    bits = [result.bits_per_dim for result in PUBLISHED]
    assert len(bits) == 12
    values = [float(text.removeprefix("<= ")) for text in bits]
    assert values == sorted(values, reverse=True)
    assert "2.98" in bits
