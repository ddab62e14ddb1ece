"""Images that are coded come back bit for bit."""

import numpy as np
import pytest
from broad_pixels import model_with_broad_pixels
from coding_models import LANES, SETTINGS, SIZE, gray_codec, gray_model, smooth
from tiny import tiny_images, tiny_model

from agave_tf.codec import codec as codec_module
from agave_tf.codec import given_pictures, packing
from agave_tf.codec.codec import Codec
from agave_tf.codec.lanes import stacks_of_lanes
from agave_tf.codec.read_file import file_of
from agave_tf.errors import InputError
from agave_tf.evaluation.evaluator import Evaluator
from agave_tf.models.pixel_cnn_model import PixelCNNModel
from agave_tf.pixel_scale import to_levels
from agave_tf.settings.coding import CodecSettings


@pytest.fixture
def nothing_is_stored(monkeypatch):
    """These models have learnt nothing; most pictures would be stored as they are."""

    def none(bits, pictures):
        del pictures
        return np.zeros(len(bits), bool)

    monkeypatch.setattr(codec_module, "_is_larger", none)


@pytest.fixture(scope="module")
def codec():
    return gray_codec()


def hard_images():
    """Images that a model finds hard: noise, flat ones, and single steps."""
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 256, [2, *SIZE, 3], dtype=np.uint8)
    flat = np.stack([np.full([*SIZE, 3], level, np.uint8) for level in (0, 255, 128)])
    one_off = flat.copy()
    one_off[:, 3, 2, 1] ^= 1
    checks = np.indices(SIZE).sum(0)[None, ..., None].repeat(3, -1) % 2 * 255
    return np.concatenate([noise, flat, one_off, checks.astype(np.uint8)])


@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_images_come_back_whatever_their_number(codec, count):
    images = smooth(count)
    data = codec.encode(images)
    np.testing.assert_array_equal(codec.decode(data).images, images)
    assert len(data) < images.size


def test_images_that_a_model_finds_hard_come_back(codec, nothing_is_stored):
    """Coded or, where a whole group does not pay, stored."""
    images = hard_images()
    easy = np.repeat(smooth(6, seed=3), 40, axis=0)
    images = np.concatenate([images, easy])
    data = codec.encode(images)
    groups = file_of(data, (*SIZE, 3), 2, False).header.groups
    assert [group.kind.is_stored for group in groups] == [False]
    np.testing.assert_array_equal(codec.decode(data).images, images)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (PixelCNNModel, {"channels": 1, "num_pixel_cnn_resolutions": 2}),
        (None, {"num_classes": 3, "use_iaf": False, "auxiliary_downsampling": 2}),
        (None, {"auxiliary_color": "gray", "compute_dtype": "bfloat16"}),
    ],
)
def test_every_kind_of_model_codes(kind, settings):
    kinds = {"kind": kind} if kind else {}
    codec = gray_codec(gray_model(**kinds, **settings), lanes=2)
    images = smooth(5, channels=settings.get("channels", 3))
    labels = np.arange(5) % 3
    data = codec.encode(images, labels)
    assert len(data) < images.size
    decoded = codec.decode(data)
    np.testing.assert_array_equal(decoded.images, images)
    np.testing.assert_array_equal(decoded.labels, labels)


@pytest.mark.parametrize("stage", ["joint", "pretrain_pixel_cnn"])
def test_streams_have_the_size_of_the_bound(stage):
    """The PixelCNN++ costs its likelihood, and z about its KL."""
    images, settings = tiny_images(24).image, CodecSettings()
    model = model_with_broad_pixels(stage)
    sized = Codec(model, settings)._sized(model.image_shape[:2])
    coded = sized.encode(images, None)
    pixels = coded.intervals.bits.sum()
    scores = Evaluator(model, 24).scores(tiny_images(24), 8)
    if stage == "joint":
        nats = -scores.primary_reconstruction.sum()
        kl = scores.kl.sum() / np.log(2)
        assert kl > 24 * 20
    else:
        nats, kl = -scores.log_likelihood.sum(), 0
    # The pixels, but for f(z) of another z, and 512 of 2**20 slots that are shared out.
    np.testing.assert_allclose(pixels, nats / np.log(2), rtol=0.02 if kl else 1e-3)
    # z costs at most half as much again (docs/results.md, Sizes of coded files).
    latents = coded.bits(settings.index_bits).sum() - pixels
    assert 0.5 * kl <= latents <= 1.5 * kl
    # A stream itself takes some 35 bits.
    stacks = stacks_of_lanes(images, coded, 24, settings.index_bits)
    num_bits = 8 * sum(len(stack.stream(0)) for stack in stacks)
    counts = 24 * 8 if kl else 0  # Those of blocks, where they vary.
    assert abs(num_bits - pixels - latents - 24 * 35 - counts) < 24 * 8


def test_names_labels_and_order_are_kept(codec):
    images = smooth(5)
    names = ["a/b.png", "ö.png", "\udcff.png", "", "e" * packing.MOST_NAME]
    labels = np.array([-1, 0, 300, 2**31 - 1, 4])
    decoded = codec.decode(codec.encode(images, labels, names))
    assert decoded.names == names
    np.testing.assert_array_equal(decoded.labels, labels)
    np.testing.assert_array_equal(decoded.images, images)
    bare = codec.decode(codec.encode(images))
    assert bare.names is None and bare.labels is None


def test_a_preview_is_f_z_and_reads_no_pixels(codec):
    images = smooth(5)
    data = codec.encode(images)
    preview = codec.preview(data)
    assert preview.images.shape == images.shape and preview.images.dtype == np.uint8
    sized = codec._sized(SIZE)
    with sized._computing_exactly():
        f_z = sized._f_z(sized.encode(images, None).codes)
    np.testing.assert_array_equal(preview.images, to_levels(f_z))
    # It needs the first bytes of the streams alone.
    file = file_of(data, (*SIZE, 3), 2, False)
    streams = [[s[:12] + bytes(len(s) - 12) for s in file.streams[0]]]
    blanked = codec.preview(file._replace(streams=streams).to_bytes())
    np.testing.assert_array_equal(blanked.images, preview.images)


def test_what_cannot_be_coded_is_refused(codec):
    images = smooth(5)
    with pytest.raises(InputError, match="must have a PixelCNN"):
        Codec(tiny_model("pretrain_vae"))
    with pytest.raises(InputError, match=r"uint8 .*got float32"):
        codec.encode(images.astype(np.float32))
    with pytest.raises(InputError, match="`names` must be one for each of 5"):
        codec.encode(images, names=["a"])
    with pytest.raises(InputError, match="`labels` must be one for each of 5"):
        codec.encode(images, [1])
    with pytest.raises(InputError, match="`lanes` must"):
        CodecSettings(lanes=0)
    alone = Codec(gray_model(kind=PixelCNNModel), SETTINGS)
    with pytest.raises(InputError, match="`preview` must have a model with a VAE"):
        alone.preview(b"")
    conditional = Codec(gray_model(num_classes=2), SETTINGS)
    for labels in (None, [0, 1, 2, 0, 0], [0, 1, -1, 0, 0]):
        with pytest.raises(InputError, match="`num_classes` must"):
            conditional.encode(images, labels)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a\0b", "without the character 0; got 'a.x00b'"),
        ("\ud800", "of Unicode; got"),
        ("a" * 4097, "at most 4096 characters; got 4097"),
    ],
)
def test_names_that_a_file_cannot_keep_are_refused(codec, name, message):
    """A lone surrogate ended in a traceback."""
    with pytest.raises(InputError, match=f"`names` must be .*{message}"):
        codec.encode(smooth(2), names=["good", name])


def test_more_than_a_decoder_reads_is_not_encoded(codec, monkeypatch):
    """Such a file was made, and refused when it was to be decoded."""
    monkeypatch.setattr(packing, "_MOST_NAME_BYTES", 16)
    with pytest.raises(InputError, match="at most 8 bytes in all; got 9"):
        codec.encode(smooth(3), names=["a", "öc", "de"])
    monkeypatch.setattr(given_pictures, "MOST_PICTURES", 2)
    with pytest.raises(InputError, match="`images` must be at most 2; got 3"):
        codec.encode(smooth(3))


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
def test_labels_that_a_file_cannot_keep_are_refused(codec, labels, message):
    """2**32 + 5 came back as 5, 1.7 as 1, and -2 ended in a traceback."""
    with pytest.raises(InputError, match=f"`labels` must be whole numbers .*{message}"):
        codec.encode(smooth(2), labels)


@pytest.mark.parametrize("labels", [[-1, 2**31 - 1], [3.0, -1.0], [[4], [5]]])
def test_labels_that_are_whole_come_back(codec, labels):
    decoded = codec.decode(codec.encode(smooth(2), labels))
    assert decoded.labels.tolist() == np.ravel(labels).tolist()


def test_images_are_dealt_to_lanes_in_turn(codec):
    groups = file_of(codec.encode(smooth(5)), (*SIZE, 3), 2, False).header.groups
    assert [len(group.lengths) for group in groups] == [LANES]
