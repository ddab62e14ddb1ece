"""bin/compress.py and bin/decompress.py, each a process of its own."""

import tracemalloc

import numpy as np
import pytest
import tensorflow as tf
from command_process import Command, refused
from picture_bytes import UNREADABLE, tiff
from PIL import Image
from short_runs import train

from agave_tf.codec.opened_file import Decoded
from agave_tf.commands.work.decompress import _file_names
from agave_tf.data.exact_pictures import read_exact_pictures
from agave_tf.errors import InputError
from agave_tf.whole_file import writing

SETTINGS = {"num_pixel_cnn_resolutions": 1, "num_layers_per_resolution": 1}


def succeeds(*arguments):
    result = Command(*arguments).result()
    assert result.returncode == 0, result.stderr
    return result


def write_png(path, image):
    path.parent.mkdir(exist_ok=True)
    with writing(str(path)) as file:
        file.write(tf.io.encode_png(image).numpy())


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A run, and pictures of its size in a folder."""
    home = tmp_path_factory.mktemp("home")
    train(home / "run", 1, stage="joint", **SETTINGS)
    rng = np.random.default_rng(0)
    for name in ("a.png", "below/b.png", "c.png"):
        image = rng.integers(0, 256, [8, 8, 3], dtype=np.uint8)
        write_png(home / "pictures" / name, image)
    return home


def test_pictures_come_back_with_their_names_in_another_process(home):
    file = home / "coded.agave"
    result = succeeds(
        "compress",
        f"--run_dir={home}/run",
        f"--files={home}/pictures",
        f"--output={file}",
        "--lanes=2",
    )
    size = file.stat().st_size
    assert f"coded.agave: 3 images, {size} bytes" in result.stdout
    bits = 8 * size / 3
    assert (
        f"file   {bits / 192:.4f} bits/dim, {bits:.1f} bits an image" in result.stdout
    )
    assert "bits/dim (ELBO); the file is " in result.stdout
    decompress = ("decompress", f"--run_dir={home}/run", f"--input={file}")
    npz = f"--save_npz={home}/out.npz"
    result = succeeds(*decompress, f"--output_dir={home}/out", npz)
    assert result.stdout == f"{home}/out: 3 images\n"
    before = read_exact_pictures([f"{home}/pictures"])
    after = read_exact_pictures([f"{home}/out"])
    assert before.names == after.names == ["a.png", "below/b.png", "c.png"]
    np.testing.assert_array_equal(before.images, after.images)
    with np.load(home / "out.npz") as arrays:
        np.testing.assert_array_equal(arrays["images"], before.images)
        assert arrays["names"].tolist() == before.names
    refused("`output_dir` must", *decompress, f"--output_dir={home}/out")
    refused("`output_dir` or `save_npz` must be given", *decompress)
    succeeds(*decompress, f"--output_dir={home}/preview", "--preview")
    assert sorted(p.name for p in (home / "preview").iterdir()) == [
        *("a.png", "below", "c.png")
    ]


def test_a_damaged_file_leaves_nothing(home):
    file, damaged = home / "one.agave", home / "damaged.agave"
    arguments = ("compress", f"--run_dir={home}/run", f"--files={home}/pictures/c.png")
    succeeds(*arguments, f"--output={file}", "--noverify", "--nobound")
    content = bytearray(file.read_bytes())
    content[-20] ^= 4
    damaged.write_bytes(content)
    decompress = ("decompress", f"--run_dir={home}/run", f"--input={damaged}")
    refused("is damaged", *decompress, f"--output_dir={home}/none")
    refused("`input` must be a file", *decompress[:2], "--input=x", "--save_npz=y.npz")
    assert not (home / "none").exists()
    refused("`output` must end in .agave", *arguments, f"--output={home}/x.png")


def test_what_is_intact_of_a_damaged_file_is_salvaged(home):
    """One flipped bit refused all pictures."""
    file, damaged = home / "lanes.agave", home / "damaged_lanes.agave"
    run = f"--run_dir={home}/run"
    rng = np.random.default_rng(2)
    for name, size in {"a": (8, 8), "b": (5, 7), "c": (5, 7)}.items():
        image = rng.integers(0, 256, [*size, 3], dtype=np.uint8)
        write_png(home / "two" / f"{name}.png", image)
    pictures = f"--files={home}/two"
    bounds = ("--noverify", "--nobound")
    succeeds("compress", run, pictures, f"--output={file}", *bounds)
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    damaged.write_bytes(content)
    arguments = ("decompress", run, f"--input={damaged}", f"--output_dir={home}/left")
    refused("is damaged or incomplete", *arguments)
    result = succeeds(*arguments, "--salvage", f"--save_npz={home}/left.npz")
    assert "Lost, because their checksum is another: 1 of 3 pictures" in result.stderr
    left = read_exact_pictures([f"{home}/left"])
    with np.load(home / "left.npz") as arrays:
        assert arrays["names"].tolist() == left.names
        before = read_exact_pictures([f"{home}/two"])
        for number, name, image in zip(arrays["numbers"], left.names, left.images):
            assert before.names[number] == name
            np.testing.assert_array_equal(image, before.images[number])
    refused(
        "`salvage` must not be given with --preview",
        *arguments,
        "--salvage",
        "--preview",
    )


def test_flags_of_a_data_set_do_not_go_with_files(home):
    arguments = ("compress", f"--run_dir={home}/run", f"--files={home}/pictures/c.png")
    output = f"--output={home}/x.agave"
    refused("`max_images` must not", *arguments, output, "--max_images=1")
    refused("`image_size` must not", *arguments, output, "--image_size=8")


def test_labels_that_are_not_written_are_said(home):
    npz = home / "labelled.npz"
    images = (
        np.zeros([20, 8, 8, 3], np.uint8)
        + np.arange(20, dtype=np.uint8)[:, None, None, None]
    )
    np.savez(npz, images=images, labels=np.arange(20) % 3)
    file = home / "labelled.agave"
    run = f"--run_dir={home}/run"
    coded = ("compress", run, f"--dataset=npz:{npz}", f"--output={file}", "--nobound")
    succeeds(*coded)
    decompress = ("decompress", run, f"--input={file}")
    result = succeeds(*decompress, f"--output_dir={home}/no_labels")
    assert "has labels too, which --save_npz would write" in result.stderr
    result = succeeds(*decompress, f"--save_npz={home}/labels.npz")
    assert "has labels too" not in result.stderr
    with np.load(home / "labels.npz") as arrays:
        numbers = arrays["images"][:, 0, 0, 0]  # Image i is filled with i.
        np.testing.assert_array_equal(arrays["labels"], numbers % 3)


def test_pictures_of_many_sizes_and_colours_come_back(home):
    pictures = home / "many"
    rng = np.random.default_rng(1)
    for name, shape in {
        "a.png": (8, 8, 3),
        "b.png": (5, 7, 3),
        "c.png": (1, 1, 3),
        "d.png": (5, 7, 1),
        "e.png": (5, 7, 3),
    }.items():
        level = rng.integers(0, 256, [*shape[:2], 1])
        write_png(pictures / name, np.broadcast_to(level, shape).astype(np.uint8))
    file = home / "many.agave"
    coded = ("compress", f"--run_dir={home}/run", f"--files={pictures}")
    result = succeeds(*coded, f"--output={file}")
    assert f"many.agave: 5 images, {file.stat().st_size} bytes" in result.stdout
    decompress = ("decompress", f"--run_dir={home}/run", f"--input={file}")
    npz = f"--save_npz={home}/many.npz"
    succeeds(*decompress, f"--output_dir={home}/many_out", npz)
    before = read_exact_pictures([str(pictures)])
    after = read_exact_pictures([f"{home}/many_out"])
    assert before.names == after.names
    with np.load(home / "many.npz") as arrays:
        for place, (one, other) in enumerate(zip(before.images, after.images)):
            np.testing.assert_array_equal(one, other)
            np.testing.assert_array_equal(arrays[f"image_{place}"], one)


def test_nothing_at_all_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no '.*nowhere'"):
        read_exact_pictures([f"{tmp_path}/nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="must have a picture"):
        read_exact_pictures([f"{tmp_path}/empty"])


def test_what_is_converted_is_said(tmp_path):
    image = np.zeros([8, 8, 4], np.uint8)
    write_png(tmp_path / "a.png", image)
    notes = read_exact_pictures([f"{tmp_path}/a.png"]).notes
    assert notes == ["pictures with transparency, laid over black: 1"]


def decoded(names, lost=()):
    """What a file of pictures of these names gives, but for the pictures."""
    count = len(names) + len(lost)
    numbers = np.array([n for n in range(count) if n not in lost])
    return Decoded([], None, names, numbers, np.array(lost))


@pytest.mark.parametrize(
    ("names", "paths"),
    [
        (["./a.png", "a.png"], ["0_a.png", "1_a.png"]),
        (["a.png", "a.png/b"], ["0_a.png", "1_a.png_b.png"]),
        (["A.png", "a.PNG"], ["0_A.png", "1_a.PNG"]),
        (["a", "a.png"], ["0_a.png", "1_a.png"]),
        (["a/b.png", "a/c.png", "b.png"], ["a/b.png", "a/c.png", "b.png"]),
        (["a\\b.png"], ["a\\b.png"]),
    ],
)
def test_every_picture_has_a_file_of_its_own(names, paths):
    """Of ./a.png and a.png one was lost; a.png and a.png/b ended in a traceback."""
    assert _file_names(decoded(names)) == paths


@pytest.mark.parametrize(
    "name", ["../a.png", "/a.png", "a/../../b", "..\\a.png", "a//b"]
)
def test_names_that_lead_out_of_the_directory_are_refused(name):
    with pytest.raises(InputError, match="must have names that stay within"):
        _file_names(decoded([name]))


def test_pictures_that_are_left_keep_their_numbers():
    assert _file_names(decoded(["a", "a"], lost=[0])) == ["1_a.png", "2_a.png"]
    numbered = decoded(["", ""], lost=[1])._replace(names=None)
    assert _file_names(numbered) == ["0.png", "2.png"]


def test_names_that_leave_no_room_for_the_png_are_cut(tmp_path, caplog):
    """The command ended in OSError: File name too long, after the work."""
    names = ["n" * 251 + ".jpg", "\xe9" * 125 + ".gif", "d" * 300 + "/x.PNG", "a/b.png"]
    paths = _file_names(decoded(names))
    assert paths == [
        "n" * 251 + ".png",
        "\xe9" * 125 + ".png",
        "d" * 255 + "/x.PNG",
        "a/b.png",
    ]
    assert "are cut; there are 3" in caplog.text
    for path in paths:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        with writing(str(tmp_path / path)) as file:
            file.write(b"png")
    alike = _file_names(decoded(["n" * 252 + "a.png", "n" * 252 + "b.png"]))
    assert [path[:2] for path in alike] == ["0_", "1_"]
    assert {len(path) for path in alike} == {255}


def test_the_size_of_files_is_compared_before_they_are_decoded(tmp_path):
    """A PNG of 389 kB took 11.7 s and 4.8 GB before it was refused."""
    side = 9_000  # Few enough pixels for a folder.
    Image.new("L", (side, side)).save(tmp_path / "a.png")
    tracemalloc.start()
    try:
        with pytest.raises(
            InputError, match="at most 2048 pixels; .*a.png is 9000x9000"
        ):
            read_exact_pictures([f"{tmp_path}/a.png"])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6
    # EXIF data say that it is on its side.
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (12, 8)).save(tmp_path / "b.png", exif=exif)
    (image,) = read_exact_pictures([f"{tmp_path}/b.png"]).images
    assert image.shape == (12, 8, 3)


@pytest.mark.parametrize("kind", [*UNREADABLE, "CMYK", "floats", "deep colours"])
def test_errors_about_files_name_no_flag_that_is_refused_beside_them(tmp_path, kind):
    """--corrupt_images=skip was suggested, and then refused; `dataset` was blamed."""
    path = tmp_path / "a.png"
    if kind == "CMYK":
        Image.new("CMYK", (8, 8)).save(path, format="tiff")
    elif kind == "floats":
        Image.fromarray(np.zeros((8, 8), np.float32)).save(path, format="tiff")
    elif kind == "deep colours":
        path.write_bytes(tiff(np.full((8, 8, 3), 999, np.uint16), 2))
    else:
        path.write_bytes(UNREADABLE[kind])
    with pytest.raises(InputError, match="`files` must ") as info:
        read_exact_pictures([str(path)])
    assert "--" not in str(info.value) and "`dataset`" not in str(info.value)


def test_files_of_16_bits_are_said_without_a_flag_that_is_refused(tmp_path):
    Image.fromarray(np.full((8, 8), 999, np.uint16)).save(tmp_path / "a.png")
    notes = read_exact_pictures([f"{tmp_path}/a.png"]).notes
    assert notes[0] == "images of 16 bits scaled to 8, 65535 to level 255: 1"


def test_a_file_with_a_comma_in_its_name_is_coded(home):
    write_png(home / "more" / "Doe, Jane.png", np.zeros([8, 8, 3], np.uint8))
    file = home / "comma.agave"
    files = f"--files={home}/more/Doe, Jane.png,{home}/pictures/c.png"
    coded = ("compress", f"--run_dir={home}/run", files, f"--output={file}")
    result = succeeds(*coded, "--noverify", "--nobound")
    assert "comma.agave: 2 images" in result.stdout


def test_files_without_labels_are_refused_by_a_class_conditional_model(tmp_path):
    """The error named --num_classes, which the command does not have."""
    train(tmp_path / "run", 1, stage="joint", num_classes=3, dataset=labelled(tmp_path))
    write_png(tmp_path / "a.png", np.zeros([8, 8, 3], np.uint8))
    run = ("compress", f"--run_dir={tmp_path}/run", f"--output={tmp_path}/x.agave")
    message = "`files` must not be given for a class-conditional model"
    refused(message, *run, f"--files={tmp_path}/a.png")


def labelled(directory):
    """The name of a data set of 8x8 images with labels 0 to 2."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 8, 8, 3), np.uint8)
    np.savez(directory / "labelled.npz", images=images, labels=np.arange(30) % 3)
    return f"npz:{directory}/labelled.npz"
