"""bin/sample.py in this process: labels, how many images, exact draws."""

import numpy as np
import pytest
from absl import flags
from tiny import tiny_config, tiny_images, tiny_model

from agave_tf.commands import sample
from agave_tf.errors import InputError
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.stages import STAGES
from agave_tf.sampling.drawn import SamplingSettings
from agave_tf.sampling.sampler import Sampler
from agave_tf.weights.named_weights import named_weights

pytestmark = pytest.mark.xdist_group("sampling")


def store_run(path, dataset, stage="joint", **settings):
    settings |= {"num_pixel_cnn_resolutions": 1, "num_layers_per_resolution": 1}
    images = tiny_images(labels=4)
    model = tiny_model(stage, images=images, **settings)
    config = tiny_config(dataset=dataset, **settings)
    run = RunDirectory(str(path), STAGES[stage], config, model.image_shape)
    path.mkdir()
    run.write_config()
    weights = {name: value.numpy() for name, value in named_weights(model).items()}
    run.write_weights(weights, 0)
    return str(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """10 training images and 3 held-out ones, of classes 2, 0 and 3."""
    path = tmp_path_factory.mktemp("data") / "labelled.npz"
    images = tiny_images(13).image
    np.savez(
        path,
        x_train=images[:10],
        y_train=np.arange(10) % 4,
        x_test=images[10:],
        y_test=np.array([2, 0, 3]),
    )
    return f"npz:{path}"


@pytest.fixture(scope="module")
def conditional(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("conditional") / "run"
    return store_run(path, data, num_classes=4)


@pytest.fixture(scope="module")
def unconditional(tmp_path_factory, data):
    return store_run(tmp_path_factory.mktemp("unconditional") / "run", data)


@pytest.fixture
def drawn(tmp_path):
    """Runs the command; the images of every row, by caption."""

    def run(run_dir, *arguments):
        values = flags.FlagValues()
        sample.define_flags(values)
        output, arrays = tmp_path / "x.png", tmp_path / "x.npz"
        files = (f"--output={output}", f"--save_npz={arrays}", f"--run_dir={run_dir}")
        values(["sample", *files, "--sampling_batch_size=2", *arguments])
        sample.run(values)
        with np.load(arrays) as stored:
            return {name[3:]: stored[name] for name in stored.files}

    return run


def test_given_labels_need_no_data_set(conditional, drawn):
    missing = "--dataset=npz:nowhere.npz"
    listed = drawn(conditional, "--label=2,0", "--num_images=4", missing)["sample"]
    again = drawn(conditional, "--label=2,0,2,0", "--num_images=4", missing)["sample"]
    other = drawn(conditional, "--label=1", "--num_images=4", missing)["sample"]
    np.testing.assert_array_equal(listed, again)
    assert (listed != other).any(axis=(1, 2, 3)).all()


def test_labels_of_images_are_said_and_repeat(conditional, drawn, caplog):
    with caplog.at_level("INFO", logger="absl"):
        rows = drawn(conditional, "--num_images=4")
    assert "Classes of the columns, in turn: 2, 0, 3." in caplog.text
    assert "that were asked for" not in caplog.text
    expected = drawn(conditional, "--num_images=4", "--label=2,0,3")
    np.testing.assert_array_equal(rows["sample"], expected["sample"])
    with caplog.at_level("INFO", logger="absl"):
        drawn(conditional, "--num_images=2", "--first_image=1")
    assert "in turn: 0, 3." in caplog.text
    with pytest.raises(InputError, match="`first_image` must be below"):
        drawn(conditional, "--first_image=3")


@pytest.mark.parametrize("mode,columns", [("reconstruct", 3), ("interpolate", 8)])
def test_fewer_images_than_columns_are_said(conditional, drawn, caplog, mode, columns):
    """A set of 2 images gave 2 columns rather than 16, in silence."""
    rows = drawn(conditional, f"--mode={mode}")
    assert len(rows["sample"]) == columns
    taken = {"reconstruct": 3, "interpolate": 2}[mode]
    said = f"Only {taken} of the 16 images that were asked for: from number 0 on there"
    assert said in caplog.text
    assert "No effect" not in caplog.text


def test_what_changes_no_picture_is_said(unconditional, drawn, caplog):
    drawn(unconditional, "--num_images=2", "--first_image=1", "--num_steps=3")
    assert "No effect on --mode=prior of this run: --num_steps, --first_image." in (
        caplog.text
    )


def test_labels_that_do_not_fit_the_run_are_refused(conditional, unconditional, drawn):
    with pytest.raises(InputError, match="`label` must be from 0 to 3.*got 4"):
        drawn(conditional, "--label=4")
    with pytest.raises(InputError, match="`label` must be empty for a run"):
        drawn(unconditional, "--label=0")
    with pytest.raises(InputError, match="no more entries than the 2 images"):
        drawn(conditional, "--label=0,1,2", "--num_images=2")
    with pytest.raises(InputError, match="`label` must be empty, a class number or"):
        drawn(conditional, "--label=cat")


def test_exact_pictures_are_those_of_an_exact_sampler(unconditional, drawn):
    rows = drawn(unconditional, "--exact", "--num_images=2", "--seed=3")
    settings = SamplingSettings(seed=3, batch_size=2, exact=True)
    expected = Sampler(open_run(unconditional).load_model(), settings).prior(2)
    np.testing.assert_array_equal(rows["f(z)"], expected.f_z)
    np.testing.assert_array_equal(rows["sample"], expected.images[0])


@pytest.mark.parametrize(
    "arguments,message",
    [
        (["--mode=reconstruct"], "`mode` must be prior, condition or complete"),
        (["--mode=complete"], "complete with `z_from` prior"),
        (["--pixel_temperature=0.9"], "`pixel_temperature` must be 1 with --exact"),
    ],
)
def test_what_cannot_be_exact_is_refused(
    unconditional, drawn, tmp_path, arguments, message
):
    with pytest.raises(InputError, match=message):
        drawn(unconditional, "--exact", *arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "model,arguments,message",
    [
        ("joint", ["--mode=complete", "--exact"], "complete with `z_from` prior"),
        ("pixel_cnn", ["--mode=reconstruct"], "without latent variables; got recon"),
        ("pixel_cnn", ["--mode=condition"], "must have a run with a VAE and a"),
        ("vae", ["--mode=complete"], "must have a run with a PixelCNN"),
    ],
)
def test_a_mode_that_the_run_cannot_draw_is_refused_before_images_are_read(
    model, arguments, message, drawn, tmp_path_factory
):
    """The images are not there; that would be said first if they were read."""
    path = tmp_path_factory.mktemp("gone") / "run"
    stage = model if model == "joint" else f"pretrain_{model}"
    run = store_run(path, "npz:gone.npz", stage)
    with pytest.raises(InputError, match=message):
        drawn(run, *arguments)
