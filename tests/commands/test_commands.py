"""The commands as a user calls them."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from command_process import ROOT, SMOKE, Command, refused, succeeds

pytestmark = pytest.mark.xdist_group("commands")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """All three training stages, and the ablation, at the smallest scale."""
    root = tmp_path_factory.mktemp("runs")
    succeeds("train", SMOKE, "--stage=all", f"--run_dir={root}")
    succeeds(
        "train",
        SMOKE,
        "--stage=ablation",
        f"--init_from={root}/joint",
        f"--run_dir={root}/ablation",
    )
    return root


@pytest.mark.parametrize(
    "stage", ["pretrain_vae", "pretrain_pixel_cnn", "joint", "ablation"]
)
def test_every_stage_leaves_a_whole_run(runs, stage):
    run = runs / stage
    assert json.loads((run / "progress.json").read_text()) == {"step": 4}
    assert json.loads((run / "config.json").read_text())["stage"] == stage
    assert (run / "averaged_weights.npz").exists()
    assert list((run / "summaries" / "held_out").iterdir())
    assert not list(run.rglob("*.partial"))


def test_a_finished_stage_is_left_as_it_is(runs):
    weights = runs / "joint" / "averaged_weights.npz"
    before = weights.stat().st_mtime_ns
    succeeds("train", SMOKE, "--stage=all", f"--run_dir={runs}")
    assert weights.stat().st_mtime_ns == before


def test_evaluation_prints_parts_that_add_up_and_stores_them(runs):
    result = succeeds(
        "evaluate",
        f"--run_dir={runs}/joint",
        "--num_importance_samples=3",
        "--max_images=7",
        "--evaluation_batch_size=4",
        f"--per_image={runs}/scores.npz",
        f"--compare_with={runs}/pretrain_pixel_cnn",
    )
    stored = json.loads((runs / "joint" / "evaluation_test.json").read_text())
    scores = stored["scores"]
    assert stored["num_images"] == 7
    total = scores["primary_reconstruction"] + scores["kl"]
    np.testing.assert_allclose(scores["bits_per_dim"], total, rtol=1e-5)
    assert f"{scores['bits_per_dim_3_samples']:.4f}" in result.stdout
    with np.load(runs / "scores.npz") as per_image:
        assert per_image["bound"].shape == (7,)
        mean = per_image["bound"].mean() / -(8 * 8 * 3 * np.log(2))
    np.testing.assert_allclose(mean, scores["bits_per_dim_3_samples"], rtol=1e-5)
    alone = json.loads((runs / "pretrain_pixel_cnn/evaluation_test.json").read_text())
    difference = scores["bits_per_dim_3_samples"] - alone["scores"]["bits_per_dim"]
    assert f"{runs}/pretrain_pixel_cnn, step" in result.stdout
    assert f": {difference:.4f} bits/dim, 95 % interval " in result.stdout
    vae = f"--compare_with={runs}/pretrain_vae"
    refused("`compare_with` must be", "evaluate", f"--run_dir={runs}/joint", vae)


def test_evaluation_probes_the_latents_and_draws_where_the_bits_go(runs, tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "images": rng.integers(0, 256, (40, 8, 8, 3), np.uint8),
        "labels": np.arange(40) % 4,
    }
    np.savez(tmp_path / "labelled.npz", **arrays)
    evaluate = ("evaluate", f"--run_dir={runs}/joint", "--num_importance_samples=1")
    result = succeeds(
        *evaluate,
        f"--dataset=npz:{tmp_path}/labelled.npz",
        "--probe",
        "--max_images=4",
        f"--bits_map={tmp_path}/bits.png",
    )
    # Scores on another data set than the run's are in a file of their own.
    (path,) = (runs / "joint").glob("evaluation_test_on_npz*.json")
    stored = json.loads(path.read_text())
    assert set(stored["probe"]) == {"pixels", "z, mean", "z, drawn", "f(z)"}
    assert f"probe of pixels{stored['probe']['pixels']:>22.4f}" in result.stdout
    assert tf.io.decode_png((tmp_path / "bits.png").read_bytes()).shape[2] == 3
    refused("`probe` must have images with labels", *evaluate, "--probe")
    refused("`probe` must go with --split=test", *evaluate, "--probe", "--split=train")
    refused("`bits_map` must end in .png", *evaluate, "--bits_map=bits.jpg")


@pytest.mark.parametrize("mode,rows", [("prior", 2), ("complete", 4)])
def test_samples_are_a_picture_with_a_row_for_each_kind(runs, mode, rows):
    path, arrays = runs / f"{mode}.png", runs / f"{mode}.npz"
    succeeds(
        "sample",
        f"--run_dir={runs}/joint",
        f"--mode={mode}",
        f"--output={path}",
        f"--save_npz={arrays}",
        "--num_images=3",
        "--scale=1",
        "--nocaptions",
    )
    image = tf.io.decode_png(path.read_bytes())
    assert image.shape == (2 + 10 * rows, 2 + 10 * 3, 3)
    with np.load(arrays) as stored:
        assert len(stored.files) == rows
        last = stored[stored.files[-1]]
    assert last.shape == (3, 8, 8, 3)
    np.testing.assert_array_equal(image[-10:-2, 2:10], last[0])


def test_sampling_refuses_what_does_not_fit(runs, tmp_path):
    sample = ("sample", f"--run_dir={runs}/joint", f"--output={tmp_path}/x.png")
    mask = tmp_path / "mask.png"
    mask.write_bytes(tf.io.encode_png(np.zeros((4, 8, 1), np.uint8)).numpy())
    refused("(8, 8); ", *sample, "--mode=complete", f"--mask={mask}")
    refused("3 channels", *sample, "--mode=reconstruct", "--image_channels=1")
    refused("`first_image` must", *sample, "--mode=complete", "--first_image=500")
    refused("`seed` must be at least 0", *sample, "--seed=-1")
    refused("`num_images` must be at least 1", *sample, "--num_images=0")
    refused("must be even", *sample, "--mode=interpolate", "--num_images=3")
    assert not (tmp_path / "x.png").exists()


def test_benchmark_of_sampling_prints_a_row_for_every_batch():
    result = succeeds(
        *("benchmark", "--what=sample", "--network=preset"),
        *("--sizes=4", "--batches=1,2", "--repeats=1"),
    )
    rows = [line for line in result.stdout.splitlines() if line.startswith("| preset")]
    assert [row.split("|")[3].strip() for row in rows] == ["1", "2"]
    refused("`sizes` must be positive numbers", "benchmark", "--sizes=0")


@pytest.mark.parametrize(
    "flags,rows",
    [
        (("--what=train", "--models=preset", "--computed=float32"), 1),
        (("--what=evaluate", "--models=preset", "--samples=2,3"), 2),
        (("--what=input", "--batches=2,4"), 4),
        (("--what=code", "--network=preset", "--batches=2"), 1),
    ],
)
def test_benchmarks_print_a_row_for_every_measurement(flags, rows):
    result = succeeds("benchmark", *flags, "--sizes=4", "--repeats=1")
    table = [line for line in result.stdout.splitlines() if line.startswith("| ")]
    assert len(table) == 2 + rows
    assert all(line.count("|") == table[0].count("|") for line in table)


def test_benchmarks_refuse_what_there_is_not():
    refused("`models` must be of preset", "benchmark", "--models=huge")
    refused("`computed` must be of", "benchmark", "--computed=float8")
    refused("`batches` must be positive", "benchmark", "--batches=0")


def test_steps_are_profiled_for_tensorboard(tmp_path):
    succeeds(
        *("train", SMOKE, "--stage=pretrain_vae", f"--run_dir={tmp_path}/run"),
        *("--profile_steps=2:3", "--steps_per_call=4", "--evaluate_images=0"),
    )
    profiles = list((tmp_path / "run" / "summaries").rglob("*.xplane.pb"))
    assert len(profiles) == 1
    assert profiles[0].stat().st_size > 10_000
    refused(
        "`profile_steps` must be FIRST:LAST",
        *("train", SMOKE, "--stage=joint", f"--run_dir={tmp_path}/x"),
        "--profile_steps=3",
    )


def test_unusable_flags_are_one_line(tmp_path):
    run = f"--run_dir={tmp_path}/run"
    refused("--stage", "train", run)
    refused("batch_size", "train", run, "--stage=joint", "--batch_size=many")
    refused(
        "`num_color_levels`", "train", run, "--stage=joint", "--num_color_levels=48"
    )
    refused("got 0x30", "train", run, "--stage=joint", "--image_size=0x30")
    refused("Did you mean cifar10?", "train", run, "--stage=joint", "--dataset=cifar1")
    refused("`--init_from` must", "train", run, "--stage=ablation")
    refused("auxiliary_color", "train", run, "--stage=joint", "--auxiliary_color=red")
    refused("`flagfile` must be a file", "train", run, "--flagfile=smok.flags")
    refused("small.flags, smoke.flags", "train", run, "--flagfile=nowhere/small.flags")
    refused(
        "`evaluation_seed` must be at least 0",
        "evaluate",
        run,
        *("--evaluation_seed=-1",),
    )
    refused("scale", "sample", run, "--output=x.png", "--scale=0")
    assert not (tmp_path / "run").exists()


def test_flags_that_contradict_each_other_are_refused(runs, tmp_path):
    new = f"--run_dir={tmp_path}/run"
    source = f"{runs}/pretrain_vae"
    refused(
        "`--init_pixel_cnn_from` cannot go with --stage=pretrain_vae",
        *("train", SMOKE, new, "--stage=pretrain_vae"),
        f"--init_pixel_cnn_from={source}",
    )
    refused(
        "`--init_from` gives all weights",
        *("train", SMOKE, new, "--stage=joint", f"--init_from={runs}/joint"),
        f"--init_vae_from={source}",
    )
    refused(
        "`num_classes` must be 0",
        *("train", SMOKE, new, "--stage=joint", "--num_classes=3"),
    )
    refused(
        "`num_filters` must be 4",
        *("train", SMOKE, f"--run_dir={runs}/joint", "--stage=joint"),
        "--num_filters=5",
    )
    assert not (tmp_path / "run").exists()


def test_no_stage_is_trained_if_a_later_one_cannot_be(runs, tmp_path):
    shutil.copytree(runs / "joint", tmp_path / "joint")
    before = sorted(tmp_path.rglob("*"))
    refused(
        "`num_mixtures` must be 2 to go on",
        *("train", SMOKE, f"--run_dir={tmp_path}", "--stage=all", "--num_mixtures=3"),
    )
    refused(
        "`init_from` cannot go with --stage=all",
        *("train", SMOKE, f"--run_dir={tmp_path}", "--stage=all"),
        f"--init_from={runs}/joint",
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_missing_and_foreign_run_directories_are_refused(runs, tmp_path):
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "config.json").write_text('{"model": "something else"}')
    refused("there is no directory", "evaluate", f"--run_dir={tmp_path}/nowhere")
    refused("`stage` must be one of", "evaluate", f"--run_dir={tmp_path}/foreign")
    refused("Did you mean", "evaluate", f"--run_dir={runs}")
    refused("has none", "train", SMOKE, "--stage=joint", f"--run_dir={ROOT}")
    refused(
        "must be prior or complete",
        *("sample", f"--run_dir={runs}/pretrain_pixel_cnn", "--mode=reconstruct"),
        f"--output={tmp_path}/x.png",
    )
    refused("end in .png", "sample", f"--run_dir={runs}/joint", "--output=x.gif")
    assert not (tmp_path / "x.png").exists()


def test_truncated_weights_are_refused(runs, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text((runs / "joint" / "config.json").read_text())
    whole = (runs / "joint" / "averaged_weights.npz").read_bytes()
    (broken / "averaged_weights.npz").write_bytes(whole[: len(whole) // 2])
    refused("cannot be read", "evaluate", f"--run_dir={broken}")


def test_images_of_other_channels_are_refused(runs):
    evaluate = ("evaluate", f"--run_dir={runs}/joint", "--image_channels=1")
    refused("Images must have 3 channels, as in the run", *evaluate)


def test_a_full_disk_is_one_line_and_leaves_no_half_written_weights(tmp_path):
    # No file may pass 16 kB, as on a disk that is about to be full.
    refused(
        "File too large",
        *("train", SMOKE, "--stage=joint", f"--run_dir={tmp_path}/run"),
        max_file_bytes=16 * 1024,
    )
    assert not list(tmp_path.rglob("*.partial"))
    assert not list(tmp_path.rglob("averaged_weights.npz"))


@pytest.mark.parametrize(
    "command,flag",
    [
        ("train", "--stage: <pretrain_vae|pretrain_pixel_cnn|joint|ablation|all>"),
        ("evaluate", "--num_importance_samples"),
        ("sample", "--mode: <prior|reconstruct|interpolate|condition|complete>"),
        ("score", "--rank_by: <bits_per_dim|ratio|kl>"),
        ("export", "--output_dir"),
        ("import_openai", "--kind: <pixel_cnn|iaf_vae>"),
        ("reproduce", "--artifact"),
        ("benchmark", "--what"),
    ],
)
def test_help_shows_a_command_line_and_the_flags_of_the_command(command, flag):
    result = Command(command, "--helpshort").result()
    assert f"\nbin/{command}.py --" in result.stdout
    assert flag in result.stdout
    needs_run = command not in ("benchmark", "reproduce")
    assert ("--run_dir" in result.stdout) == needs_run


def test_a_module_of_a_command_can_be_run(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "agave_tf.commands.train", "--flagfile=nothing"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert result.stderr.startswith("train.py: `flagfile` must be a file")
    assert len(result.stderr.splitlines()) == 1
