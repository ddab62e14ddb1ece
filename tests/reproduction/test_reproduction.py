"""One command makes a table of the paper, however often it is interrupted."""

import dataclasses
import json
import math
import os
import shlex
import signal
import time
import types
import zlib

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from command_process import Command, refused

from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.evaluation.estimate import estimate
from agave_tf.reproduction import workspace as workspaces
from agave_tf.reproduction.artifacts import ARTIFACTS, claims_table
from agave_tf.reproduction.claim import Claim, below
from agave_tf.reproduction.compared_models import CURVES, planned_runs
from agave_tf.reproduction.learning_curves import ORIGINALS
from agave_tf.reproduction.likelihoods import PUBLISHED
from agave_tf.reproduction.report import Report, column
from agave_tf.reproduction.scales import SCALES
from agave_tf.reproduction.trained_runs import Scores, TrainedRuns
from agave_tf.reproduction.workspace import Workspace
from agave_tf.runs.event_curves import Curve
from agave_tf.sampling.drawn import Drawn
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

    monkeypatch.setattr("agave_tf.runs.evaluate_run.evaluate_run", evaluate)
    first = TrainedRuns(str(runs), SCALES["toy"]).scores("pretrain_vae")
    # The run was trained on smaller images than all are scored on.
    (stored,) = (runs / "pretrain_vae").glob("evaluation_test_on_*.json")
    content = json.loads(stored.read_text())
    assert content["data"]["image_size"] == "8"
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


def test_only_pretraining_has_the_settings_of_pretraining():
    scale = SCALES["toy"]
    assert scale.pretraining == {"image_size": 4}
    workspace = Workspace("out", scale, "")
    names = ["joint_lambda_12", "longer_pixel_cnn", "scratch_nothing", "curve_vae"]
    smaller = {
        run.name
        for run in workspace.needed(names)
        if "--image_size=4" in workspace.command(run)
    }
    assert smaller == {"pretrain_vae", "pretrain_pixel_cnn"}
    (run,) = workspace.needed(["pretrain_vae"])
    a_quarter_of_the_pixels = 4 * scale.step_seconds["pretrain_vae"] / 4
    estimate = workspace.estimate(run)
    assert estimate == pytest.approx(scale.start_seconds + a_quarter_of_the_pixels)


def test_a_dry_run_trains_nothing_and_bad_input_is_refused(tmp_path):
    arguments = ("--artifact=all", f"--output_dir={tmp_path}/out")
    result = Command("reproduce", *arguments, "--scale=paper", "--dry_run").result()
    lines = [line for line in result.stdout.splitlines() if line[0] != "#"]
    planned = planned_runs(SCALES["paper"])
    assert len(lines) == len(planned)
    # A shell can run every line.
    workspace = Workspace(f"{tmp_path}/out", SCALES["paper"], "")
    commands = [workspace.command(run) for run in planned.values()]
    assert [shlex.split(line) for line in lines] == commands
    assert all(os.access(command[0], os.X_OK) for command in commands)
    assert not (tmp_path / "out").exists()
    refused("artifact", "reproduce", "--artifact=figure1", f"--output_dir={tmp_path}")


@pytest.mark.parametrize(
    ("asked", "seeds", "more"),
    [(0, 3, 2), (1, 1, 0), (2, 2, 0), (3, 3, 2), (4, 4, 1), (5, 5, 0), (7, 7, 0)],
)
def test_other_seeds_can_be_asked_for(asked, seeds, more):
    scale = SCALES["small"].with_seeds(asked)
    assert (scale.num_seeds, scale.more_for_table1) == (seeds, more)


def test_the_command_plans_as_many_trainings_as_are_asked_for(tmp_path):
    arguments = ("--artifact=figure2", f"--output_dir={tmp_path}/out", "--dry_run")
    result = Command("reproduce", *arguments, "--scale=toy", "--num_seeds=2").result()
    assert "pretrain_vae_seed_1" in result.stdout
    assert "pretrain_vae_seed_2" not in result.stdout
    refused("num_seeds", "reproduce", *arguments, "--num_seeds=-1")
    # Every training is planned before the first begins.
    refused("num_seeds", "reproduce", *arguments, "--num_seeds=1000000000")


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


def test_a_run_whose_preset_changed_while_it_trained_does_not_count_as_trained(
    tmp_path, monkeypatch
):
    """It counted as trained with settings that it may not have read."""
    started = []
    monkeypatch.setattr(workspaces, "run_jobs", lambda jobs, _: started.extend(jobs))
    workspace = Workspace(str(tmp_path), SCALES["toy"], "")
    workspace.train(["pretrain_vae"])
    read = workspaces.read_flag_file
    monkeypatch.setattr(
        workspaces, "read_flag_file", lambda name: [*read(name), "--learning_rate=1"]
    )
    os.makedirs(workspace.trained.path("pretrain_vae"))
    with pytest.raises(InputError, match="must stay as it is .* has changed"):
        started[0].finished(1.0)
    assert not os.listdir(workspace.trained.path("pretrain_vae"))


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


@pytest.mark.parametrize("scale", SCALES)
def test_every_artifact_has_its_runs_and_every_run_its_sources_before_it(scale):
    scale = SCALES[scale]._replace(num_seeds=1, more_for_table1=0)
    runs = planned_runs(scale)
    workspace = Workspace("out", scale, "")
    shown = set()
    for artifact in ARTIFACTS.values():
        needed = workspace.needed(artifact.runs(scale))
        for place, run in enumerate(needed):
            assert set(run.sources.values()) <= {r.name for r in needed[:place]}
        shown |= {run.name for run in needed}
    assert shown == set(runs)


def test_runs_that_are_compared_make_as_many_steps():
    workspace = Workspace("out", SCALES["small"], "")
    commands = {
        name: " ".join(workspace.command(run))
        for name, run in planned_runs(workspace.scale).items()
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


def settings_of(scale):
    """All that the commands of a scale's runs say beside the preset, by run."""
    workspace = Workspace("out", SCALES[scale], "")
    names = planned_runs(workspace.scale)
    return {
        run.name: [
            flag
            for flag in workspace.command(run)[4:]
            if not flag.startswith("--run_dir")
        ]
        for run in workspace.needed(names)
    }


@pytest.mark.parametrize(
    ("scale", "num_runs", "fingerprint"),
    [("small", 112, 2325029353), ("medium", 112, 1609986472)],
)
def test_runs_of_version_0_2_are_those_of_today(scale, num_runs, fingerprint):
    """Names and settings, which trained.json must hold to count as trained."""
    settings = settings_of(scale)
    assert len(settings) == num_runs
    assert zlib.crc32(json.dumps(settings, sort_keys=True).encode()) == fingerprint


def test_the_paper_s_scale_has_the_paper_s_settings():
    """Lucas & Verbeek 2018, sections 4.1 and 4.5 and Figures 5 and 8."""
    settings = settings_of("paper")
    for name, flags in settings.items():
        # The learning curves are no runs of the paper, and have their own preset.
        assert name.startswith("curve_") or "--warmup_steps=0" in flags
    for name in ("joint_levels_32", "joint_gray_16", "control"):
        assert "--kl_weight=8" in settings[name]
    assert "--init_from=out/runs/joint_lambda_8" in settings["ablation"]
    for factor in (2, 4):
        flags = settings[f"joint_levels_256_downsampled_{factor}"]
        assert {"--num_color_levels=256", f"--auxiliary_downsampling={factor}"} < {
            *flags
        }
    assert ARTIFACTS["figure5"].runs(SCALES["paper"]) == ["joint_lambda_8"]
    assert ARTIFACTS["figure5"].runs(SCALES["small"]) == ["joint_lambda_4"]


@dataclasses.dataclass(frozen=True)
class Row:
    name: str = column("x")
    value: float = column("y")


class FakeSampler:
    """Draws as `Sampler` does, without a model."""

    def __init__(self, name, finish):
        self.name, self.finish = name, finish

    def prior(self, num_images, num_samples=1):
        return self._drawn(num_samples)

    def reconstruct(self, images):
        return self._drawn(1 if self.finish else 0, {"image": flat_images(0, 0)})

    def interpolate(self, images):
        return self._drawn(0, {"image": flat_images(0, 0)})

    def _drawn(self, num_samples, start=None):
        f_z = flat_images(2, 4)
        if self.name == "pretrain_pixel_cnn":
            f_z = f_z[..., :0]
        if self.name == "pretrain_vae":
            num_samples = 0
        samples = np.stack([flat_images(6, 12)] * max(1, num_samples))
        return Drawn(f_z, samples[:num_samples], start or {})


def flat_images(even, odd):
    """Flat images: those of even columns at one level, of odd ones at another."""
    images = np.full((8, 8, 8, 3), even, np.uint8)
    images[:, :, 1::2] = odd
    return images


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

    def minutes(self, name, seed=0):
        return np.add(self.curve(name, "", seed).steps, 1.0)

    def sampler(self, name, finish=True, seed=0):
        self.open(name)
        return FakeSampler(name, finish)


@pytest.mark.parametrize("name", ARTIFACTS)
def test_an_artifact_shows_no_other_runs_than_it_names(name, tmp_path):
    workspace = Workspace("out", SCALES["toy"], "")
    runs = ARTIFACTS[name].runs(workspace.scale)
    needed = [run.name for run in workspace.needed(runs)]
    workspace.trained = FakeTrainedRuns(needed)
    report = ARTIFACTS[name].make(workspace.trained)
    report.write(str(tmp_path), name)
    content = json.loads((tmp_path / f"{name}.json").read_text())
    assert all(len(row) == len(content["columns"]) for row in content["rows"])
    assert set(content["made_from"]["steps"]) == set(runs)
    assert content["made_from"]["evaluation"]["num_importance_samples"] == 2
    assert (tmp_path / f"{name}.png").exists() == bool(report.figure)


def test_training_time_adds_that_of_pretraining_side_by_side():
    """Two parts, of 3,001 minutes each, come before AGAVE's own 3,001."""
    names = [*planned_runs(SCALES["toy"])]
    report = ARTIFACTS["training_time"].report(FakeTrainedRuns(names))
    assert [row.before for row in report.rows] == ["3001, 3001"] * 2
    assert [row.minutes for row in report.rows] == ["6002, 6002"] * 2


def test_a_report_says_what_was_not_held(tmp_path):
    claim = Claim("It falls", [below("after - before", np.array([[1.0, 1.5, 2.0]]))])
    picture = np.zeros((4, 6, 3), np.uint8)
    Report("A table", [Row("a", 0.5)], [claim], [picture]).write(tmp_path, "t")
    text = (tmp_path / "t.md").read_text()
    assert "| x | y |" in text and "| a | 0.5000 |" in text
    assert "- It falls: **not held** (3 images, 1 seeds)\n" in text
    # 1.5 and 4.30 standard errors of 0.289: Student's t with 2 degrees of freedom.
    assert "  - after - before 1.5000 [0.2579, 2.7421], below 0? not held\n" in text
    assert tf.io.decode_png((tmp_path / "t.png").read_bytes()).shape == (4, 6, 3)
    content = json.loads((tmp_path / "t.json").read_text())
    assert (content["columns"], content["rows"]) == (["x", "y"], [["a", 0.5]])
    (stored,) = content["claims"]
    assert stored["verdict"] == "not held"
    (compared,) = stored["comparisons"]
    assert (compared["limit"], compared["must_be"]) == (0.0, "below")


def test_a_report_says_what_is_not_finite(tmp_path):
    """A model that diverged in one training was "held" to be below the other."""
    values = np.array([[1.0, 1.5], [1.0, math.nan]])
    claim = Claim("It falls", [below("after - before", values)])
    Report("A table", [Row("a", estimate(values))], [claim]).write(tmp_path, "t")
    text = (tmp_path / "t.md").read_text()
    assert "| a | not finite (1 of 4 values) |" in text
    assert "- It falls: **undecided** (2 images, 2 seeds)\n" in text
    assert "  - after - before not finite in 1 of 4 values, below 0? undecided" in text
    content = json.loads((tmp_path / "t.json").read_text())
    (compared,) = content["claims"][0]["comparisons"]
    assert compared["mean"] is None and compared["num_not_finite"] == 1
    assert content["rows"][0][1]["num_not_finite"] == 1


def write_report(directory, name, mean):
    claims = [
        Claim(f"{name} falls", [below("a|b", mean + np.array([[0.0, 0.1]]))]),
        Claim(f"{name} is low", [below(w, np.array([[1.0, 1.1]]), 9) for w in "cd"]),
    ]
    Report(name, claims=claims, made_from={"steps": {"run": 4}}).write(directory, name)


def test_the_table_has_the_claims_of_all_results_in_the_directory(tmp_path):
    for name, mean in (("figure7", -9), ("figure4", 9)):
        write_report(tmp_path, name, mean)
    text = claims_table(tmp_path, ["figure4", "figure5", "figure7"])
    rows = [line.split(" | ") for line in text.splitlines() if line[:4] == "| fi"]
    assert [row[:3] for row in rows] == [
        ["| figure4", "figure4 falls", "not held"],
        ["| figure4", "figure4 is low", "held"],
        ["| figure7", "figure7 falls", "held"],
        ["| figure7", "figure7 is low", "held"],
    ]
    assert "a\\|b -8.9500 [-9.5853, -8.3147], below 0? held" in rows[2][5]
    # The interval of one of two, of Student's t with one degree of freedom.
    expected = 1.05 - 0.05 * scipy.stats.t.ppf(1 - 0.025 / 2, 1)
    assert f"c 1.0500 [0.4147, 1.6853], corrected [{expected:.4f}, " in rows[1][5]
    for name in ("figure4", "figure7"):
        assert f'- {name}: {{"steps": {{"run": 4}}}}' in text
    assert "Not read" not in text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1]",
        b"\xff\xfe",
        b'{"claims": 3, "made_from": {}}',
        b'{"claims": [{"text": "a"}], "made_from": {}}',
        b'{"claims": [{"text": 1, "verdict": "held", "comparisons": []}]}',
        b"[" * 100_000,
        b" " * 5_000_000,
    ],
    ids=lambda content: content[:20].decode(errors="replace") + str(len(content)),
)
def test_a_damaged_result_is_named_and_hides_no_other(content, tmp_path):
    write_report(tmp_path, "figure4", 9)
    (tmp_path / "figure7.json").write_bytes(content)
    text = claims_table(tmp_path, ["figure4", "figure7"])
    assert "| figure4 | figure4 falls | not held |" in text
    assert "- figure7: figure7.json is damaged" in text
    assert "--artifact=figure7 makes it again" in text


def test_a_verdict_of_version_0_2_is_marked(tmp_path):
    """Its rule is another one, and its file has no corrected intervals."""
    write_report(tmp_path, "figure4", 9)
    path = tmp_path / "figure4.json"
    content = json.loads(path.read_text())
    for claim in content["claims"]:
        del claim["rule"]
        for compared in claim["comparisons"]:
            for key in ("corrected_low", "corrected_high", "num_not_finite"):
                del compared[key]
    path.write_text(json.dumps(content))
    text = claims_table(tmp_path, ["figure4"])
    assert "| figure4 | figure4 falls | not held (by rule 1) |" in text
    assert "c 1.0500 [0.4147, 1.6853], below 9? held" in text


@pytest.mark.parametrize("name", ["figure3", "figure7"])
def test_a_figure_gives_its_measures_to_its_claims_in_their_order(name):
    """Pictures of which every measure is another number."""
    scale = SCALES["toy"]
    runs = FakeTrainedRuns(ARTIFACTS[name].runs(scale))
    report = ARTIFACTS[name].report(runs)
    found = {
        heading: value.mean
        for heading, value in zip(report.columns, report.cells[0])
        if "VR" in heading or "VS" in heading or "levels" in heading
    }
    # Columns of pixels alternate: images 0 and 0, f(z) 2 and 4, samples 6 and 12.
    expected = {
        "figure3": {
            "RMS error of VR (± images ± seeds)": 10**0.5,
            "roughness of VR": 2,
            "roughness of VS": 2,
            "RMS change of VR by the PixelCNN++": 40**0.5,
            "roughness that the PixelCNN++ adds to VR": 4,
        },
        "figure7": {
            "RMS error of f(z), levels": 10**0.5,
            "likeness of samples of one f(z), levels": 0,
        },
    }
    assert found == pytest.approx(expected[name])


def test_table_1_has_every_published_row():
    """Lucas & Verbeek 2018: from 4.48 down to 2.92, bounds where z is marginalised."""
    bits = [result.bits_per_dim for result in PUBLISHED]
    assert len(bits) == 12
    values = [float(text.removeprefix("<= ")) for text in bits]
    assert values == sorted(values, reverse=True)
    assert "2.98" in bits
