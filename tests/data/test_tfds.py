"""Images of TensorFlow Datasets: splits, types, labels, hold-out, and bad names."""

import io
import re
import struct

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image
from source_parts import part

from agave_tf.data import tfds_pictures, tfds_reader
from agave_tf.data.picture_decoding import MOST_PIXELS
from agave_tf.data.read_source import read_source
from agave_tf.data.tfds import open_tfds
from agave_tf.data.tfds_pictures import check_size
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig

F = tfds.features
RGB = F.Image(shape=(8, 8, 3))
GRAY = F.Image(shape=(8, 8, 1))
CLASS = F.ClassLabel(names=["ant", "bee", "cow"])
tfds.disable_progress_bar()


def write(directory, features, splits, name="tiny", version="1.0.0"):
    """Prepares a data set on disk; a split is a list of examples."""

    class Written(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version(version)

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self, features=F.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(split) for split in splits}

        def _generate_examples(self, split):
            yield from enumerate(splits[split])

    Written.name = name
    Written(data_dir=str(directory)).download_and_prepare()


def opened(directory, dataset="tiny", **settings):
    return open_tfds(DataConfig(dataset=dataset, data_dir=str(directory), **settings))


def values(source, name):
    """The first level of each image, in order of size: TFDS shuffles what it writes."""
    return sorted(part(source, name)[0][:, 0, 0, 0].tolist())


def refused(message, directory, dataset="tiny", **settings):
    """Refused in one line, when the set is opened or when it is read."""
    with pytest.raises(InputError, match=message) as caught:
        source = opened(directory, dataset, **settings)
        for name in source.parts:
            part(source, name)
    assert "\n" not in str(caught.value)


def filled(first, count, shape=(8, 8, 3), dtype=np.uint8, **features):
    """Examples whose images have the levels first, first + 1, ..."""
    return [
        {"image": np.full(shape, first + i, dtype), **features} for i in range(count)
    ]


def noise(count, shape=(8, 8, 1), seed=0):
    generator = np.random.default_rng(seed)
    return [
        {"image": generator.integers(0, 256, shape, np.uint8)} for _ in range(count)
    ]


def as_set(image):
    return {each.tobytes() for each in image}


def test_images_and_labels_of_both_splits_are_read(tmp_path):
    splits = {
        "train": [
            {"image": np.full((8, 8, 3), i, np.uint8), "label": i % 3}
            for i in range(20)
        ],
        "test": filled(100, 5, label=2),
    }
    write(tmp_path, {"image": RGB, "label": CLASS}, splits)
    source = opened(tmp_path)
    image, label = part(source, "train")
    assert image.shape == (20, 8, 8, 3) and (image == image[:, :1, :1, :1]).all()
    assert label == (image[:, 0, 0, 0] % 3).tolist()
    assert values(source, "train") == list(range(20))
    assert values(source, "test") == [100, 101, 102, 103, 104]
    assert part(source, "test")[1] == [2] * 5
    assert source.classes == ("ant", "bee", "cow")
    assert (source.name, source.held_out) == ("tiny", "its split test")
    assert source.notes.sentences() == []
    again = opened(tmp_path)
    np.testing.assert_array_equal(part(again, "train")[0], image)


def test_no_pipeline_is_tuned(tmp_path, iterated):
    """The tuning thread held up the end of reading for seconds."""
    write(tmp_path, {"image": RGB}, {"train": filled(0, 20)})
    before = len(iterated)
    part(opened(tmp_path), "train")
    assert len(iterated) > before
    assert all(each.options().autotune.enabled is False for each in iterated[before:])


def test_gray_images_are_read(tmp_path):
    splits = {"train": filled(0, 3, (8, 8, 1)), "test": filled(3, 2, (8, 8, 1))}
    write(tmp_path, {"image": GRAY}, splits)
    image, label = part(opened(tmp_path), "train")
    assert image.shape == (3, 8, 8, 1) and label is None


@pytest.mark.parametrize(
    "splits,held_out",
    [
        (["train", "test", "validation", "val"], "test"),
        (["train", "validation", "valid", "val"], "val"),
        (["train", "validation", "valid"], "valid"),
        (["train", "validation", "extra"], "validation"),
        (["Train", "TEST"], "TEST"),
    ],
)
def test_the_held_out_split_is_test_else_one_for_validation(tmp_path, splits, held_out):
    examples = {name: filled(10 * i, i + 2) for i, name in enumerate(splits)}
    write(tmp_path, {"image": RGB}, examples)
    source = opened(tmp_path)
    first = 10 * splits.index(held_out)
    assert values(source, "test")[0] == first
    assert values(source, "train") == [0, 1]
    assert source.held_out == f"its split {held_out}"
    assert source.notes.sentences() == sorted(
        f"images of split {name} left out: {splits.index(name) + 2}"
        for name in splits[1:]
        if name != held_out
    )


@pytest.fixture(scope="module")
def parts_dir(tmp_path_factory):
    """train has the levels 0..19, extra 50..54, test 100..104."""
    directory = tmp_path_factory.mktemp("parts")
    splits = {"train": filled(0, 20), "extra": filled(50, 5), "test": filled(100, 5)}
    write(directory, {"image": RGB}, splits)
    return directory


@pytest.mark.parametrize(
    "settings,num_train,num_test,held_out",
    [
        ({"train_split": "train+extra"}, 25, 5, "its split test"),
        ({"train_split": "train[:80%]"}, 16, 5, "its split test"),
        (
            {"train_split": "train[:80%]", "test_split": "train[80%:]"},
            16,
            4,
            "its split train[80%:]",
        ),
        ({"train_split": "extra", "test_split": "train[5:]"}, 5, 15, None),
        ({"test_split": "extra"}, 20, 5, "its split extra"),
    ],
)
def test_splits_may_be_expressions(parts_dir, settings, num_train, num_test, held_out):
    source = opened(parts_dir, **settings)
    train, test = values(source, "train"), values(source, "test")
    assert (len(train), len(test)) == (num_train, num_test)
    assert not set(train) & set(test)
    assert held_out is None or source.held_out == held_out


@pytest.mark.parametrize("train_split", ["test", "train+test", "test[:4]+extra", "all"])
def test_a_split_to_train_on_is_not_held_out_by_default(parts_dir, train_split):
    source = opened(parts_dir, train_split=train_split)
    assert source.held_out == "a tenth, by content"
    assert not set(values(source, "train")) & set(values(source, "test"))


@pytest.mark.parametrize("setting", ["train_split", "test_split"])
@pytest.mark.parametrize("split", ["nope", "train[", "train[:99]", "train+nope"])
def test_a_split_that_is_not_there_is_refused(parts_dir, setting, split):
    message = (
        f"`{setting}` must be a split of tiny.*{re.escape(split)}.*extra, test, train"
    )
    refused(message, parts_dir, **{setting: split})
    refused(f"`{setting}` must have images", parts_dir, **{setting: "train[:0]"})


def test_a_set_without_train_lists_its_splits(tmp_path):
    write(tmp_path, {"image": RGB}, {"test": filled(0, 3), "dev": filled(5, 20)})
    refused("`train_split` must name.*it has dev, test", tmp_path)
    source = opened(tmp_path, train_split="dev")
    assert (source.parts["train"].num_images, source.parts["test"].num_images) == (
        20,
        3,
    )


def test_a_tenth_of_a_set_with_train_alone_is_held_out_by_content(tmp_path):
    few, more = noise(200), noise(20, seed=1)
    held_out = []
    for name, examples in (("few", few), ("many", few + more)):
        write(tmp_path, {"image": GRAY}, {"train": examples}, name)
        source = opened(tmp_path, name)
        assert source.held_out == "a tenth, by content"
        train, test = (as_set(part(source, each)[0]) for each in ("train", "test"))
        assert train | test == {each["image"].tobytes() for each in examples}
        assert not train & test
        # Binomial of 200 and 0.1 has a deviation of 4.2.
        assert 3 <= len(test) <= 45
        held_out.append(test)
    assert held_out[1] & {each["image"].tobytes() for each in few} == held_out[0]


def test_the_hold_out_does_not_depend_on_how_png_is_compressed(tmp_path):
    def encoded(image, level):
        file = io.BytesIO()
        Image.fromarray(image[..., 0]).save(file, "PNG", compress_level=level)
        file.seek(0)
        return {"image": file}

    held_out = []
    for level in (0, 9):
        examples = [encoded(each["image"], level) for each in noise(60)]
        write(tmp_path, {"image": GRAY}, {"train": examples}, f"level{level}")
        held_out.append(as_set(part(opened(tmp_path, f"level{level}"), "test")[0]))
    assert held_out[0] == held_out[1]


@pytest.mark.parametrize("encoding", ["jpeg", None])
def test_jpeg_files_are_held_out_too(tmp_path, encoding):
    def encoded(image):
        return {"image": io.BytesIO(tf.io.encode_jpeg(image).numpy())}

    features = {"image": F.Image(shape=(8, 8, 3), encoding_format=encoding)}
    examples = [encoded(each["image"]) for each in noise(40, (8, 8, 3))]
    write(tmp_path, features, {"train": examples})
    source = opened(tmp_path)
    assert source.parts["train"].num_images + source.parts["test"].num_images == 40
    assert not as_set(part(source, "train")[0]) & as_set(part(source, "test")[0])


def test_images_kept_as_tensors_are_read_and_held_out(tmp_path):
    features = {"image": F.Tensor(shape=(8, 8), dtype=np.uint8)}
    write(tmp_path, features, {"train": noise(40, (8, 8))})
    source = opened(tmp_path)
    image = [part(source, name)[0] for name in ("train", "test")]
    assert image[0].shape[1:] == (8, 8, 1)
    found = as_set(image[0]) | as_set(image[1])
    assert found == {each["image"].tobytes() for each in noise(40, (8, 8))}


def test_16_bits_are_scaled_to_8(tmp_path):
    features = {"image": F.Image(shape=(8, 8, 1), dtype=np.uint16)}
    train = filled(4000, 3, (8, 8, 1), np.uint16)
    splits = {"train": train, "test": filled(0, 2, (8, 8, 1), np.uint16)}
    write(tmp_path, features, splits)
    source = opened(tmp_path, white_level=4095)
    expected = [round(level * 255 / 4095) for level in (4000, 4001, 4002)]
    assert values(source, "train") == expected
    assert any("16 bits scaled to 8" in text for text in source.notes.sentences())


@pytest.mark.parametrize(
    "features,example,message",
    [
        (
            {"image": F.Image(shape=(8, 8, 1), dtype=np.float32)},
            {"image": np.zeros((8, 8, 1), np.float32)},
            "uint8 or uint16; tiny has float32",
        ),
        (
            {"image": F.Tensor(shape=(8, 8, 1), dtype=np.int64)},
            {"image": np.zeros((8, 8, 1), np.int64)},
            "uint8 or uint16; tiny has int64",
        ),
        (
            {"image": F.Image(shape=(8, 8, 4))},
            {"image": np.zeros((8, 8, 4), np.uint8)},
            "1 or 3 channels; tiny has 4",
        ),
        (
            {"image": F.Video(shape=(2, 8, 8, 3))},
            {"image": np.zeros((2, 8, 8, 3), np.uint8)},
            r"images \[H,W,C\]; tiny has `image` of type Video",
        ),
        ({"text": F.Text()}, {"text": "a"}, "must have images.*tiny has none"),
        (
            {"left": RGB, "right": RGB},
            {name: np.zeros((8, 8, 3), np.uint8) for name in ("left", "right")},
            "must have images.*several: left, right",
        ),
    ],
)
def test_images_that_cannot_be_used_are_refused(tmp_path, features, example, message):
    write(tmp_path, features, {"train": [example] * 2, "test": [example]})
    refused(message, tmp_path)


def test_the_only_image_is_used_whatever_its_name(tmp_path):
    features = {"photo": RGB, "mask": F.LabeledImage(labels=2, shape=(8, 8, 1))}
    mask = np.ones((8, 8, 1), np.uint8)
    examples = [{"photo": each["image"], "mask": mask} for each in filled(0, 5)]
    write(tmp_path, features, {"train": examples, "test": examples[:2]})
    assert values(opened(tmp_path), "train") == [0, 1, 2, 3, 4]


def test_other_features_of_any_size_do_not_matter(tmp_path):
    """Among them a second image."""
    features = {"image": RGB, "depth": F.Image(), "words": F.Sequence(np.int64)}
    examples = [
        {**each, "depth": np.zeros((i + 1, 4, 3), np.uint8), "words": [1] * i}
        for i, each in enumerate(filled(0, 5))
    ]
    write(tmp_path, features, {"train": examples, "test": examples[:2]})
    assert values(opened(tmp_path), "train") == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("image_channels,shape", [(0, None), (1, 1), (3, 3)])
def test_images_of_any_size_are_resized(tmp_path, image_channels, shape):
    features = {"image": F.Image(shape=(None, None, None)), "label": CLASS}
    sizes = [(8, 8, 3), (9, 30, 3), (16, 12, 3 if shape is None else 1)]
    examples = [
        {"image": np.full(size, 50 * i, np.uint8), "label": i}
        for i, size in enumerate(sizes)
    ]
    write(tmp_path, features, {"train": examples, "test": examples[:2]})
    source = opened(tmp_path, image_size="4x8", image_channels=image_channels)
    image, label = part(source, "train")
    assert image.shape == (3, 4, 8, shape or 3)
    assert image[:, 0, 0, 0].tolist() == [50 * i for i in label]
    assert sorted(label) == [0, 1, 2]


@pytest.mark.parametrize("shape", [(None, None, 3), (None, None, 1), (None, None)])
@pytest.mark.parametrize("has_test", [True, False])
def test_images_of_many_sizes_keep_them(tmp_path, shape, has_test, monkeypatch):
    """They were refused."""
    monkeypatch.setattr(tfds_reader, "_IMAGES_AT_ONCE", 4)
    generator = np.random.default_rng(0)
    written = [
        generator.integers(0, 256, (1 + i % 3, 9 - i % 4, *shape[2:]), np.uint8)
        for i in range(12)
    ]
    feature = (
        F.Image(shape=shape)
        if len(shape) == 3
        else F.Tensor(shape=shape, dtype=np.uint8, encoding="zlib")
    )
    examples = [{"image": image, "number": i} for i, image in enumerate(written)]
    splits = {"train": examples} | ({"test": examples[:1]} if has_test else {})
    write(tmp_path, {"image": feature, "number": np.int64}, splits)
    parts = opened(tmp_path).parts
    names = ("train",) if has_test else ("train", "test")
    chunks = [chunk for name in names for chunk in parts[name].chunks()]
    images = [image for chunk in chunks for image in chunk.image]
    found = {(*image.shape, image.tobytes()) for image in images}
    channels = shape[2] if len(shape) == 3 else 1
    expected = {(*image.shape[:2], channels, image.tobytes()) for image in written}
    assert found == expected and len(images) == 12
    assert max(len(chunk.image) for chunk in chunks) == 4
    data = read_source(opened(tmp_path), DataConfig("tiny"))
    assert data.train.shape == (None, None, channels)


def test_gray_among_rgb_needs_image_channels(tmp_path):
    examples = [{"image": np.zeros((8, 8, c), np.uint8)} for c in (3, 1, 3, 3)]
    features = {"image": F.Image(shape=(None, None, None))}
    write(tmp_path, features, {"train": examples, "test": examples[:1]})
    refused("one number of channels, or --image_channels", tmp_path, image_size="8")


@pytest.mark.parametrize(
    "label,value",
    [
        (F.Text(), "a cat"),
        (F.Tensor(shape=(3,), dtype=np.int64), [1, 0, 1]),
        (np.float32, 0.5),
        (F.Sequence(CLASS), [0, 1]),
    ],
)
def test_labels_that_are_no_class_number_are_left_out_and_counted(
    tmp_path, label, value
):
    examples = filled(0, 3, label=value)
    write(
        tmp_path, {"image": RGB, "label": label}, {"train": examples, "test": examples}
    )
    source = opened(tmp_path)
    assert part(source, "train")[1] is None
    assert source.classes == ()
    assert source.notes.sentences() == [
        "labels of another kind than a class number left out: 6"
    ]


@pytest.mark.parametrize(
    "features,expected,classes",
    [
        ({"label": np.int64}, [2, 2, 2], ()),
        ({"label": F.Scalar(np.uint8)}, [2, 2, 2], ()),
        ({"species": CLASS, "age": np.int64}, [2, 2, 2], CLASS.names),
        ({"label": np.int64, "species": CLASS}, [2, 2, 2], ()),
        ({"age": np.int64}, None, ()),
    ],
)
def test_labels_are_the_label_or_the_only_class(tmp_path, features, expected, classes):
    examples = filled(0, 3, **dict.fromkeys(features, 2))
    write(tmp_path, {"image": RGB, **features}, {"train": examples, "test": examples})
    source = opened(tmp_path)
    assert part(source, "train")[1] == expected
    assert source.classes == tuple(classes)


def test_several_kinds_of_classes_are_left_out_and_said(tmp_path):
    other = F.ClassLabel(names=["red", "blue"])
    examples = filled(0, 3, species=2, color=1)
    features = {"image": RGB, "species": CLASS, "color": other}
    write(tmp_path, features, {"train": examples, "test": examples})
    source = opened(tmp_path)
    assert part(source, "train")[1] is None
    (note,) = source.notes.sentences()
    assert note == "labels left out, of several kinds (color, species): 6"


def test_labels_beyond_32_bits_are_refused(tmp_path):
    examples = filled(0, 3, label=2**31)
    write(
        tmp_path,
        {"image": RGB, "label": np.int64},
        {"train": examples, "test": examples},
    )
    refused("at most 32 bits; tiny has 2147483648", tmp_path)


def test_fingerprint_tells_splits_and_versions_apart(tmp_path, parts_dir):
    same = opened(parts_dir).fingerprint
    assert opened(parts_dir, train_split="train").fingerprint == same
    others = [
        opened(parts_dir, train_split="train[:10]").fingerprint,
        opened(parts_dir, test_split="extra").fingerprint,
    ]
    for version, count in (("1.0.0", 20), ("1.0.1", 20), ("1.0.0", 19)):
        directory = tmp_path / f"{version}-{count}"
        splits = {
            "train": filled(0, count),
            "extra": filled(50, 5),
            "test": filled(100, 5),
        }
        write(directory, {"image": RGB}, splits, version=version)
        others.append(opened(directory).fingerprint)
    assert others.count(same) == 1 and others[2] == same
    assert len(set(others)) == 5


def test_a_damaged_set_is_refused_in_one_line(tmp_path):
    write(tmp_path, {"image": RGB}, {"train": filled(0, 20), "test": filled(0, 3)})
    (path,) = tmp_path.glob("tiny/1.0.0/tiny-train.tfrecord*")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    refused("`dataset` tiny must be readable", tmp_path)
    path.unlink()
    refused("`dataset` tiny must be readable", tmp_path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP"])
@pytest.mark.parametrize("splits", [("train", "test"), ("train",)])
def test_the_size_of_a_picture_is_known_before_it_is_decoded(tmp_path, kind, splits):
    file = io.BytesIO()
    huge = Image.new("RGB" if kind == "JPEG" else "1", (10_000, 10_000))
    huge.save(file, kind)
    features = {"image": F.Image(shape=(None, None, 3))}
    content = file.getvalue()
    write(
        tmp_path,
        features,
        {s: [*filled(0, 5), {"image": io.BytesIO(content)}] for s in splits},
    )
    message = "TensorFlow says: .*picture of more than 89 million pixels"
    refused(message, tmp_path, image_size="8")


def test_files_that_are_too_small_to_be_too_large_are_not_looked_into():
    """The densest file, a PNG of one colour in 1 bit, is larger if it has too many."""
    side = int(MOST_PIXELS**0.5) + 1
    file = io.BytesIO()
    Image.new("1", (side, side)).save(file, "PNG", compress_level=9)
    assert len(file.getvalue()) > tfds_pictures._SMALL_FILE


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP"])
@pytest.mark.parametrize("size", [(300, 1000), (1000, 300), (255, 257)])
def test_the_pixels_of_each_kind_of_file_are_counted(monkeypatch, kind, size):
    file = io.BytesIO()
    Image.new("RGB", size).save(file, kind)
    content = file.getvalue()
    monkeypatch.setattr(tfds_pictures, "_SMALL_FILE", 0)
    monkeypatch.setattr(tfds_pictures, "MOST_PIXELS", size[0] * size[1])
    assert check_size(tf.constant(content)).numpy() == content
    monkeypatch.setattr(tfds_pictures, "MOST_PIXELS", size[0] * size[1] - 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="a picture of more than"):
        check_size(tf.constant(content))


def test_what_is_no_picture_is_left_to_the_decoder(monkeypatch):
    monkeypatch.setattr(tfds_pictures, "_SMALL_FILE", -1)
    for content in (b"", b"no picture", b"\x89PNG", b"BM", b"GIF8"):
        assert check_size(tf.constant(content)).numpy() == content
    # Of a negative height: the first row comes first.
    sides = struct.pack("<ii", 40, -30)
    content = b"BM".ljust(18, b"\0") + sides
    assert check_size(tf.constant(content)).numpy() == content


@pytest.mark.parametrize(
    "dataset,message",
    [
        ("cifar1", "must be a TFDS name.*Did you mean cifar10"),
        ("CIFAR10", "must be a TFDS name.*Did you mean cifar10"),
        ("no such/set", "must be a TFDS name, folder:PATH"),
        ("cifar10:9.9.9", "must be a version.*only: 3.0.2"),
        ("cifar10:new", "must be a version.*got 'cifar10:new'"),
        ("cifar10/nope", "must be a version and a configuration.*nope not found"),
        ("downsampled_imagenet/99", "It has 32x32, 64x64"),
        ("tiny:9.9.9", "got 'tiny:9.9.9'; .*tiny has 1.0.0"),
        ("tiny/nope", "got 'tiny/nope'; .*tiny has 1.0.0"),
    ],
)
def test_names_that_tfds_does_not_know_are_refused(parts_dir, dataset, message):
    refused(message, parts_dir, dataset)


def test_a_path_is_refused_with_the_kind_it_may_be(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"")
    refused(f"Did you mean folder:{tmp_path}.$", tmp_path, str(tmp_path))
    refused(f"mean npz:{tmp_path}/x.npz.$", tmp_path, f"{tmp_path}/x.npz")


def test_a_set_that_cannot_be_downloaded_is_refused_in_one_line(tmp_path, monkeypatch):
    def download(self, **kwargs):
        raise OSError("no route to host\nwith more lines")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", download)
    refused("downloadable; .* TFDS says: no route to host$", tmp_path, "cifar10")


def test_version_and_configuration_may_be_named(parts_dir):
    for dataset in ("tiny:1.0.0", "tiny:1.*.*"):
        source = opened(parts_dir, dataset)
        assert source.fingerprint == opened(parts_dir).fingerprint
        assert source.name == dataset


def test_cifar10_has_its_splits_and_classes(cifar_dir):
    source = opened(cifar_dir, "cifar10")
    assert source.parts["train"].num_images == 50_000
    assert source.parts["test"].num_images == 10_000
    assert source.held_out == "its split test"
    assert len(source.classes) == 10 and source.classes[0] == "airplane"
    assert source.fingerprint == opened(cifar_dir, "cifar10:3.0.2").fingerprint
