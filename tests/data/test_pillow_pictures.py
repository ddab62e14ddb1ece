"""Pictures of Pillow in a Python program become what they become in a folder."""

import io
import re
import struct

import numpy as np
import pytest
from picture_bytes import png, png_of_rows
from PIL import Image

import agave_tf
from agave_tf.errors import InputError

RNG = np.random.default_rng(3)
COUNT = 12
TURNED = Image.Exif()
TURNED[0x0112] = 6


def rgb(channels=3):
    return RNG.integers(0, 256, (8, 12, channels), np.uint8)


def saved(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def few_bits():
    """A PNG of 2 bits, of which level 3 is transparent."""
    rows = [RNG.bytes(2) for _ in range(8)]
    return png_of_rows(rows, 8, 2, 0, (b"tRNS", struct.pack(">H", 3)))


# The content of a file of each kind, and the settings that it needs.
KINDS = {
    "a palette": lambda: saved(Image.fromarray(rgb()).quantize(16), "png"),
    "a GIF": lambda: saved(Image.fromarray(rgb()).quantize(16), "gif"),
    "a palette with transparency": lambda: saved(
        Image.fromarray(rgb()).quantize(16), "png", transparency=3
    ),
    "turned": lambda: saved(Image.fromarray(rgb()), "jpeg", exif=TURNED),
    "turned TIFF": lambda: saved(Image.fromarray(rgb()), "tiff", exif=TURNED),
    "turned WebP": lambda: saved(Image.fromarray(rgb()), "webp", exif=TURNED),
    "alpha": lambda: saved(Image.fromarray(rgb(4)), "png"),
    "black and white": lambda: saved(Image.fromarray(rgb(1)[..., 0] > 99), "png"),
    "gray of 2 bits": few_bits,
    "gray of 16 bits": lambda: saved(
        Image.fromarray(RNG.integers(0, 4096, (8, 8), np.uint16)), "png"
    ),
    "RGB of 16 bits": lambda: png(RNG.integers(0, 4096, (8, 8, 3), np.uint16), 2),
    "CMYK": lambda: saved(Image.fromarray(rgb()).convert("CMYK"), "jpeg"),
}
SETTINGS = {
    "CMYK": {"image_channels": 3},
    "gray of 16 bits": {"white_level": 4095},
    "RGB of 16 bits": {"white_level": 4095},
}


def everything(data):
    return sorted(
        image.tobytes() for part in (data.train, data.test) for image in part.image
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["opened", "decoded", "in pairs", "in dicts"])
def test_pictures_of_pillow_become_what_they_become_in_a_folder(tmp_path, kind, form):
    """Their palettes were taken for levels of gray, 0 to 15, and EXIF data ignored."""
    for i in range(COUNT):
        (tmp_path / f"{i}.png").write_bytes(KINDS[kind]())
    settings = SETTINGS.get(kind, {})
    config = agave_tf.DataConfig(dataset=f"folder:{tmp_path}", **settings)
    folder = agave_tf.load_data(config)
    pictures = [Image.open(tmp_path / f"{i}.png") for i in range(COUNT)]
    if form == "decoded":
        if kind in ("RGB of 16 bits", "gray of 2 bits"):
            pytest.skip("Decoded pictures have forgotten how they were stored.")
        for picture in pictures:
            picture.load()
    elements = {
        "in pairs": [(picture, 1) for picture in pictures],
        "in dicts": [{"img": picture, "label": 1} for picture in pictures],
    }.get(form, pictures)
    data = agave_tf.read_images(elements, **settings)
    assert everything(data) == everything(folder)
    assert data.train.shape == folder.train.shape
    assert agave_tf.read_images(elements, **settings).record == data.record


def test_pictures_that_were_made_in_memory_are_read():
    levels = [Image.fromarray(rgb()[..., 0]) for _ in range(COUNT)]
    data = agave_tf.read_images(levels)
    assert everything(data) == sorted(np.asarray(p).tobytes() for p in levels)
    colors = [Image.fromarray(rgb()).quantize(8) for _ in range(COUNT)]
    expected = sorted(np.asarray(p.convert("RGB")).tobytes() for p in colors)
    assert everything(agave_tf.read_images(colors)) == expected


def test_a_list_of_pictures_is_no_element():
    """NumPy stacks such a list, palettes too."""
    picture = Image.fromarray(rgb()).quantize(16)
    for element in ([picture, picture], {"image": [picture] * 3}):
        with pytest.raises(InputError, match="one picture of Pillow.* one at a time"):
            agave_tf.read_images([element])


def test_what_a_folder_refuses_is_refused_in_words_of_python():
    def refused(message, picture, **settings):
        with pytest.raises(InputError, match=message) as info:
            agave_tf.read_images([picture, picture], **settings)
        assert "--" not in str(info.value) and "dataset" not in str(info.value)

    broken = Image.open(io.BytesIO(KINDS["alpha"]()[:-60]))
    refused("`train` must have readable .*corrupt_images='skip' leaves", broken)
    floats = Image.fromarray(np.zeros((8, 8), np.float32))
    refused("`train` must have pictures of 8 or 16 bits", floats)
    refused("`image_channels` must be set", Image.new("CMYK", (8, 8)))
    huge = Image.open(io.BytesIO(saved(Image.new("1", (10_000, 10_000)), "png")))
    refused("10000x10000 pixels, more than 89 million", huge, image_size=8)
    assert huge.fp is not None  # It has not been decoded.


def test_unreadable_pictures_are_left_out_when_asked(caplog):
    caplog.set_level("INFO", logger="absl")
    contents = [KINDS["turned"]() for _ in range(COUNT)]
    contents[4] = KINDS["alpha"]()[:-60]
    pictures = [Image.open(io.BytesIO(content)) for content in contents]
    data = agave_tf.read_images(
        [(picture, i) for i, picture in enumerate(pictures)], corrupt_images="skip"
    )
    labels = [*data.train.label, *data.test.label]
    assert sorted(labels) == [0, 1, 2, 3, *range(5, COUNT)]
    assert "pictures turned as their EXIF data say: 11" in caplog.text
    # Once, though both parts are chosen from these pictures.
    assert re.search(r"unreadable files[^;]*: 1\b", caplog.text)
