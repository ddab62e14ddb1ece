"""A SavedModel gives the numbers of the model it was made from."""

import json
import math
import os
import subprocess
import sys

import exported_elsewhere
import numpy as np
import pytest
import tensorflow as tf
from tiny import KL_ROUNDING_NATS, tiny_images, tiny_model

from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.evaluation.evaluator import Evaluator
from agave_tf.interop.saved_model import DESCRIPTION_FILE, export_model
from agave_tf.interop.signatures import ExportedModel
from agave_tf.pixel_scale import to_levels, to_unit_range
from agave_tf.sampling.draw_images import draw_images
from agave_tf.sampling.drawn import SamplingSettings
from agave_tf.sampling.sampler import Sampler

COUNT, SEED, NUM_SAMPLES = 5, 3, 2


def test_every_signature_gives_pythons_numbers_with_tensorflow_alone(tmp_path):
    images = tiny_images(COUNT, labels=2)
    model = tiny_model(images=images, num_layers_per_resolution=1, num_classes=2)
    export_model(model, str(tmp_path / "exported"), {"step": 7}, sampling_batch_size=2)
    image, label = images
    zs = model.mean_latents(tf.constant(image))
    given = {
        "encode": {"images": image},
        "reconstruct": {"images": image},
        "decode": {f"z_{level:02d}": z.numpy() for level, z in enumerate(zs)},
        "log_likelihood": {
            "images": image,
            "labels": label,
            "num_samples": NUM_SAMPLES,
            "seed": SEED,
        },
        "sample": {"labels": label, "seed": SEED},
        "sample_given_auxiliary": {
            "auxiliary_images": image,
            "labels": label,
            "seed": SEED,
        },
    }
    given |= wrong_calls(given)
    calls = {
        f"{name}/{key}": np.asarray(value, np.int32) if np.isscalar(value) else value
        for name, arguments in given.items()
        for key, value in arguments.items()
    }
    np.savez(tmp_path / "calls.npz", **calls)
    files = [str(tmp_path / name) for name in ("exported", "calls.npz", "results.npz")]
    # From another directory, so that agave_tf is not found by chance either.
    subprocess.run(
        [sys.executable, exported_elsewhere.__file__, *files], check=True, cwd=tmp_path
    )
    with np.load(files[-1]) as file:
        results = {key: file[key] for key in file.files}
    check_vae(model, zs, results)
    check_log_likelihood(model, images, results)
    check_samples(model, images, results)
    check_refusals(given, results)
    description = json.loads(results["describe/json"].item())
    assert (description["step"], description["image_shape"]) == (7, [8, 8, 3])
    assert description["settings"]["vae"]["hidden_channels"] == 8
    stored = (tmp_path / "exported" / DESCRIPTION_FILE).read_text()
    assert json.loads(stored) == description


WRONG_LABELS = {"too small": [0, 1, -1, 0, 1], "too large": [0, 1, 2, 0, 1]}


def wrong_calls(given):
    """Calls with one wrong argument each, which an exported model must refuse."""
    wrong = {}
    for name in ("log_likelihood", "sample", "sample_given_auxiliary"):
        for note, labels in WRONG_LABELS.items():
            changed = given[name] | {"labels": np.array(labels, np.int32)}
            wrong[f"{name}, {note}"] = changed
    for name in ("log_likelihood", "sample_given_auxiliary"):
        # One label would otherwise be used for all images.
        wrong[f"{name}, one label"] = given[name] | {"labels": np.zeros(1, np.int32)}
    wrong["log_likelihood, no sample"] = given["log_likelihood"] | {"num_samples": 0}
    return wrong


def check_refusals(given, results):
    required = {
        "too small": "`labels` must be from 0 to 1; got] [-1]",
        "too large": "`labels` must be from 0 to 1; got] [2]",
        "one label": "`labels` must be one for each of the",
        "no sample": "`num_samples` must be at least 1; got] [0]",
    }
    notes = [name.split(", ")[1] for name in given if "," in name]
    assert len(notes) == 9 and set(notes) == set(required)
    for name in given:
        outputs = [key for key in results if key.startswith(f"{name}/")]
        if "," not in name:
            assert f"{name}/refusal" not in outputs
            continue
        assert outputs == [f"{name}/refusal"]
        message = results[outputs[0]].item().decode()
        assert required[name.split(", ")[1]] in message, message


def check_vae(model, zs, results):
    f_z = model.vae.decode(zs)
    for level, z in enumerate(zs):
        stored = results[f"encode/z_{level:02d}"]
        np.testing.assert_allclose(stored, z, atol=1e-5)
    flat = np.concatenate([z.numpy().reshape(COUNT, -1) for z in zs], axis=1)
    np.testing.assert_allclose(results["encode/features"], flat, atol=1e-5)
    for name in ("reconstruct", "decode"):
        np.testing.assert_allclose(results[f"{name}/f_z"], f_z, atol=1e-5)
        pictures = results[f"{name}/f_z_images"]
        np.testing.assert_array_equal(pictures, to_levels(results[f"{name}/f_z"]))


def check_log_likelihood(model, images, results):
    scores = Evaluator(model, COUNT).scores(images, NUM_SAMPLES, SEED)
    expected = scores._asdict()
    ours = {
        "nats": "bound",
        "elbo": "log_likelihood",
        "primary_reconstruction": "primary_reconstruction",
        "auxiliary_reconstruction": "auxiliary_reconstruction",
        "kl": "kl",
    }
    for output, name in ours.items():
        stored = results[f"log_likelihood/{output}"]
        np.testing.assert_allclose(
            stored, expected[name], rtol=1e-5, atol=KL_ROUNDING_NATS, err_msg=output
        )
    bits = -expected["bound"] / (8 * 8 * 3 * np.log(2))
    np.testing.assert_allclose(results["log_likelihood/bits_per_dim"], bits, rtol=1e-5)


def check_samples(model, images, results):
    """Draws are equal except where rounding moved a sub-pixel to another level.

    The pixels after it in the same image then differ too, so whole images are counted.
    """
    rows = Sampler(model, SamplingSettings(seed=SEED, batch_size=2)).prior(
        COUNT, label=images.label
    )
    settings = SamplingSettings(seed=SEED, batch_size=2)
    index = np.arange(COUNT)
    f_z = to_unit_range(tf.constant(images.image))
    given = draw_images(model, index, settings, f_z, images.label)
    assert results["sample/f_z_images"].shape == rows[0].images.shape
    for stored, expected in (
        (results["sample/images"], rows[1].images),
        (results["sample_given_auxiliary/images"], given),
    ):
        assert stored.shape == expected.shape and stored.dtype == np.uint8
        same = (stored == expected).all(axis=(1, 2, 3))
        assert same.sum() >= COUNT - 1
    assert np.ptp(results["sample/images"]) > 100


def test_a_pixel_cnn_alone_in_bfloat16(tmp_path):
    images = tiny_images(4)
    model = tiny_model("pretrain_pixel_cnn", images, compute_dtype="bfloat16")
    export_model(model, str(tmp_path / "exported"), {})
    signatures = tf.saved_model.load(str(tmp_path / "exported")).signatures
    assert set(signatures) == {"describe", "log_likelihood", "sample"}
    image = tf.constant(images.image)
    number = {"num_samples": tf.constant(1), "seed": tf.constant(0)}
    result = signatures["log_likelihood"](images=image, **number)
    bound = Evaluator(model, 4).scores(images, 1, 0).bound
    np.testing.assert_allclose(result["nats"], bound, rtol=2e-3)
    assert "kl" not in result


def test_a_vae_alone_exports_what_it_can(tmp_path):
    images = tiny_images(3)
    model = tiny_model("pretrain_vae", images)
    export_model(model, str(tmp_path / "exported"), {})
    signatures = tf.saved_model.load(str(tmp_path / "exported")).signatures
    names = {"encode", "reconstruct", "decode", "log_likelihood", "sample", "describe"}
    assert set(signatures) == names
    drawn = signatures["sample"](count=tf.constant(3), seed=tf.constant(2))
    assert set(drawn) == {"f_z", "f_z_images"}
    rows = Sampler(model, SamplingSettings(seed=2)).prior(3)
    difference = np.abs(drawn["f_z_images"].numpy().astype(int) - rows[0].images)
    assert difference.max() <= 1
    image = tf.constant(images.image)
    number = {"num_samples": tf.constant(2), "seed": tf.constant(1)}
    nats = signatures["log_likelihood"](images=image, **number)["nats"]
    bound = Evaluator(model, 3).scores(images, 2, 1).bound
    np.testing.assert_allclose(nats, bound, rtol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="check_images"):
        signatures["encode"](images=tf.zeros([2, 8, 8, 1], tf.uint8))
    with pytest.raises(tf.errors.InvalidArgumentError, match="to be a uint8 tensor"):
        signatures["encode"](images=tf.zeros([2, 8, 8, 3]))


def test_images_may_have_any_size_and_those_drawn_have_the_one_asked_for(tmp_path):
    model = tiny_model()
    export_model(model.of_size((6, 9)), str(tmp_path / "exported"), {}, 2)
    signatures = tf.saved_model.load(str(tmp_path / "exported")).signatures
    seed = tf.constant(1)
    for size in [(5, 7), (1, 1), (8, 8)]:
        image = np.random.default_rng(0).integers(0, 256, (3, *size, 3), np.uint8)
        found = signatures["log_likelihood"](
            images=tf.constant(image), num_samples=tf.constant(2), seed=seed
        )
        scores = Evaluator(model, 3).scores(Images(image, None), 2, 1)
        np.testing.assert_allclose(found["nats"], scores.bound, rtol=1e-4, atol=1e-3)
        bits = -scores.bound / (math.prod(size) * 3 * math.log(2))
        np.testing.assert_allclose(found["bits_per_dim"], bits, rtol=1e-4, atol=1e-4)
        zs = model.of_size(size).mean_latents(tf.constant(image))
        encoded = signatures["encode"](images=tf.constant(image))
        np.testing.assert_allclose(encoded["z_00"], zs[0], rtol=1e-4, atol=1e-5)
        assert encoded["features"].shape[1] == sum(z[0].numpy().size for z in zs)
        f_z = signatures["reconstruct"](images=tf.constant(image))["f_z_images"]
        assert f_z.shape == image.shape
    drawn = signatures["sample"](count=tf.constant(3), seed=seed)
    expected = Sampler(model.of_size((6, 9)), SamplingSettings(seed=1)).prior(3)
    assert drawn["images"].shape == (3, 6, 9, 3)
    assert drawn["f_z"].shape == (3, 6, 9, 3)
    differs = drawn["images"].numpy() != expected.images[0]
    assert differs.mean() < 0.05


def test_nothing_is_overwritten_and_nothing_is_left_half_written(tmp_path, monkeypatch):
    model = tiny_model("pretrain_vae")
    path = tmp_path / "exported"
    path.mkdir()
    with pytest.raises(InputError, match="`output_dir` must not exist"):
        export_model(model, str(path), {})
    with pytest.raises(InputError, match="there is no"):
        export_model(model, str(tmp_path / "no" / "exported"), {})

    def fail(module, directory, signatures):
        os.makedirs(os.path.join(directory, "variables"))
        raise OSError("No space left on device")

    monkeypatch.setattr(
        ExportedModel, "signatures", lambda self, has_free_size=True: {}
    )
    monkeypatch.setattr(tf.saved_model, "save", fail)
    path.rmdir()
    with pytest.raises(OSError, match="No space"):
        export_model(model, str(path), {})
    assert not list(tmp_path.iterdir())
