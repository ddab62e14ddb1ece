"""bin/score.py: the scores of every picture, and its place among held-out images."""

import csv
import os

import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from command_process import refused, succeeds
from PIL import Image
from short_runs import train
from tiny import tiny_images

from agave_tf.commands import score
from agave_tf.data.exact_pictures import read_pictures_of_any_size
from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.evaluation.evaluator import Evaluator
from agave_tf.evaluation.image_scores import bits_of_images
from agave_tf.evaluation.outlier_table import shown_name
from agave_tf.evaluation.outliers import coder_bits_per_dim
from agave_tf.runs.open_run import open_run

# With a comma and quotes, of two lines, with a carriage return, and in Latin-1.
ODD = ['a, "b".png', "c\nd.png", "e\rf.png", "below/g.png", "caf\udce9.png"]
# More sizes than the evaluator compiles a graph for, each.
SIZES = [(8, 8), (5, 8), (8, 12), (13, 7), (4, 9)]
HELD_OUT = 30


def write_png(path, image):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(tf.io.encode_png(image).numpy())


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Runs on 8x8 dead leaves, and a folder of pictures with odd names and sizes."""
    home = tmp_path_factory.mktemp("home")
    images = tiny_images(HELD_OUT + 20).image
    np.savez(home / "leaves.npz", x_train=images[HELD_OUT:], x_test=images[:HELD_OUT])
    for stage in ("joint", "pretrain_pixel_cnn"):
        settings = {"dataset": f"npz:{home}/leaves.npz", "image_size": ""}
        train(home / stage, 1, stage=stage, **settings)
    rng = np.random.default_rng(0)
    for name, size in zip(ODD, SIZES, strict=True):
        image = rng.integers(0, 256, [*size, 3], dtype=np.uint8)
        write_png(f"{home}/pictures/{name}", image)
    return home


@pytest.fixture
def scored(home, tmp_path):
    """Runs the command in this process; its table, a list of values by column."""

    def run(*arguments, stage="joint"):
        values, output = flags.FlagValues(), tmp_path / "scores.csv"
        score.define_flags(values)
        values(["x", f"--run_dir={home}/{stage}", f"--output={output}", *arguments])
        score.run(values)
        return table(output)

    return run


def table(path):
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        header, *lines = csv.reader(file)
    columns = dict(zip(header, zip(*lines, strict=True), strict=True))
    names = list(columns.pop("name"))
    numbers = {key: np.array(column, float) for key, column in columns.items()}
    return {"name": names, **numbers}


def pixels(home, name):
    return np.asarray(Image.open(f"{home}/pictures/{name}"))


def bits_alone(model, image, place):
    """The scores of an image as if it were alone at its place in a data set."""
    copies = Images(np.stack([image] * (place + 1)), None)
    bits = bits_of_images(Evaluator(model, place + 1).scores(copies, 1), model, 1)
    return {name: values[-1] for name, values in bits.items()}


def test_every_column_is_right_for_pictures_of_any_size_and_name(home, scored):
    found = scored(f"--files={home}/pictures", "--reference_images=20")
    assert found["name"] == sorted(ODD)
    model = open_run(str(home / "joint")).load_model()
    for row, name in enumerate(found["name"]):
        image = pixels(home, name)
        assert (found["height"][row], found["width"][row]) == image.shape[:2]
        # The others are compared below; every size is compiled anew.
        alone = bits_alone(model, image, row) if row in (1, 3) else {}
        for part, bits in alone.items():
            np.testing.assert_allclose(found[part][row], bits, rtol=1e-4, atol=1e-5)
        file = home / "coded.webp"
        Image.fromarray(image).save(file, lossless=True, method=6)
        assert found["coder_bits_per_dim"][row] == 8 * file.stat().st_size / image.size
    ratio = found["bits_per_dim"] / found["coder_bits_per_dim"]
    np.testing.assert_array_equal(found["ratio"], ratio)


def test_percentiles_are_direct_counts_among_chosen_held_out_images(home, scored):
    found = scored(f"--files={home}/pictures", "--reference_images=20")
    with np.load(home / "leaves.npz") as arrays:
        held_out = Images(arrays["x_test"], None)
    chosen = held_out.choose(20)
    model = open_run(str(home / "joint")).load_model()
    others = bits_of_images(Evaluator(model, 7).scores(held_out, 1, 0, 20), model, 1)
    coded = np.array([coder_bits_per_dim(held_out.image[place]) for place in chosen])
    others["ratio"] = others["bits_per_dim"] / coded
    for name in ("bits_per_dim", "ratio", "kl"):
        counts = [5 * (others[name] < value).sum() for value in found[name]]
        np.testing.assert_allclose(found[f"{name}_percentile"], counts, atol=1e-9)


def test_held_out_images_stand_among_themselves(home, scored, capsys):
    found = scored(f"--reference_images={HELD_OUT}")
    assert found["name"] == [str(place) for place in range(HELD_OUT)]
    order = np.argsort(found["ratio"])
    # Each ties with itself.
    expected = 100 * (np.arange(HELD_OUT) + 0.5) / HELD_OUT
    np.testing.assert_allclose(found["ratio_percentile"][order], expected)
    out = capsys.readouterr().out.splitlines()
    assert out[0].endswith(f"joint, step 1: {HELD_OUT} images, 8x8")
    assert out[1].endswith(f"percentile among {HELD_OUT} held-out images")
    median = f"{np.median(found['ratio']):9.4f}        50.0"
    assert f"  ratio               {median}" in out
    top = order[::-1][:10]
    value = found["ratio"][top[0]]
    assert out[-11:-9] == [
        "  strangest by ratio (percentile)",
        f"     1  {value:.4f} ({100 - 50 / HELD_OUT:.1f})  {top[0]}",
    ]
    assert [int(line.split()[-1]) for line in out[-10:]] == top.tolist()


def test_some_images_of_both_parts_have_the_scores_that_they_have_among_all(scored):
    every = scored("--split=all", "--reference_images=0")
    assert not [name for name in every if "percentile" in name]
    some = scored("--split=all", "--reference_images=0", "--max_images=9")
    places = [int(name) for name in some.pop("name")]
    assert len(every["name"]) == HELD_OUT + 20 and len(places) == 9
    for name, values in some.items():
        np.testing.assert_allclose(values, every[name][places], rtol=1e-4, atol=1e-6)


def test_mixed_sizes_have_the_scores_that_each_has_alone(home, scored):
    """Of the PixelCNN++, which has no noise that follows from an image's place."""
    stage = {"stage": "pretrain_pixel_cnn"}
    together = scored(f"--files={home}/pictures", "--reference_images=0", **stage)
    assert "kl" not in together
    for row, name in enumerate(sorted(ODD)):
        file = f'--files="{home}/pictures/{name}"'.replace('a, "b"', 'a, ""b""')
        alone = scored(file, "--reference_images=0", **stage)
        assert alone["name"] == [os.path.basename(name)]
        for column in ("bits_per_dim", "coder_bits_per_dim", "ratio"):
            np.testing.assert_allclose(
                alone[column][0], together[column][row], rtol=1e-5
            )


def test_the_sheet_has_the_strangest_first_beside_f_z_and_maps(home, scored, tmp_path):
    sheet = tmp_path / "sheet.png"
    found = scored(
        f"--files={home}/pictures",
        *("--rank_by=bits_per_dim", "--reference_images=0"),
        f"--contact_sheet={sheet}",
    )
    picture = np.asarray(Image.open(sheet))
    # Image, f(z), p(x|z), and KL: cells of 128 pixels with gaps of 4, from the right,
    # each below two lines of 14 pixels.
    assert picture.shape[0] == 4 + 5 * (28 + 132)
    left, top = picture.shape[1] - 4 * 132, 4 + 28
    assert left > 50
    strangest = found["name"][np.argmax(found["bits_per_dim"])]
    image = pixels(home, strangest)
    factor = 128 // max(image.shape[:2])
    enlarged = image.repeat(factor, axis=0).repeat(factor, axis=1)
    height, width = enlarged.shape[:2]
    top, left = top + (128 - height) // 2, left + (128 - width) // 2
    shown = picture[top : top + height, left : left + width]
    np.testing.assert_array_equal(shown, enlarged)


def test_large_pictures_are_scored_in_tiles_and_their_centres_shown(
    home, scored, tmp_path, caplog
):
    image = np.random.default_rng(0).integers(0, 256, (8, 2056, 3), np.uint8)
    write_png(f"{tmp_path}/large.png", image)
    files = (f"--files={tmp_path}/large.png", "--reference_images=0")
    with pytest.raises(InputError, match=r"at most 2048.*8x2056. --tile_size scores"):
        scored(*files)
    assert not (tmp_path / "scores.csv").exists()
    sheet = f"--contact_sheet={tmp_path}/sheet.png"
    with caplog.at_level("INFO", logger="absl"):
        found = scored(*files, "--tile_size=8", sheet, stage="pretrain_pixel_cnn")
    assert "has the centres of images that have tiles" in caplog.text
    shown = np.asarray(Image.open(tmp_path / "sheet.png"))[-132:-4, -264:-136]
    centre = image[:, 1024:1032].repeat(16, axis=0).repeat(16, axis=1)
    np.testing.assert_array_equal(shown, centre)
    write_png(f"{tmp_path}/tiles/0.png", image[:, :8])
    for number in range(1, 257):
        tile = image[:, 8 * number : 8 * number + 8]
        write_png(f"{tmp_path}/tiles/{number}.png", tile)
    tiles = scored(
        f"--files={tmp_path}/tiles", "--reference_images=0", stage="pretrain_pixel_cnn"
    )
    mean = tiles["bits_per_dim"].mean()
    np.testing.assert_allclose(found["bits_per_dim"][0], mean, rtol=1e-5)


def test_percentiles_of_other_sizes_are_said_to_be_relative(home, scored, caplog):
    scored(f"--files={home}/pictures", "--reference_images=20")
    assert "relative to images of 8x8; 4 of the 5 scored images have" in caplog.text


def test_gray_and_rgb_become_the_colours_of_the_run_and_that_is_said(tmp_path):
    gray = np.arange(40, dtype=np.uint8).reshape(5, 8, 1)
    rgb = np.arange(96, dtype=np.uint8).reshape(8, 4, 3)
    write_png(f"{tmp_path}/a.png", gray)
    write_png(f"{tmp_path}/b.png", rgb)
    write_png(f"{tmp_path}/c.png", gray)
    colored = read_pictures_of_any_size([str(tmp_path)], 3, 8)
    assert colored.notes == ["gray images converted to RGB: 2"]
    np.testing.assert_array_equal(colored.image[0], gray.repeat(3, axis=-1))
    np.testing.assert_array_equal(colored.image[1], rgb)
    in_gray = read_pictures_of_any_size([str(tmp_path)], 1, 8)
    assert in_gray.notes == ["RGB images converted to gray: 1"]
    assert in_gray.image[1].shape == (8, 4, 1)
    assert in_gray.names == ["a.png", "b.png", "c.png"]
    # A gray image has the bits of one channel.
    file = tmp_path / "a.webp"
    Image.fromarray(gray[..., 0]).save(file, lossless=True, method=6)
    assert coder_bits_per_dim(gray) == 8 * file.stat().st_size / gray.size


def test_the_images_of_a_run_that_has_moved_are_found_beside_files(
    home, scored, tmp_path, caplog
):
    with np.load(home / "leaves.npz") as arrays:
        np.savez(tmp_path / "moved.npz", **arrays)
    files = (f"--files={home}/pictures", "--reference_images=20")
    expected = scored(*files)
    found = scored(*files, f"--dataset=npz:{tmp_path}/moved.npz")
    assert found.pop("name") == expected.pop("name")
    for column, values in found.items():
        np.testing.assert_array_equal(values, expected[column])
    assert "other images than those of the run" not in caplog.text
    images = tiny_images(60).image
    np.savez(tmp_path / "other.npz", x_train=images[:5], x_test=images[5:])
    scored(*files, f"--dataset=npz:{tmp_path}/other.npz")
    assert "relative to other images than those of the run" in caplog.text


def test_a_vae_alone_says_that_its_bits_are_of_another_image(home, tmp_path, caplog):
    settings = {"dataset": f"npz:{home}/leaves.npz", "image_size": ""}
    settings["auxiliary_downsampling"] = 2
    train(tmp_path / "run", 1, stage="pretrain_vae", **settings)
    values = flags.FlagValues()
    score.define_flags(values)
    files = (f"--files={home}/pictures/below", f"--output={tmp_path}/x.csv")
    sheet = f"--contact_sheet={tmp_path}/x.png"
    values(["x", f"--run_dir={tmp_path}/run", *files, sheet, "--rank_by=kl"])
    score.run(values)
    assert "its bits_per_dim are of the auxiliary image" in caplog.text
    found = table(tmp_path / "x.csv")
    bits = found["bits_per_dim"] / found["coder_bits_per_dim"]
    np.testing.assert_array_equal(found["ratio"], bits)
    # Image, f(z), p(y|z) and KL.
    assert np.asarray(Image.open(tmp_path / "x.png")).shape[0] == 4 + 28 + 132


def test_a_run_whose_images_are_gone_is_told_how_to_do_without(home, tmp_path):
    train(tmp_path / "run", 1, image_size="", dataset=f"npz:{home}/leaves.npz")
    config = tmp_path / "run" / "config.json"
    config.write_text(config.read_text().replace(f"{home}/leaves", f"{home}/gone"))
    values = flags.FlagValues()
    score.define_flags(values)
    files = (f"--files={home}/pictures", f"--output={tmp_path}/x.csv")
    values(["x", f"--run_dir={tmp_path}/run", *files])
    message = r"gone\.npz.* --reference_images=0 does without\."
    with pytest.raises(InputError, match=message):
        score.run(values)


def test_what_cannot_be_is_refused_before_the_work(home, scored, tmp_path):
    files = f"--files={home}/pictures"
    for message, *arguments in (
        ("`files` must be pictures or folders; there is no", "--files=nowhere.png"),
        ("`split` must not be given with --files", files, "--split=train"),
        ("`max_images` must not be given", files, "--max_images=3"),
        ("`crop` must not", files, "--crop=resize", "--reference_images=0"),
        ("`output` must end in .csv", files, f"--output={tmp_path}/x.txt"),
        ("`output` must be a file in a directory", files, "--output=nowhere/x.csv"),
        ("`contact_sheet` must end in .png", files, "--contact_sheet=x.jpg"),
        ("`tile_size` must be SIDE or", files, "--tile_size=big"),
        ("Images must have 3 channels", "--image_channels=1"),
    ):
        with pytest.raises(InputError, match=message):
            scored(*arguments)
    with pytest.raises(InputError, match="`rank_by` must be bits_per_dim or ratio for"):
        scored(files, "--rank_by=kl", stage="pretrain_pixel_cnn")
    assert not (tmp_path / "scores.csv").exists()


def test_bad_input_is_one_line_and_exit_code_2(home, tmp_path):
    (tmp_path / "empty").mkdir()
    run = ("score", f"--run_dir={home}/joint", f"--output={tmp_path}/x.csv")
    refused("`files` must have a picture; got", *run, f"--files={tmp_path}/empty")
    refused("`--output` must be given", *run[:2], f"--files={home}/pictures")
    result = succeeds(*run, f"--files={home}/pictures", "--reference_images=0")
    assert "\\udce9.png" in result.stdout
    assert table(tmp_path / "x.csv")["name"] == sorted(ODD)


def test_files_without_labels_are_refused_by_a_class_conditional_run(tmp_path):
    images = tiny_images(30, labels=3)
    np.savez(tmp_path / "x.npz", images=images.image, labels=images.label)
    dataset = f"npz:{tmp_path}/x.npz"
    settings = {"num_classes": 3, "dataset": dataset, "image_size": ""}
    train(tmp_path / "run", 1, stage="joint", **settings)
    values = flags.FlagValues()
    score.define_flags(values)
    values(
        [
            *("x", f"--run_dir={tmp_path}/run", f"--output={tmp_path}/x.csv"),
            f"--files={tmp_path}",
        ]
    )
    with pytest.raises(InputError, match="`files` must not be given for a class-cond"):
        score.run(values)


def test_names_are_shown_in_one_line_that_is_not_too_long():
    assert shown_name("plain \xfc.png") == "plain \xfc.png"
    assert shown_name("a\nb\udce9.png") == "a\\nb\\udce9.png"
    assert shown_name("directory/picture.png", 14) == "...picture.png"
