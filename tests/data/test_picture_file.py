"""Picture files as people have them, of every kind that Pillow can write."""

import os
import struct
import threading
import time
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL
import pytest
from picture_bytes import (
    ALPHA,
    GRAY,
    RGB,
    TWELVE_BITS,
    UNREADABLE,
    bytes_of,
    png,
    png_of_rows,
    tiff,
)
from PIL import Image, ImageOps

from agave_tf.data.picture_decoding import _Budget
from agave_tf.data.picture_file import read_pictures
from agave_tf.data.source import Notes
from agave_tf.errors import InputError
from agave_tf.settings.config import DataConfig

since_pillow_13 = pytest.mark.skipif(
    int(PIL.__version__.split(".")[0]) < 13,
    reason="before version 13 Pillow reads such TIFF files wrong, or not at all",
)


def read(path, **settings):
    """The image, and what was noted."""
    notes = Notes()
    (image,) = read_pictures([str(path)], DataConfig(**settings), notes)
    return image, notes.sentences()


def saved(tmp_path, image, name="a.png", **options):
    path = tmp_path / name
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image.save(path, **options)
    return path


def refused(message, path, **settings):
    with pytest.raises(InputError, match=message) as info:
        read(path, **settings)
    assert str(path) in str(info.value) and "\n" not in str(info.value)


def over_black(color, alpha, full=255):
    return np.round(color.astype(float) * alpha[..., None] / full)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "ppm", "webp"])
def test_rgb_and_gray_keep_their_pixels(tmp_path, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    image, notes = read(saved(tmp_path, RGB, f"a.{suffix}", **options))
    np.testing.assert_array_equal(image, RGB)
    assert image.dtype == np.uint8 and notes == []
    if suffix != "webp":  # WebP is always RGB.
        image, _ = read(saved(tmp_path, GRAY, f"b.{suffix}"))
        np.testing.assert_array_equal(image, GRAY[..., None])


def test_jpeg_is_decoded_as_pillow_does(tmp_path):
    path = saved(tmp_path, RGB, "a.jfif", format="jpeg")
    image, _ = read(path)
    np.testing.assert_array_equal(image, np.asarray(Image.open(path)))


def test_the_content_tells_the_kind_of_file_not_the_suffix(tmp_path):
    image, _ = read(saved(tmp_path, RGB, "a.jpg", format="png"))
    np.testing.assert_array_equal(image, RGB)


def test_a_gif_keeps_its_colors(tmp_path):
    few = RGB // 128 * 255
    image, _ = read(saved(tmp_path, few, "a.gif"))
    np.testing.assert_array_equal(image, few)


def test_black_and_white_pictures_become_gray(tmp_path):
    image, _ = read(saved(tmp_path, Image.fromarray(GRAY > 99)))
    np.testing.assert_array_equal(image[..., 0], np.where(GRAY > 99, 255, 0))


def test_a_palette_becomes_rgb_and_gray_when_asked(tmp_path):
    few = RGB // 128 * 255
    path = saved(tmp_path, Image.fromarray(few).quantize(8))
    image, notes = read(path)
    np.testing.assert_array_equal(image, few)
    assert notes == []
    gray, _ = read(path, image_channels=1)
    luma = few @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(gray[..., 0], luma, atol=0.51)


def test_gray_and_rgb_are_converted_when_asked(tmp_path):
    image, notes = read(saved(tmp_path, GRAY), image_channels=3)
    np.testing.assert_array_equal(image, np.stack([GRAY] * 3, -1))
    assert notes == ["gray images converted to RGB: 1"]
    image, notes = read(saved(tmp_path, RGB), image_channels=1)
    assert image.shape == (12, 16, 1)
    assert notes == ["RGB images converted to gray: 1"]


def test_a_picture_is_cropped_and_resized(tmp_path):
    halves = np.zeros((20, 40, 3), np.uint8)
    halves[:, 20:] = 200
    image, _ = read(saved(tmp_path, halves), image_size="8x16")
    assert image.shape == (8, 16, 3)
    assert (image[:, :8] == 0).all() and (image[:, 8:] == 200).all()


TRANSPARENT = "pictures with transparency, laid over black: 1"


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("color", [RGB, GRAY[..., None]], ids=["RGBA", "LA"])
def test_an_alpha_channel_is_laid_over_black(tmp_path, suffix, color):
    path = saved(tmp_path, np.concatenate([color, ALPHA[..., None]], -1), f"a.{suffix}")
    image, notes = read(path)
    np.testing.assert_array_equal(image, over_black(color, ALPHA))
    assert notes == [TRANSPARENT]


def test_an_alpha_channel_of_a_webp_is_laid_over_black(tmp_path):
    rgba = np.dstack([RGB, ALPHA])
    path = saved(tmp_path, rgba, "a.webp", lossless=True, exact=True)
    image, notes = read(path)
    np.testing.assert_array_equal(image, over_black(RGB, ALPHA))
    assert notes == [TRANSPARENT]


@pytest.mark.parametrize(
    "color,mode",
    [
        pytest.param(RGB, "RGBa", id="RGBa"),
        pytest.param(
            GRAY[..., None],
            "La",
            id="La",
            marks=since_pillow_13,
        ),
    ],
)
def test_premultiplied_alpha_is_laid_over_black(tmp_path, color, mode):
    """ExtraSamples 1: the colours in the file have been multiplied by alpha."""
    multiplied = over_black(color, ALPHA).astype(np.uint8)
    stored = np.concatenate([multiplied, ALPHA[..., None]], -1)
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(stored, 2 if mode == "RGBa" else 1, extra=1))
    with Image.open(path) as opened:
        assert opened.tile[0][3][0] == mode
    image, notes = read(path)
    # Pillow divides RGB by alpha, rounding down, and we multiply again.
    assert np.abs(image.astype(int) - multiplied).max() <= (mode == "RGBa")
    assert notes == [TRANSPARENT]


def test_an_opaque_alpha_channel_is_dropped_without_a_note(tmp_path):
    image, notes = read(saved(tmp_path, np.dstack([RGB, np.full_like(ALPHA, 255)])))
    np.testing.assert_array_equal(image, RGB)
    assert notes == []


@pytest.mark.parametrize("transparency", [1, bytes([255, 0, 51, 255])])
def test_a_palette_with_transparency_is_laid_over_black(tmp_path, transparency):
    index = GRAY // 64
    palette = np.random.default_rng(1).integers(1, 256, (4, 3), np.uint8)
    picture = Image.fromarray(index).convert("L")
    picture.putpalette(palette.tobytes())
    path = saved(tmp_path, picture, transparency=transparency)
    alpha = np.array([255, 0, 255, 255] if transparency == 1 else list(transparency))
    image, notes = read(path)
    np.testing.assert_array_equal(image, over_black(palette[index], alpha[index]))
    assert notes == [TRANSPARENT]


def test_a_gif_with_transparency_is_laid_over_black(tmp_path):
    picture = Image.fromarray(RGB // 128 * 255).quantize(8)
    path = saved(tmp_path, picture, "a.gif", transparency=3)
    with Image.open(path) as opened:
        rgba = np.asarray(opened.convert("RGBA"))
    assert (rgba[..., 3] == 0).any()
    image, notes = read(path)
    np.testing.assert_array_equal(image, over_black(rgba[..., :3], rgba[..., 3]))
    assert notes == [TRANSPARENT]


def test_a_palette_with_an_alpha_channel_is_laid_over_black(tmp_path):
    picture = Image.fromarray(RGB // 128 * 255).quantize(8)
    both = Image.merge("PA", (picture, Image.fromarray(ALPHA)))
    both.putpalette(picture.getpalette())
    image, notes = read(saved(tmp_path, both, "a.tif"))
    np.testing.assert_array_equal(image, over_black(RGB // 128 * 255, ALPHA))
    assert notes == [TRANSPARENT]


@pytest.mark.parametrize("kind", ["L", "RGB"])
def test_a_transparent_color_becomes_black(tmp_path, kind):
    color = (GRAY if kind == "L" else RGB) // 64 * 64 + 9
    key = color[3, 3].tolist()
    path = saved(tmp_path, color, transparency=key if kind == "L" else tuple(key))
    is_key = (color == key) if kind == "L" else (color == key).all(-1)
    image, notes = read(path)
    expected = color.copy()
    expected[is_key] = 0
    np.testing.assert_array_equal(image, expected.reshape(image.shape))
    assert notes == [TRANSPARENT]


@pytest.mark.parametrize("bits,row", [(2, 0b00011011), (4, 0x3C)])
def test_a_transparent_color_of_a_few_bits_becomes_black(tmp_path, bits, row):
    """Pillow scales the pixels to 8 bits, but not the colour."""
    levels = [row >> shift & 2**bits - 1 for shift in range(8 - bits, -1, -bits)]
    path = tmp_path / "a.png"
    key = struct.pack(">H", levels[-1])
    path.write_bytes(png_of_rows([bytes([row])], len(levels), bits, 0, (b"tRNS", key)))
    image, notes = read(path)
    scaled = [level * 255 // (2**bits - 1) for level in levels]
    assert image.ravel().tolist() == [*scaled[:-1], 0]
    assert notes == [TRANSPARENT]


@pytest.mark.parametrize(
    "mode", ["CMYK", pytest.param("YCbCr", marks=since_pillow_13), "LAB"]
)
def test_other_colors_become_rgb_when_asked(tmp_path, mode):
    flat = np.broadcast_to(np.uint8([200, 60, 30]), (8, 8, 3))
    picture = Image.fromarray(flat)
    path = tmp_path / "a.tif"
    if mode == "LAB":
        Image.frombytes("LAB", (8, 8), bytes([121, 53, 48]) * 64).save(path)
    elif mode == "YCbCr":
        path.write_bytes(tiff(np.asarray(picture.convert("YCbCr")), 6))
    else:
        picture.convert(mode).save(path)
    refused(f"`image_channels` must be set.*{mode}.*got 0", path)
    image, notes = read(path, image_channels=3)
    assert np.abs(image.astype(int) - flat).max() <= 4
    assert notes == [f"{mode} pictures converted to RGB: 1"]
    gray, _ = read(path, image_channels=1)
    assert abs(int(gray[0, 0, 0]) - (200 * 0.299 + 60 * 0.587 + 30 * 0.114)) < 4


def test_a_cmyk_jpeg_becomes_rgb_when_asked(tmp_path):
    picture = Image.new("RGB", (8, 8), (200, 60, 30)).convert("CMYK")
    path = saved(tmp_path, picture, "a.jpg", quality=100)
    refused("CMYK", path)
    image, _ = read(path, image_channels=3)
    assert np.abs(image.astype(int) - [200, 60, 30]).max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_pictures_are_turned_as_their_exif_data_say(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, RGB, f"a.{suffix}", exif=exif)
    with Image.open(path) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    image, notes = read(path)
    assert image.shape == ((12, 16, 3) if orientation < 5 else (16, 12, 3))
    np.testing.assert_array_equal(image, expected)
    said = ["pictures turned as their EXIF data say: 1"]
    assert notes == (said if orientation > 1 else [])


def test_orientation_6_turns_clockwise(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.zeros((4, 8, 3), np.uint8)
    stored[:, 0] = 255  # On the left; once turned clockwise, at the top.
    image, _ = read(saved(tmp_path, stored, exif=exif))
    assert image.shape == (8, 4, 3)
    assert (image[0] == 255).all() and (image[1:] == 0).all()


def test_exif_data_that_make_no_sense_do_not_matter(tmp_path):
    path = saved(tmp_path, RGB, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff nonsense")
    np.testing.assert_array_equal(read(path)[0], RGB)
    exif = Image.Exif()
    exif[0x0112] = 77
    np.testing.assert_array_equal(read(saved(tmp_path, RGB, exif=exif))[0], RGB)


def scaled(image, white_level=4095):
    return np.round(image.astype(float) * 255 / white_level)


def said_of_16_bits(image, white_level=4095):
    return [
        f"images of 16 bits scaled to 8, {white_level} to level 255 (--white_level): 1",
        f"largest value in the images of 16 bits: {image.max()}",
    ]


def test_gray_of_16_bits_is_scaled_by_the_white_level(tmp_path):
    gray = TWELVE_BITS[..., 0]
    for name in ("a.png", "b.tif", "c.pgm"):
        path = saved(tmp_path, gray, name)
        image, notes = read(path, white_level=4095)
        np.testing.assert_allclose(image[..., 0], scaled(gray), atol=0.5001)
        assert notes == said_of_16_bits(gray)
        image, notes = read(path)
        assert image.max() == 16 and notes == said_of_16_bits(gray, 65535)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_gray_tiff_of_16_bits_of_either_byte_order(tmp_path, order, compression):
    gray = TWELVE_BITS[..., 0]
    mode = "I;16" if order == "<" else "I;16B"
    content = gray.astype(f"{order}u2").tobytes()
    picture = Image.frombytes(mode, gray.shape[::-1], content)
    path = saved(tmp_path, picture, "a.tif", compression=compression)
    image, _ = read(path, white_level=4095)
    np.testing.assert_allclose(image[..., 0], scaled(gray), atol=0.5001)


@pytest.mark.parametrize("color_type,channels", [(2, 3), (4, 2), (6, 4)])
def test_color_and_alpha_of_16_bit_png_keep_all_bits(tmp_path, color_type, channels):
    """Pillow truncates them to 8 bits, so 12 bits of data had levels 0 to 15."""
    stored = TWELVE_BITS[..., :channels].copy()
    if channels != 3:
        stored[..., -1] *= 16
    path = tmp_path / "a.png"
    path.write_bytes(png(stored, color_type))
    expected, notes = stored, []
    if channels != 3:
        expected = over_black(stored[..., :-1], stored[..., -1], 65535)
        notes = [TRANSPARENT]
    image, said = read(path, white_level=4095)
    np.testing.assert_allclose(image, scaled(expected), atol=0.5001)
    assert image.max() > 200
    assert said[0] == (notes + said_of_16_bits(stored))[0]


def test_16_bit_png_are_turned_and_lose_their_transparent_color(tmp_path):
    stored = TWELVE_BITS[..., :3].copy()
    key = struct.pack(">HHH", *stored[2, 2])
    exif = Image.Exif()
    exif[0x0112] = 6
    chunks = ((b"tRNS", key), (b"eXIf", exif.tobytes()[6:]))
    path = tmp_path / "a.png"
    path.write_bytes(png(stored, 2, *chunks))
    stored[(stored == stored[2, 2]).all(-1)] = 0
    image, notes = read(path, white_level=4095)
    np.testing.assert_allclose(image, scaled(np.rot90(stored, -1)), atol=0.5001)
    assert TRANSPARENT in notes
    assert "pictures turned as their EXIF data say: 1" in notes


def test_gray_16_bit_png_loses_its_transparent_color(tmp_path):
    stored = TWELVE_BITS[..., :1].copy()
    path = tmp_path / "a.png"
    path.write_bytes(png(stored, 0, (b"tRNS", struct.pack(">H", stored[2, 2, 0]))))
    stored[stored == stored[2, 2]] = 0
    image, notes = read(path, white_level=4095)
    np.testing.assert_allclose(image, scaled(stored), atol=0.5001)
    assert TRANSPARENT in notes


def test_integers_of_32_bits_are_used_if_16_bits_hold_them(tmp_path):
    gray = TWELVE_BITS[..., 0].astype(np.int32)
    image, _ = read(saved(tmp_path, gray, "a.tif"), white_level=4095)
    np.testing.assert_allclose(image[..., 0], scaled(gray), atol=0.5001)
    refused("values from -1 to", saved(tmp_path, gray - gray.min() - 1, "b.tif"))
    refused("to 70000", saved(tmp_path, gray * 0 + 70000, "c.tif"))


def test_floating_point_pictures_are_refused(tmp_path):
    path = saved(tmp_path, GRAY.astype(np.float32), "a.tif")
    refused("8 or 16 bits; .* mode F", path)
    refused("8 or 16 bits", path, corrupt_images="skip")


def test_16_bits_that_pillow_cannot_keep_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(TWELVE_BITS[..., :1], 1))
    assert read(path, white_level=4095)[0].max() > 240
    path.write_bytes(tiff(TWELVE_BITS[..., :3], 2))
    refused("16-bit.*colour values of 0 to 65535", path)
    path.write_bytes(tiff(TWELVE_BITS[..., :1], 0))
    refused("whose white is 0", path)
    path = tmp_path / "a.ppm"
    path.write_bytes(b"P6 2 1 4095 " + TWELVE_BITS[0, :2, :3].tobytes())
    refused("colour values of 0 to 4095", path)


LINES = b"# a line\n"


@pytest.mark.parametrize(
    "start,largest",
    [
        (b"P6 2 1 256 ", 256),
        (b"P6\n# of two lines, 2 1 255\n2 # and\r1\n65535\n", 65535),
        (b"P6\n2 1\n6#in a number\n5535\n", 65535),
        (b"P3\n2 1 1000\n", 1000),
        (b"P6\n" + LINES * 7000 + b"2 1\n4095\n", 4095),
        (b"P6\n" + LINES * 8000 + b"2 1\n4095\n", None),
        (b"P6\n" + LINES * 8000 + b"2 1\n255\n", None),
        # 64 KiB end within the number, after 25.
        (b"P6\n" + b"#" * (2**16 - 10) + b"\n2 1 2565 ", None),
        (b"P6 2 1 256# to the end of the file, ", 256),
        (b"P6\n" + LINES * 7000 + b"2 1\n255\n", 255),
        (b"P6 2 1 200 ", 200),
    ],
    ids=lambda value: str(value)[-20:],
)
def test_the_largest_value_of_a_ppm_is_that_of_its_header(tmp_path, start, largest):
    path = tmp_path / "a.ppm"
    path.write_bytes(start + b"1 2 3 4 5 6 7 8 9 ")
    if largest is None:  # No file has 64 KiB of comments.
        refused("is not: its header has no largest value", path)
    elif largest > 255:
        refused(f"16-bit.*colour values of 0 to {largest}", path)
    else:
        assert read(path)[0].shape == (1, 2, 3)


@pytest.mark.parametrize("color,channels", [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_16_bits_of_a_png_are_kept_whatever_its_colours(tmp_path, color, channels):
    levels = np.full((3, 4, channels), 0x0180, np.uint16)
    if channels in (2, 4):
        levels[..., -1] = 65535
    path = tmp_path / "a.png"
    path.write_bytes(png(levels, color))
    # 384 of 511 levels; of the upper 8 bits alone it would be 1 of 511.
    assert (read(path, white_level=511)[0] == round(384 * 255 / 511)).all()


def test_a_png_that_does_not_begin_with_its_header_is_refused(tmp_path):
    content = bytes_of("png")
    chunk = b"tEXta\0b"
    stored = struct.pack(">I", 3) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path = tmp_path / "a.png"
    path.write_bytes(content[:8] + stored + content[8:])
    refused("its first chunk is not IHDR", path)


def test_a_bitmap_in_plain_text_is_read(tmp_path):
    path = tmp_path / "a.pbm"
    path.write_text("P1\n2 1\n1 0\n")
    assert read(path)[0].ravel().tolist() == [0, 255]


def test_a_pgm_is_scaled_by_the_white_level_it_names(tmp_path):
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5 2 1 4095 " + struct.pack(">HH", 4095, 1000))
    assert read(path)[0].ravel().tolist() == [255, round(1000 * 255 / 4095)]


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_the_first_frame_of_several_is_used(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue", "lime")]
    options = {"lossless": True} if suffix == "webp" else {}
    path = saved(
        tmp_path,
        frames[0],
        f"a.{suffix}",
        save_all=True,
        append_images=frames[1:],
        **options,
    )
    image, notes = read(path)
    np.testing.assert_array_equal(image, np.asarray(frames[0]))
    assert notes == [
        "animated or multi-page files, of which the first frame is used: 1"
    ]


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_unreadable_file_is_named_and_refused_or_left_out(tmp_path, content):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    refused("must have readable pictures; .*--corrupt_images=skip leaves", path)
    image, notes = read(path, corrupt_images="skip")
    assert image is None and notes == ["unreadable files left out: 1"]


def test_links_that_lead_nowhere_and_directories_are_unreadable(tmp_path):
    (tmp_path / "dangling.png").symlink_to("nowhere.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "directory.png").mkdir()
    for path in tmp_path.iterdir():
        refused("must have readable pictures", path)
        assert read(path, corrupt_images="skip")[0] is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_unreadable(tmp_path):
    path = saved(tmp_path, RGB)
    path.chmod(0)
    refused("Permission denied.*--corrupt_images=skip", path)


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "bmp", "tiff", "webp", "ppm"])
def test_no_damage_ends_in_a_traceback(tmp_path, kind):
    content = bytes_of(kind)
    rng = np.random.default_rng(1)
    path = tmp_path / "a.png"
    for _ in range(60):
        damaged = np.frombuffer(content, np.uint8)[: rng.integers(len(content))].copy()
        where = rng.integers(0, max(1, len(damaged)), 3)
        if len(damaged):
            damaged[where] = rng.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes())
        try:
            image, _ = read(path, corrupt_images="skip", image_size="8")
            assert image is None or image.shape[:2] == (8, 8)
        except InputError as error:  # Damage may make it a picture of another kind.
            assert str(path) in str(error)


def huge(mode="RGBA", side=10_000):
    """A file of a few hundred kB that takes hundreds of MB."""
    return bytes_of("png", Image.new(mode, (side, side)))


@pytest.mark.parametrize("mode", ["1", "P"])
def test_the_size_of_a_picture_is_known_before_it_is_decoded(tmp_path, mode):
    """One of 389 kB took 11.7 s and 4.8 GB before it was refused."""
    path = tmp_path / "huge.png"
    path.write_bytes(huge(mode))
    tracemalloc.start()
    try:
        refused("10000x10000 pixels, more than 89 million.*=skip", path, image_size="8")
        image, notes = read(path, image_size="8", corrupt_images="skip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert image is None and notes == ["unreadable files left out: 1"]
    assert peak < 20e6


def test_a_large_picture_takes_little_more_than_its_pixels(tmp_path):
    """Its alpha was laid over black, and 16 bits scaled to 8, in 32 bits at once."""
    flat = np.full((2000, 2000, 4), 99, np.uint8)
    path = saved(tmp_path, flat)
    tracemalloc.start()
    try:
        image, _ = read(path, image_size="8")
        # What Pillow itself takes is not counted.
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (image == round(99 * 99 / 255)).all()
    assert peak < 3 * flat.nbytes


def test_threads_share_the_memory_for_large_pictures():
    budget, most, now = _Budget(10), [0], [0]
    lock = threading.Lock()

    def take(count):
        with budget.taking(count):
            with lock:
                now[0] += count
                most[0] = max(most[0], now[0])
            time.sleep(0.001)
            with lock:
                now[0] -= count

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, [1, 5, 9, 10, 3, 2, 7] * 8))
    assert 5 < most[0] <= 10 and now[0] == 0


def warn_of_large_pictures(monkeypatch):
    """RGB has 192 pixels; from 300 on it would be an error."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 150)


def test_warnings_of_pillow_are_not_shown(tmp_path, monkeypatch):
    warn_of_large_pictures(monkeypatch)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        (image,) = read_pictures([str(saved(tmp_path, RGB))], DataConfig(), Notes())
    assert image is not None and not shown


def test_warnings_of_pillow_are_no_errors_with_another_filter_each_pass(
    tmp_path, monkeypatch
):
    warn_of_large_pictures(monkeypatch)
    path = str(saved(tmp_path, RGB))
    with warnings.catch_warnings():
        for _ in range(3):
            warnings.simplefilter("error")
            assert len(list(read_pictures([path] * 3, DataConfig(), Notes()))) == 3


def test_a_pass_over_pictures_lets_python_forget_its_warnings_once(
    tmp_path, monkeypatch
):
    """A filter for each picture would show a warning of the program for each."""
    path, calls = str(saved(tmp_path, RGB)), []
    monkeypatch.setattr(warnings, "filterwarnings", lambda *_, **__: calls.append(1))
    assert len(list(read_pictures([path] * 20, DataConfig(), Notes()))) == 20
    assert calls == [1]


def test_pictures_are_read_in_their_order(tmp_path):
    paths = [
        str(saved(tmp_path, np.full((64, 64), i, np.uint8), f"{i}.png"))
        for i in range(40)
    ]
    images = read_pictures(paths, DataConfig(), Notes())
    assert [image[0, 0, 0] for image in images] == list(range(40))


def test_reading_does_not_run_far_ahead(tmp_path):
    """As many decoded pictures as a folder has might not fit in memory."""
    path = str(saved(tmp_path, RGB))
    asked = []
    paths = (asked.append(i) or path for i in range(10_000))
    images = read_pictures(paths, DataConfig(), Notes())
    next(images)
    images.close()
    assert len(asked) <= 2 * len(os.sched_getaffinity(0)) + 1
