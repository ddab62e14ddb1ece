"""TensorBoard answers "is it working" on its first screen."""

import numpy as np
import pytest
import tensorflow as tf
from event_files import scalars, summaries
from tiny import tiny_images, tiny_trainer

pytestmark = pytest.mark.xdist_group("summaries")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A joint stage of three steps, with two evaluations and all pictures."""
    settings = {"joint_steps": 3, "summary_every": 1, "evaluate_every": 2}
    settings["num_pixel_cnn_resolutions"] = 1
    path = tmp_path_factory.mktemp("run")
    tiny_trainer(path, **settings, show_samples=True, seed=5).train()
    return path / "summaries"


def test_parts_add_up_and_training_and_held_out_share_their_tags(run):
    train, held_out = scalars(run / "train"), scalars(run / "held_out")
    assert set(train["bits_per_dim"]) == {1, 2, 3}
    assert set(held_out["bits_per_dim"]) == {0, 2, 3}
    for curves in (train, held_out):
        levels = [tag for tag in curves if tag.startswith("kl_per_level/")]
        assert levels == ["kl_per_level/00", "kl_per_level/01"]
        for step, total in curves["bits_per_dim"].items():
            kl = curves["bits_per_dim/kl"][step]
            primary = curves["bits_per_dim/primary_reconstruction"][step]
            assert total == pytest.approx(primary + kl, rel=1e-5)
            assert kl == pytest.approx(sum(curves[tag][step] for tag in levels), 1e-4)
    progress = {tag for tag in train if tag.startswith("training/")}
    names = (
        "images_per_second",
        "gradient_norm",
        "learning_rate",
        "skipped_updates",
    )
    assert progress == {f"training/{name}" for name in names}
    # The groups in the order in which TensorBoard shows them.
    groups = sorted({tag.partition("/")[0] for tag in train})
    assert groups == ["bits_per_dim", "kl_per_level", "training"]


def test_pictures_come_with_every_evaluation(run):
    shown = {}
    for step, value in summaries(run / "held_out"):
        if value.metadata.plugin_data.plugin_name == "images":
            grid = tf.io.decode_png(value.tensor.string_val[2]).numpy()
            shown.setdefault(value.tag, {})[step] = grid
    assert {tag: sorted(steps) for tag, steps in shown.items()} == {
        "pictures/samples": [2, 3],
        "pictures/reconstructions": [2, 3],
    }
    # Two rows, f(z) and the finished image; above them, of reconstructions, the input.
    samples, reconstructions = (grids[3] for grids in shown.values())
    assert len(reconstructions) - len(samples) == (len(samples) - 4) // 2
    first = tiny_images().choose(8)[0]
    image = np.kron(tiny_images().image[first], np.ones((2, 2, 1)))
    row = reconstructions[4:20]
    assert any(
        (row[:, start : start + 16] == image).all() for start in range(row.shape[1])
    )


def test_without_evaluation_there_are_no_pictures(tmp_path):
    """--evaluate_images=0 drew them all the same."""
    settings = {"joint_steps": 2, "evaluate_images": 0, "evaluate_every": 1}
    tiny_trainer(tmp_path, num_pixel_cnn_resolutions=1, **settings).train()
    assert scalars(tmp_path / "summaries" / "train")
    written = summaries(tmp_path / "summaries" / "held_out")
    assert not [v.tag for _, v in written if v.tag.startswith("pictures/")]


def test_the_configuration_and_the_columns_of_a_sweep_are_there(run):
    found = {}
    for _, value in summaries(run / "held_out"):
        found.setdefault(value.metadata.plugin_data.plugin_name, []).append(value)
    (text,) = found["text"]
    assert b'"num_filters": 4' in text.tensor.string_val[0]
    columns = b"".join(v.metadata.plugin_data.content for v in found["hparams"])
    for name in (b"kl_weight", b"seed", b"bits_per_dim/kl"):
        assert name in columns
    (layout,) = found["custom_scalars"]
    assert b"bits_per_dim/primary_reconstruction" in layout.tensor.string_val[0]
