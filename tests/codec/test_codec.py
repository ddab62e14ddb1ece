"""Images that are coded come back bit for bit, or the file is refused."""

import os

import numpy as np
import pytest
import tensorflow as tf
from broad_pixels import model_with_broad_pixels
from tiny import tiny_images, tiny_model

from agave_tf.codec import codec as codec_module
from agave_tf.codec import one_size
from agave_tf.codec.archive import Archive, archive_of, num_threads_of
from agave_tf.codec.codec import Codec
from agave_tf.codec.environment import this_environment, unpacked
from agave_tf.codec.latent_code import CountRange
from agave_tf.data.dead_leaves import draw_dead_leaves
from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.evaluation.evaluator import Evaluator
from agave_tf.pixel_scale import to_levels
from agave_tf.settings.coding import CodecSettings
from agave_tf.weights.named_weights import named_weights

LANES = 4
SETTINGS = CodecSettings(lanes=LANES, index_bits=6, block_bits=6)
# The beginning of this version, as it stands in a message's pattern.
HERE = r"\.".join(tf.__version__.split(".")[:2])


@pytest.fixture(scope="module", autouse=True)
def nothing_is_stored():
    """These models have learnt nothing; most pictures would be stored as they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            codec_module, "_is_larger", lambda coded, _: np.zeros(len(coded.bits), bool)
        )
        yield


@pytest.fixture(scope="module")
def agave():
    return model_with_broad_pixels()


@pytest.fixture(scope="module")
def codec(agave):
    return Codec(agave, SETTINGS)


@pytest.fixture(scope="module")
def images():
    """Images of the training set, others, and such as a model finds hard."""
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 256, [2, 8, 8, 3], dtype=np.uint8)
    flat = np.stack([np.full([8, 8, 3], level, np.uint8) for level in (0, 255, 128)])
    one_off = flat.copy()
    one_off[:, 3, 4, 1] ^= 1
    checks = np.indices([8, 8]).sum(0)[None, ..., None].repeat(3, -1) % 2 * 255
    parts = [tiny_images(4).image, noise, flat, one_off, checks.astype(np.uint8)]
    return np.concatenate(parts)


@pytest.mark.parametrize("count", [1, 2, 4, 5, 13])
def test_images_come_back_whatever_their_number(codec, images, count):
    data = codec.encode(images[-count:])
    np.testing.assert_array_equal(codec.decode(data).images, images[-count:])


def test_a_file_decodes_whatever_the_settings_of_the_decoder(agave, codec, images):
    other = Codec(agave, CodecSettings(lanes=LANES, index_bits=8, block_bits=4))
    decoded = codec.decode(other.encode(images))
    np.testing.assert_array_equal(decoded.images, images)


def test_65_images_of_one_lane_and_of_64_come_back(agave):
    """A full batch and one image, and the other way round."""
    images = tiny_images(65).image
    for lanes in (1, 64):
        codec = Codec(agave, CodecSettings(lanes=lanes))
        np.testing.assert_array_equal(codec.decode(codec.encode(images)).images, images)


@pytest.mark.parametrize(
    ("stage", "channels", "settings"),
    [
        ("pretrain_pixel_cnn", 3, {}),
        ("pretrain_pixel_cnn", 1, {"num_pixel_cnn_resolutions": 3}),
        ("joint", 3, {"num_classes": 3, "use_iaf": False}),
        ("joint", 1, {"auxiliary_downsampling": 2, "num_resolutions": 2}),
        ("joint", 3, {"auxiliary_color": "gray", "compute_dtype": "bfloat16"}),
    ],
)
def test_every_kind_of_model_codes(stage, channels, settings):
    images = tiny_images(5, channels=channels, labels=3)
    model = model_with_broad_pixels(stage, images, **settings)
    codec = Codec(model, SETTINGS)
    decoded = codec.decode(codec.encode(*images))
    np.testing.assert_array_equal(decoded.images, images.image)
    np.testing.assert_array_equal(decoded.labels, images.label)


@pytest.mark.parametrize("stage", ["joint", "pretrain_pixel_cnn"])
@pytest.mark.parametrize("size", [(8, 16), (16, 8)], ids=["wide", "high"])
def test_images_that_are_not_square_come_back(stage, size):
    images = Images(draw_dead_leaves(5, *size, channels=3, seed=1), None)
    codec = Codec(model_with_broad_pixels(stage, images), SETTINGS)
    decoded = codec.decode(codec.encode(images.image))
    np.testing.assert_array_equal(decoded.images, images.image)


def test_a_file_has_the_size_of_the_bound(agave, images):
    """The PixelCNN++ costs its likelihood, and z about its KL."""
    images = tiny_images(24)
    bits = []
    codec = Codec(agave, CodecSettings(lanes=24), lambda p: bits.append(p.bits))
    data = codec.encode(images.image)
    scores = Evaluator(agave, 24).scores(images, 8)
    nats = -scores.primary_reconstruction.sum()
    kl = scores.kl.sum() / np.log(2)
    assert kl > 24 * 20
    # The pixels, but for f(z) of another z, and 512 of 2**20 slots that are shared out.
    np.testing.assert_allclose(sum(bits), nats / np.log(2), rtol=0.02)
    # z costs at most half as much again (docs/results.md, Sizes of coded files).
    latents = 8 * len(data) - sum(bits) - 24 * 40
    assert 0.5 * kl < latents < 1.5 * kl


def test_the_pixel_cnn_alone_costs_its_likelihood():
    model, images = model_with_broad_pixels("pretrain_pixel_cnn"), tiny_images(24)
    bits = []
    codec = Codec(model, CodecSettings(lanes=24), lambda p: bits.append(p.bits))
    data = codec.encode(images.image)
    exact = -Evaluator(model, 24).scores(images, 1).log_likelihood.sum() / np.log(2)
    np.testing.assert_allclose(sum(bits), exact, rtol=1e-3)
    header = 8 * len(data) - sum(bits) - 24 * 35
    assert -24 * 8 < header < 24 * 8 + 24 * 16 + 8 * 30


@pytest.mark.parametrize("num_images", [1, 5])
def test_a_header_keeps_its_numbers(num_images):
    ranges = [
        CountRange(0, 0),
        CountRange(7, 8),
        CountRange(8, 255),
        CountRange(63, 64),
    ]
    if num_images == 1:
        ranges = [CountRange(most, most) for _, most in ranges]
    streams = [b"abcd", b"efg"][:num_images]
    archive = Archive(
        b"w8s", this_environment(), num_images, 12, ranges, None, None, streams
    )
    data = archive.to_bytes()
    assert archive_of(data, 4) == archive
    if num_images == 1:
        assert len(data) == len(streams[0]) + 21


def test_names_labels_and_order_are_kept(codec, images):
    names = ["a/b.png", "ö.png", *(f"{i}.png" for i in range(11))]
    labels = np.array([-1, 0, 300, *range(10)])
    decoded = codec.decode(codec.encode(images, labels, names))
    assert decoded.names == names
    np.testing.assert_array_equal(decoded.labels, labels)
    np.testing.assert_array_equal(decoded.images, images)
    bare = codec.decode(codec.encode(images))
    assert bare.names is None and bare.labels is None


def test_a_preview_is_f_z(codec, images):
    data = codec.encode(images)
    preview = codec.preview(data)
    assert preview.images.shape == images.shape and preview.images.dtype == np.uint8
    sized = codec._sized((8, 8))
    latents = sized._latents_of(LANES, SETTINGS.index_bits)
    batches = np.minimum(np.arange(16).reshape(-1, LANES), len(images) - 1)
    codes = [latents.choose(images[rows]) for rows in batches]
    f_z = latents.f_z(codes[0])
    np.testing.assert_array_equal(preview.images[:LANES], to_levels(f_z))
    # It needs the first bytes of the streams alone.
    archive = archive_of(data, num_levels=1)
    num_blocks = sum(count[:, 0] for code in codes for count in code.counts)
    lengths = num_blocks * SETTINGS.index_bits // 32 * 4 + 16
    assert all(len(s) > 1.5 * n for n, s in zip(lengths, archive.streams))
    short = archive._replace(
        streams=[s[: n + len(s) % 4] for n, s in zip(lengths, archive.streams)]
    )
    again = codec.preview(short.to_bytes())
    np.testing.assert_array_equal(again.images, preview.images)


def test_damage_is_found_wherever_it_is(codec, images):
    """Every bit of the header, and bits of the streams: no wrong picture."""
    data = codec.encode(images[:5], np.arange(5), list("abcde"))
    header = len(data) - sum(map(len, archive_of(data, 1).streams))
    rng = np.random.default_rng(0)
    in_streams = rng.integers(8 * header, 8 * len(data), 40)
    for bit in [*range(8 * header), *in_streams, 8 * len(data) - 1]:
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(InputError):
            codec.decode(bytes(flipped))


def test_a_file_that_is_cut_off_or_longer_is_refused(codec, images):
    data = codec.encode(images[:5])
    for length in [*range(0, 60), *range(60, len(data), 17), len(data) - 1]:
        with pytest.raises(InputError):
            codec.decode(data[:length])
    with pytest.raises(InputError):
        codec.decode(data + b"\0\0\0\0")


def test_another_model_is_named(codec, images):
    data = codec.encode(images[:2])
    other = model_with_broad_pixels()
    weights = named_weights(other)["vae/log_scale"]
    weights.assign(weights + 1)
    with pytest.raises(InputError, match="the model it was made with, of weights "):
        Codec(other).decode(data)
    with pytest.raises(
        InputError, match="begins with AG; got one that begins with b'P"
    ):
        codec.decode(b"PNG" + data)
    changed = bytearray(data)
    changed[2] = 9
    with pytest.raises(InputError, match="must be of format 2, .* got format 9"):
        codec.decode(bytes(changed))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tensorflow": (2, 4, 1)}, rf"tensorflow 2\.4\.1, here {HERE}"),
        ({"agave_tf": (0, 9, 3)}, r"agave_tf 0\.9\.3, here 0\."),
        ({"num_threads": 77}, "num_threads 77, here "),
        ({"cpu_features": frozenset(["sve"])}, "a CPU with sve, here "),
    ],
)
def test_another_environment_names_both_sides(codec, images, monkeypatch, change, said):
    there = this_environment()._replace(**change)
    assert unpacked(there.packed()) == there
    monkeypatch.setattr(one_size, "this_environment", lambda: there)
    data = codec.encode(images[:2])
    monkeypatch.undo()
    with pytest.raises(InputError, match=f"decoded where it was made: .*{said}"):
        codec.decode(data)


@pytest.mark.parametrize("num_cpus", [1, 255, 256, 300])
def test_a_process_of_any_number_of_cpus_reads_its_own_files(num_cpus, monkeypatch):
    """From 256 on the header said 255, and the file's own process refused it."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(num_cpus)))
    monkeypatch.setattr(
        tf.config.threading, "get_intra_op_parallelism_threads", lambda: 0
    )
    ours = this_environment()
    assert ours.differences(unpacked(ours.packed())) == []
    # 0 threads are as many as there are CPUs.
    data = b"AG" + bytes(4) + ours.packed()
    assert num_threads_of(data) == (num_cpus if num_cpus < 256 else 0)
    fewer = ours._replace(num_threads=8)
    there = "256 or more" if num_cpus > 255 else str(num_cpus)
    assert fewer.differences(ours) == [f"num_threads {there}, here 8"]


def test_what_cannot_be_coded_is_refused(codec, images):
    with pytest.raises(InputError, match="must have a PixelCNN"):
        Codec(tiny_model("pretrain_vae"))
    with pytest.raises(InputError, match=r"uint8 .*got float32"):
        codec.encode(images.astype(np.float32))
    with pytest.raises(InputError, match="N at least 1"):
        codec.encode(images[:0])
    with pytest.raises(InputError, match="`names` must be one for each of 13"):
        codec.encode(images, names=["a"])
    with pytest.raises(InputError, match="`lanes` must"):
        CodecSettings(lanes=0)
    alone = Codec(model_with_broad_pixels("pretrain_pixel_cnn"), SETTINGS)
    with pytest.raises(InputError, match="`preview` must have a model with a VAE"):
        alone.preview(b"")
    classes = tiny_images(4, labels=2)
    conditional = model_with_broad_pixels("joint", classes, num_classes=2)
    with pytest.raises(InputError, match="`num_classes` must"):
        Codec(conditional).encode(classes.image)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 2**32 + 5], "from -1 to 2147483647; got 4294967301"),
        ([0, 1.7], "from -1 to 2147483647; got 1.7"),
        ([0, float("nan")], "got nan"),
        ([0, -2], "from -1 to 2147483647; got -2"),
        (["a", "b"], "got values of type <U1"),
        ([[0, 1], [1, 0]], r"one for each image; got int64 \[2, 2\]"),
    ],
)
def test_labels_that_a_file_cannot_keep_are_refused(codec, images, labels, message):
    """2**32 + 5 came back as 5, 1.7 as 1, and -2 ended in a traceback."""
    with pytest.raises(InputError, match=f"`labels` must be whole numbers .*{message}"):
        codec.encode(images[:2], labels)


@pytest.mark.parametrize("labels", [[-1, 2**31 - 1], [3.0, -1.0], [[4], [5]]])
def test_labels_that_are_whole_come_back(codec, images, labels):
    decoded = codec.decode(codec.encode(images[:2], labels))
    assert decoded.labels.tolist() == np.ravel(labels).tolist()
