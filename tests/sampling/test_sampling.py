"""Images drawn from a model, and the rows that show them."""

import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_images, tiny_model

from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.models.iaf_vae import IAFVAE
from agave_tf.pictures import bits_map
from agave_tf.pictures.rows import draw_rows
from agave_tf.sampling import draw_images as drawing
from agave_tf.sampling.completion import completion_mask
from agave_tf.sampling.draw_images import draw_images
from agave_tf.sampling.drawn import SamplingSettings
from agave_tf.sampling.labels import labels_along, labels_for
from agave_tf.sampling.sampler import Sampler
from agave_tf.settings.pictures import PictureSettings

pytestmark = pytest.mark.xdist_group("sampling")


# Rows are made in the same way whatever the network: XLA compiles a small one sooner.
NETWORK = {"num_pixel_cnn_resolutions": 1, "num_layers_per_resolution": 1}


@pytest.fixture(scope="module")
def model():
    return with_condition(tiny_model(**NETWORK))


def with_condition(model):
    # As if the condition had been trained: new ones inject nothing.
    for variable in model.pixel_cnn.trainable_variables:
        if variable.name == "g":
            variable.assign(tf.where(variable == 0.0, 0.5, variable))
    return model


def rows_of(model, **settings):
    # Two at a time whatever is drawn, so that the sampler is compiled once.
    return Sampler(model, SamplingSettings(batch_size=2, **settings))


def captions(rows):
    return [row.caption for row in rows]


def test_an_image_is_the_same_in_any_batch():
    model = with_condition(tiny_model())
    f_z = tf.random.stateless_uniform([5, 8, 8, 3], [0, 1], -1.0, 1.0)
    index = tf.range(5)
    drawn = {
        batch_size: draw_images(
            model, index, SamplingSettings(seed=3, batch_size=batch_size), f_z
        )
        for batch_size in (5, 2)
    }
    np.testing.assert_array_equal(drawn[5], drawn[2])
    assert (drawn[5][0] != drawn[5][1]).any()
    other = draw_images(model, index, SamplingSettings(seed=4, batch_size=5), f_z)
    assert (other != drawn[5]).any()


def test_prior_rows_are_f_z_and_samples_that_differ(model):
    rows = rows_of(model).prior(3, num_samples=2)
    assert captions(rows) == ["f(z)", "sample 1", "sample 2"]
    assert all(row.images.shape == (3, 8, 8, 3) for row in rows)
    assert (rows[1].images != rows[2].images).any()


def test_reconstructions_start_from_the_images(model):
    images = tiny_images(3)
    rows = rows_of(model).reconstruct(images)
    assert captions(rows) == ["image", "f(z)", "sample"]
    np.testing.assert_array_equal(rows[0].images, images.image)


def test_interpolation_ends_at_the_reconstructions_of_its_images(model):
    images = tiny_images(4)
    sampler = rows_of(model, z_temperature=0.0)
    rows = sampler.interpolate(images, num_steps=3)
    assert captions(rows) == ["image", "f(z)", "sample"] * 2
    ends = sampler.reconstruct(images)[1].images
    for pair in range(2):
        given, f_z = rows[3 * pair].images, rows[3 * pair + 1].images
        for step, end in ((0, 2 * pair), (2, 2 * pair + 1)):
            np.testing.assert_array_equal(given[step], images.image[end])
            np.testing.assert_array_equal(f_z[step], ends[end])
        assert (f_z[1] != f_z[0]).any() and (f_z[1] != f_z[2]).any()


@pytest.mark.parametrize("from_prior", [False, True])
def test_completions_keep_what_is_given_and_draw_the_rest(model, from_prior):
    images = tiny_images(2)
    is_given = completion_mask((8, 8), "", keep_top=0.5)
    rows = rows_of(model).complete(images, is_given, 2, from_prior)
    assert captions(rows) == ["image", "given", "f(z)", "sample 1", "sample 2"]
    for row in rows[3:]:
        np.testing.assert_array_equal(
            row.images[:, is_given], images.image[:, is_given]
        )
    assert (rows[3].images != rows[4].images).any()
    hidden = rows[1].images[:, ~is_given]
    mean = images.image[:, is_given].mean(axis=1, keepdims=True)
    assert np.abs(hidden - mean).max() <= 0.5


def test_what_is_hidden_does_not_reach_a_completion(model):
    is_given = completion_mask((8, 8), "", keep_top=0.5)
    images = tiny_images(2)
    hidden = np.where(is_given[None, :, :, None], images.image, 0)
    sampler = rows_of(model)
    first = sampler.complete(images, is_given)[-1].images
    second = sampler.complete(Images(hidden, None), is_given)[-1].images
    np.testing.assert_array_equal(first, second)


def test_temperature_zero_draws_without_chance(model):
    cold = dict(z_temperature=0.0, pixel_temperature=0.0)
    images = tiny_images(2)
    one = rows_of(model, seed=1, **cold).reconstruct(images)[-1].images
    two = rows_of(model, seed=2, **cold).reconstruct(images)[-1].images
    np.testing.assert_array_equal(one, two)


def test_a_part_alone_draws_what_it_can():
    vae, pixel_cnn = (
        tiny_model(stage, **NETWORK) for stage in ("pretrain_vae", "pretrain_pixel_cnn")
    )
    images = tiny_images(2)
    is_given = completion_mask((8, 8), "", keep_top=0.25)
    assert captions(rows_of(vae).prior(2)) == ["f(z)"]
    assert captions(rows_of(vae).interpolate(images)) == ["image", "f(z)"]
    sampler = rows_of(pixel_cnn)
    assert captions(sampler.prior(2)) == ["sample"]
    completed = sampler.complete(images, is_given)
    assert captions(completed) == ["image", "given", "sample"]
    with pytest.raises(InputError, match="without latent variables; got reconstruct"):
        sampler.reconstruct(images)
    with pytest.raises(InputError, match="with a PixelCNN"):
        rows_of(vae).complete(images, is_given)
    for part in (vae, pixel_cnn):
        with pytest.raises(InputError, match="with a VAE and a PixelCNN"):
            rows_of(part).condition(2)


def test_images_and_masks_that_do_not_fit_are_refused(model):
    sampler = rows_of(model)
    with pytest.raises(InputError, match="3 channels; got 1. `image_channels`"):
        sampler.reconstruct(tiny_images(2, channels=1))
    with pytest.raises(InputError, match=r"size \(8, 8\); got \(4, 8\)"):
        sampler.complete(tiny_images(2), np.ones((4, 8), bool))
    with pytest.raises(InputError, match="must be even.*got 3"):
        sampler.interpolate(tiny_images(3))


def test_a_mask_is_read_from_a_picture(tmp_path):
    expected = np.random.default_rng(0).random((4, 8)) < 0.5
    path = tmp_path / "mask.png"
    picture = np.where(expected, 255, 0).astype(np.uint8)[..., None]
    path.write_bytes(tf.io.encode_png(picture).numpy())
    mask = completion_mask((4, 8), str(path), keep_top=0.5)
    np.testing.assert_array_equal(mask, expected)
    with pytest.raises(InputError, match=r"width \(8, 8\).*\(4, 8\)"):
        completion_mask((8, 8), str(path), keep_top=0.5)
    with pytest.raises(InputError, match="no file"):
        completion_mask((8, 8), str(tmp_path / "none.png"), keep_top=0.5)
    path.write_text("not a picture")
    with pytest.raises(InputError, match="must be a PNG"):
        completion_mask((8, 8), str(path), keep_top=0.5)


@pytest.mark.parametrize(
    "name,value",
    [
        ("mode", "posterior"),
        ("num_images", 0),
        ("num_samples", -1),
        ("num_steps", 1),
        ("seed", -1),
        ("seed", 2**31),
        ("keep_top", 1.5),
        ("pixel_temperature", float("nan")),
        ("z_temperature", -0.1),
        ("sampling_batch_size", 0),
        ("label", "three"),
        ("label", "-1"),
        ("label", "0,,3"),
        ("label", "1.5"),
    ],
)
def test_picture_settings_out_of_range_are_refused(name, value):
    with pytest.raises(InputError, match=rf"`{name}` must be .*got"):
        PictureSettings(**{name: value})


def test_every_mode_draws_its_rows(model):
    images = tiny_images(2)
    expected = {"prior": 2, "condition": 11, "reconstruct": 3, "interpolate": 3}
    for mode, count in (expected | {"complete": 4}).items():
        config = PictureSettings(mode=mode, num_images=2, sampling_batch_size=2)
        assert len(draw_rows(model, config, images)) == count, mode


@pytest.fixture(scope="module")
def conditional_model():
    return tiny_model(images=tiny_images(labels=4), num_classes=4, **NETWORK)


@pytest.mark.parametrize("mode", ["prior", "condition", "reconstruct", "interpolate"])
def test_every_mode_of_a_class_conditional_model_draws_for_the_labels(
    conditional_model, mode
):
    """Modes condition and interpolate drew without a class, in silence."""
    images = tiny_images(2, labels=2)
    settings = PictureSettings(
        mode=mode, num_images=2, num_samples=1, num_steps=2, sampling_batch_size=2
    )
    drawn = draw_rows(conditional_model, settings, images)[-1].images
    other = images._replace(label=images.label + 2)
    redrawn = draw_rows(conditional_model, settings, other)[-1].images
    assert (drawn != redrawn).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("label", [None, np.array([0, -1]), np.array([0, 4])])
@pytest.mark.parametrize("mode", ["prior", "condition", "reconstruct", "interpolate"])
def test_a_class_conditional_model_refuses_missing_and_unknown_labels(
    conditional_model, mode, label
):
    images = tiny_images(2)._replace(label=label)
    settings = PictureSettings(mode=mode, num_images=2, sampling_batch_size=2)
    with pytest.raises(InputError, match="`num_classes` must"):
        draw_rows(conditional_model, settings, images)
    with pytest.raises(InputError, match="`label` must be given"):
        rows_of(conditional_model).prior(2)


def test_interpolation_takes_the_label_of_the_nearer_image():
    label = np.array([1, 2, 3, 0], np.int32)
    np.testing.assert_array_equal(
        labels_along(label, 5), [1, 1, 1, 2, 2, 3, 3, 3, 0, 0]
    )


MODES = ["prior", "condition", "reconstruct", "interpolate", "complete"]


def settings_of(mode, **changes):
    defaults = dict(num_images=4, num_samples=1, num_steps=3, sampling_batch_size=2)
    return PictureSettings(mode=mode, **(defaults | changes))


@pytest.mark.parametrize("mode", MODES)
def test_rows_are_the_same_in_any_batch(model, mode):
    """Also where the last batch is short, and where a pair lies in two batches."""
    images = tiny_images(4)
    small, large = (
        draw_rows(model, settings_of(mode, sampling_batch_size=size), images)
        for size in (2, 5)
    )
    assert captions(small) == captions(large)
    for one, other in zip(small, large, strict=True):
        np.testing.assert_array_equal(one.images, other.images, err_msg=one.caption)


@pytest.mark.parametrize("mode", [*MODES, "bits_map"])
def test_no_more_than_a_batch_is_in_a_network_at_a_time(model, mode, monkeypatch):
    """f(z) of 60,000 samples was computed at once, at 0.5 MB and more an image."""
    sizes = []

    def count_of(*inputs):
        # Of noise or z; the other inputs of a level are nests, or None.
        return next(len(x[0]) for x in inputs if hasattr(x[0], "shape"))

    def watched(owner, name, size_of):
        function = getattr(owner, name)

        def run(*args, **kwargs):
            sizes.append(size_of(args))
            return function(*args, **kwargs)

        monkeypatch.setattr(owner, name, run)

    watched(IAFVAE, "encode", lambda args: len(args[1]))
    watched(IAFVAE, "_top_down", lambda args: count_of(*args[2:]))
    watched(drawing, "draw_batch", lambda args: len(args[1]))
    watched(type(model), "primary_log_prob", lambda args: len(args[1]))
    images = tiny_images(6)
    if mode == "bits_map":
        bits_map.bits_map_rows(model, images, seed=0, batch_size=2)
    else:
        draw_rows(model, settings_of(mode, num_images=6), images)
    assert len(sizes) >= 6
    assert set(sizes) <= {1, 2}


def test_maps_of_bits_are_the_same_in_any_batch(model):
    images = tiny_images(5)
    small, large = (
        bits_map.bits_map_rows(model, images, seed=0, batch_size=size)
        for size in (2, 5)
    )
    assert captions(small) == captions(large)
    for one, other in zip(small, large, strict=True):
        difference = one.images.astype(int) - other.images
        assert np.abs(difference).max() <= 1, one.caption


@pytest.mark.parametrize("mode", MODES)
def test_given_labels_are_drawn_rather_than_those_of_the_images(
    conditional_model, mode
):
    images = tiny_images(4, labels=4)
    given = images._replace(label=np.array([3, 1, 3, 1], np.int32))
    expected = draw_rows(conditional_model, settings_of(mode), given)
    own = draw_rows(conditional_model, settings_of(mode), images)
    needed = None if mode in ("prior", "condition") else images._replace(label=None)
    drawn = draw_rows(conditional_model, settings_of(mode, label="3,1"), needed)
    assert captions(drawn) == captions(expected)
    for one, other in zip(drawn, expected, strict=True):
        np.testing.assert_array_equal(one.images, other.images)
    assert (drawn[-1].images != own[-1].images).any()


def test_one_label_is_for_all_images_and_a_list_repeats():
    np.testing.assert_array_equal(labels_for(3, 2, 4), [3, 3])
    np.testing.assert_array_equal(labels_for([0, 3, 3], 5, 4), [0, 3, 3, 0, 3])
    assert labels_for(np.array([1], np.int64), 2, 4).dtype == np.int32


@pytest.mark.parametrize(
    "label,message",
    [
        (None, "given for every image"),
        (4, "from 0 to 3, the classes of the run; got 4"),
        ([0, -1], "from 0 to 3.*got -1"),
        ([], "a whole number or a list"),
        (0.5, "a whole number or a list"),
        ([[0, 1]], "a whole number or a list"),
        ([0, 1, 2], "no more entries than the 2 images to draw; got 3"),
    ],
)
def test_labels_that_cannot_be_drawn_are_refused(label, message):
    with pytest.raises(InputError, match=f"`label` must (be|have) {message}"):
        labels_for(label, 2, 4)


def test_a_label_needs_a_model_with_classes(model, conditional_model):
    with pytest.raises(InputError, match="`label` must be empty.*num_classes.*got '1'"):
        draw_rows(model, settings_of("prior", label="1"), None)
    with pytest.raises(InputError, match="`label` must be from 0 to 3.*got 4"):
        draw_rows(conditional_model, settings_of("prior", label="0,4"), None)


def test_few_labels_of_images_repeat_over_all_columns_and_are_said(
    conditional_model, caplog
):
    """16 columns of a set of 2 images were 2 columns, in silence."""
    images = tiny_images(2, labels=2)
    with caplog.at_level("INFO", logger="absl"):
        rows = draw_rows(conditional_model, settings_of("prior"), images)
    expected = draw_rows(conditional_model, settings_of("prior", label="0,1"), None)
    np.testing.assert_array_equal(rows[-1].images, expected[-1].images)
    assert len(rows[-1].images) == 4
    assert "Classes of the columns, in turn: 0, 1." in caplog.text


def test_an_interpolation_draws_as_many_samples_as_asked_for(model):
    """--num_samples changed nothing there, in silence."""
    settings = settings_of("interpolate", num_samples=2)
    rows = draw_rows(model, settings, tiny_images(4))
    assert captions(rows) == ["image", "f(z)", "sample 1", "sample 2"] * 2
    assert (rows[2].images != rows[3].images).any()


def test_fewer_images_than_asked_for_are_said(caplog):
    images = tiny_images(5)
    assert len(images.some(1, 4).image) == 4
    assert caplog.text == ""
    assert len(images.some(2, 16).image) == 3
    assert "Only 3 of the 16 images that were asked for: from number 2" in caplog.text
    assert len(images.first(8, multiple_of=2).image) == 4
    assert "Only 4 of the 8" in caplog.text


def test_what_leaves_no_image_or_no_pair_is_refused():
    images = tiny_images(5)
    with pytest.raises(InputError, match="`first_image` must be below .* 5; got 5"):
        images.some(5, 1)
    with pytest.raises(InputError, match="must leave at least 2 images; from number 4"):
        images.some(4, 16, multiple_of=2)
    with pytest.raises(InputError, match="`num_images` must be even.*got 3"):
        PictureSettings(mode="interpolate", num_images=3)
    assert PictureSettings(mode="prior", num_images=3).num_images == 3


def test_nothing_to_draw_is_refused(model):
    sampler = rows_of(model)
    with pytest.raises(InputError, match="`num_images` must be at least 1; got 0"):
        sampler.prior(0)
    with pytest.raises(InputError, match="`num_images` must be at least 1; got 0"):
        sampler.reconstruct(tiny_images(2).take(np.arange(0)))
    with pytest.raises(InputError, match="`num_steps` must be at least 2; got 1"):
        sampler.interpolate(tiny_images(2), num_steps=1)
    with pytest.raises(InputError, match="`batch_size` must be at least 1; got 0"):
        Sampler(model, SamplingSettings(batch_size=0))


@pytest.mark.parametrize(
    "settings,parts,unread",
    [
        (dict(num_steps=3, keep_top=0.2), (True, True, 0), ["num_steps", "keep_top"]),
        (dict(first_image=3, split="train"), (True, True, 0), ["split", "first_image"]),
        (dict(first_image=3), (True, True, 4), []),
        (dict(first_image=3, label="1"), (True, True, 4), ["first_image"]),
        (dict(mode="interpolate", num_steps=3, first_image=1), (True, True, 0), []),
        (dict(mode="complete", mask="m.png", keep_top=0.1), (True, True, 0), None),
        (dict(mode="complete", z_from="prior"), (False, True, 0), ["z_from"]),
        (
            dict(num_samples=2, pixel_temperature=0.5, z_temperature=0.5),
            (True, False, 0),
            ["num_samples", "pixel_temperature"],
        ),
    ],
)
def test_settings_without_effect_are_known(settings, parts, unread):
    expected = ["keep_top"] if unread is None else unread
    has_vae, has_pixel_cnn, num_classes = parts
    networks = ["vae"] * has_vae + ["pixel_cnn"] * has_pixel_cnn
    found = PictureSettings(**settings).without_effect(networks, num_classes)
    assert found == expected
