"""Checkpoints of the original code become runs of ours."""

import math
import os
import shutil

import golden_file
import numpy as np
import pytest
import tensorflow as tf
from golden_file import load, nhwc, report
from original_likelihoods import discretized_logistic, mixture_loss
from tiny import tiny_config, tiny_images, tiny_model, tiny_trainer

from agave_tf.errors import InputError
from agave_tf.interop.import_openai import import_openai
from agave_tf.interop.openai_names import pixel_cnn_variables
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.same_run import check_same_run
from agave_tf.settings.config import DataConfig
from agave_tf.weights.named_weights import named_weights, under

PIXEL_CNN = golden_file.DIRECTORY / "ckpt_pixelcnn" / "params_cifar.ckpt"
IAF_VAE = golden_file.DIRECTORY / "ckpt_iaf" / "model.ckpt-40"
SCALE = 127.5 / 256


def imported(kind, prefix, run_dir, nonlinearity="", image_size=""):
    data = DataConfig(image_size=image_size)
    import_openai(kind, str(prefix), str(run_dir), nonlinearity, data)
    return open_run(str(run_dir))


def write_checkpoint(path, arrays):
    """A checkpoint in the format of TensorFlow 1, with these tensors."""
    tf.raw_ops.SaveV2(
        prefix=str(path),
        tensor_names=list(arrays),
        shape_and_slices=[""] * len(arrays),
        tensors=[tf.constant(array) for array in arrays.values()],
    )
    return path


def originals_of(model):
    """A PixelCNN++'s weights, named and shaped as openai/pixel-cnn's."""
    arrays = {}
    for name, variable in pixel_cnn_variables(model.pixel_cnn).items():
        value = variable.numpy()
        # Its dense layers have no axes of space.
        arrays[name] = value[0, 0] if "/dense_" in name and value.ndim == 4 else value
    return arrays


def tensors_of(prefix):
    reader = tf.train.load_checkpoint(str(prefix))
    return {
        name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()
    }


def test_a_pixel_cnn_checkpoint_gives_the_originals_output(tmp_path):
    golden = load("ckpt_pixelcnn_output")
    run = imported("pixel_cnn", PIXEL_CNN, tmp_path / "run")
    assert run.image_shape == (32, 32, 3)
    model = run.load_model()
    x = golden["x_u8"] / np.float32(127.5) - 1
    output = model.pixel_cnn(x)
    report("ckpt_pixelcnn", "output", np.abs(output - golden["out_ema"]).max(), 2e-5)
    loss = tf.reduce_sum(mixture_loss(tf.constant(x), output), [1, 2]).numpy()
    deviation = np.abs(loss / golden["loss_ema_per_image"] - 1).max()
    report("ckpt_pixelcnn", "loss (relative)", deviation, 1e-5)


def test_an_iaf_checkpoint_gives_the_originals_output(tmp_path):
    golden = load("ckpt_iaf_output")
    run = imported("iaf_vae", IAF_VAE, tmp_path / "run")
    assert run.step == golden["global_step"]
    vae = run.load_model().vae
    levels = ("IAF_1_0", "IAF_0_0")
    image = tf.constant(nhwc(golden["x_u8"]) / np.float32(127.5) - 1)
    noise = [nhwc(golden[f"noise:{level}:posterior"]) for level in levels]
    output = vae.sample_posterior(vae.encode(image), noise)
    deviation = np.abs(output.f_z * SCALE - nhwc(golden["x_dec"])).max()
    report("ckpt_iaf", "f(z)", deviation, 2e-5)
    log_prob = discretized_logistic(
        output.f_z * SCALE, vae.log_scale - math.log(256), image * SCALE
    )
    log_prob = tf.reduce_sum(log_prob, [1, 2, 3]).numpy()
    deviation = np.abs(log_prob / golden["log_pxz"] - 1).max()
    report("ckpt_iaf", "log_pxz (relative)", deviation, 1e-5)
    for level, kl in zip(levels, output.kls, strict=True):
        kl = tf.reduce_sum(kl, [1, 2, 3]).numpy()
        deviation = np.abs(kl / golden[f"kl_cost:{level}"] - 1).max()
        report("ckpt_iaf", f"kl {level} (relative)", deviation, 1e-5)
    noise = [nhwc(golden[f"noise_sample:{level}:prior"]) for level in levels]
    f_z = vae.sample_prior(noise).f_z
    deviation = np.abs(f_z * SCALE - nhwc(golden["sample_x_dec"])).max()
    report("ckpt_iaf", "f(z) of the prior", deviation, 2e-5)


def test_a_joint_stage_starts_from_an_imported_pixel_cnn(tmp_path):
    run = imported("pixel_cnn", PIXEL_CNN, tmp_path / "imported", image_size="8")
    settings = {"num_filters": 6, "num_mixtures": 3, "joint_steps": 2}
    settings |= {"num_pixel_cnn_resolutions": 3}
    sources = {"init_pixel_cnn_from": run.path}
    joint = tiny_trainer(tmp_path / "joint", sources=sources, **settings)
    before = under(joint.state.weights(), "pixel_cnn")
    for name, value in named_weights(run.load_model().pixel_cnn).items():
        np.testing.assert_array_equal(before[name], value, err_msg=name)
    joint.train()
    after = under(joint.state.weights(), "pixel_cnn")
    assert any(np.any(value != before[name]) for name, value in after.items())


def test_classes_are_read_from_the_shapes(tmp_path):
    model = tiny_model(
        "pretrain_pixel_cnn",
        tiny_images(labels=10),
        num_classes=10,
        num_filters=6,
        num_pixel_cnn_resolutions=3,
    )
    prefix = write_checkpoint(tmp_path / "classes.ckpt", originals_of(model))
    run = imported("pixel_cnn", prefix, tmp_path / "run", image_size="8")
    assert run.config.pixel_cnn.num_classes == 10
    images = tiny_images(labels=10).first(4)
    x = images.image / np.float32(127.5) - 1
    expected = model.pixel_cnn(x, label=images.label)
    output = run.load_model().pixel_cnn(x, label=images.label)
    np.testing.assert_array_equal(output, expected)


def test_relu_has_to_be_asked_for(tmp_path):
    settings = {"nonlinearity": "relu", "num_pixel_cnn_resolutions": 3}
    model = tiny_model("pretrain_pixel_cnn", **settings)
    prefix = write_checkpoint(tmp_path / "relu.ckpt", originals_of(model))
    with pytest.raises(InputError, match="`nonlinearity` must be elu or relu"):
        imported("pixel_cnn", prefix, tmp_path / "run")
    run = imported("pixel_cnn", prefix, tmp_path / "run", "relu", image_size="8")
    assert run.config.pixel_cnn.nonlinearity == "relu"


def without(arrays, name):
    return {key: value for key, value in arrays.items() if not key.startswith(name)}


@pytest.mark.parametrize(
    "change,message",
    [
        (lambda a: without(a, "model/conv2d_5/g"), "lacks `model/conv2d_5/g`"),
        (
            lambda a: without(a, "model/conv2d_5/g/Exp"),
            "lacks `model/conv2d_5/g/ExponentialMovingAverage`",
        ),
        (lambda a: without(a, "model/conv2d_0/"), "the variable `model/conv2d_0/V`"),
        (
            lambda a: a | dict.fromkeys(averaged("model/more/b"), np.zeros(2)),
            "has `model/more/b`, which the model does not have",
        ),
        (
            lambda a: a | dict.fromkeys(averaged("model/conv2d_5/g"), np.zeros(2)),
            "`model/conv2d_5/g`",
        ),
        (
            lambda a: a | dict.fromkeys(averaged("model/dense_3/g"), np.zeros((2, 2))),
            "`model/dense_3/g`",
        ),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, change, message):
    arrays = change(tensors_of(PIXEL_CNN))
    prefix = write_checkpoint(tmp_path / "changed.ckpt", arrays)
    with pytest.raises(InputError, match=message):
        imported("pixel_cnn", prefix, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def averaged(name):
    return (name, f"{name}/ExponentialMovingAverage")


def copied_to(directory, prefix, name):
    """Copies a checkpoint's files under another prefix, which is returned."""
    directory.mkdir(parents=True, exist_ok=True)
    for file in prefix.parent.glob(f"{prefix.name}.*"):
        shutil.copy(file, directory / file.name.replace(prefix.name, name))
    return directory / name


def write_list(directory, newest, *others):
    """Writes the file `checkpoint` as TensorFlow 1 does, with paths as they are."""
    state = tf.compat.v1.train.generate_checkpoint_state_proto("/", "x")
    del state.all_model_checkpoint_paths[:]
    state.model_checkpoint_path = newest
    state.all_model_checkpoint_paths.extend([*others, newest])
    (directory / "checkpoint").write_text(str(state))
    return directory


@pytest.mark.parametrize("ending", ["", ".", ".index", ".meta", ".data-00000-of-00001"])
@pytest.mark.parametrize("name", ["a.ckpt", "exp [lr=0.1] \\ü.index", "[a]*-40"])
def test_any_file_of_a_checkpoint_names_it_in_any_directory(tmp_path, name, ending):
    prefix = copied_to(tmp_path / name, PIXEL_CNN, name)
    prefix.with_name(f"{name}.meta").write_bytes(b"a graph")
    run = imported("pixel_cnn", f"{prefix}{ending}", tmp_path / "run")
    assert run.origin == str(prefix)
    assert_weights_of(run, PIXEL_CNN)


def assert_weights_of(run, prefix):
    expected = imported("pixel_cnn", prefix, f"{run.path}_expected").read_weights()
    for name, value in run.read_weights().items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


@pytest.mark.parametrize(
    "named",
    [
        "new.ckpt-2",
        "./new.ckpt-2",
        "{directory}/new.ckpt-2",
        "/moved/from here/new.ckpt-2",
        "logs/train/new.ckpt-2",
        "C:\\logs\\new.ckpt-2",
    ],
)
@pytest.mark.parametrize("ending", ["", "/", "/checkpoint"])
def test_a_directory_means_the_newest_checkpoint_its_list_names(
    tmp_path, named, ending
):
    directory = tmp_path / "logs [1] ü"
    prefix = copied_to(directory, PIXEL_CNN, "new.ckpt-2")
    copied_to(directory, IAF_VAE, "old.ckpt-1")
    write_list(directory, named.format(directory=directory), "old.ckpt-1")
    run = imported("pixel_cnn", f"{directory}{ending}", tmp_path / "run")
    assert os.path.samefile(f"{run.origin}.index", f"{prefix}.index")


def test_the_working_directory_can_be_named(tmp_path, monkeypatch):
    copied_to(tmp_path, PIXEL_CNN, "new.ckpt-2")
    write_list(tmp_path, "new.ckpt-2")
    monkeypatch.chdir(tmp_path)
    for number, path in enumerate((".", "checkpoint", "new.ckpt-2.index")):
        imported("pixel_cnn", path, f"run{number}")


def test_a_checkpoint_in_one_file_of_an_old_version_is_read_as_before(tmp_path):
    arrays = tensors_of(PIXEL_CNN)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tensors = {name: tf.constant(value) for name, value in arrays.items()}
        old = tmp_path / "old [1].ckpt"
        session.run(
            tf.raw_ops.Save(
                filename=str(old),
                tensor_names=list(tensors),
                data=list(tensors.values()),
            )
        )
    assert [path.name for path in tmp_path.iterdir()] == [old.name]
    (tmp_path / "old [1].ckpt.meta").write_bytes(b"a graph")
    write_list(tmp_path, "/elsewhere/old [1].ckpt")
    for number, path in enumerate((old, f"{old}.meta", tmp_path)):
        run = imported("pixel_cnn", path, tmp_path / f"run{number}")
        assert run.origin == str(old)
    assert_weights_of(run, PIXEL_CNN)


def test_what_is_no_checkpoint_is_refused_in_one_line(tmp_path):
    def refusal(path):
        with pytest.raises(InputError) as refused:
            imported("pixel_cnn", path, tmp_path / "run")
        line = str(refused.value)
        assert (
            line.startswith("`checkpoint` must be the prefix of") and "\n" not in line
        )
        assert "damaged" not in line
        return line.split("`checkpoint` names one; ")[1]

    missing = tmp_path / "missing.ckpt"
    assert refusal(missing) == f"there is no {missing}.index."
    assert refusal(f"{missing}.index") == f"there is no {missing}.index."
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refusal(empty) == f"there is no {empty}/checkpoint."
    copied_to(empty, PIXEL_CNN, "a.ckpt")
    copied_to(empty, PIXEL_CNN, "b.ckpt")
    assert refusal(empty).endswith("It has a.ckpt, b.ckpt.")
    write_list(empty, "/x/c.ckpt", "a.ckpt")
    told = refusal(empty)
    assert "names /x/c.ckpt, which is not there. It has a.ckpt, b.ckpt." in told
    for content in (b"", b"no list", b"\xff\xfe", b'all_model_checkpoint_paths: "a"'):
        (empty / "checkpoint").write_bytes(content)
        assert f"{empty}/checkpoint names none. It has" in refusal(empty)
    alone = tmp_path / "alone.ckpt.data-00000-of-00001"
    alone.write_bytes(b"half")
    assert f"beside {alone} there is no {tmp_path}/alone.ckpt.index" in refusal(alone)
    odd = copied_to(tmp_path / "[odd]", PIXEL_CNN, "c.ckpt")
    data = odd.with_name("c.ckpt.data-00000-of-00001")
    data.unlink()
    assert f"{odd} cannot be read ({data}; No such file" in refusal(odd)
    text = tmp_path / "[odd]" / "text.ckpt"
    text.write_text("nothing of the kind")
    assert f"{text} cannot be read (" in refusal(text)


def test_a_truncated_or_foreign_checkpoint_is_refused(tmp_path):
    for file in PIXEL_CNN.parent.glob(f"{PIXEL_CNN.name}.*"):
        shutil.copy(file, tmp_path)
    data = tmp_path / f"{PIXEL_CNN.name}.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:50_000])
    with pytest.raises(InputError, match="cannot be read"):
        imported("pixel_cnn", tmp_path / PIXEL_CNN.name, tmp_path / "run")
    text = tmp_path / "text.ckpt"
    text.write_text("nothing of the kind")
    for prefix in (text, tmp_path / "missing.ckpt"):
        with pytest.raises(InputError, match="must be the prefix"):
            imported("pixel_cnn", prefix, tmp_path / "run")
    for kind, prefix in (("pixel_cnn", IAF_VAE), ("iaf_vae", PIXEL_CNN)):
        with pytest.raises(InputError, match="Is --kind right"):
            imported(kind, prefix, tmp_path / "run")
    ours = tmp_path / "ours"
    tiny_trainer(ours, "pretrain_vae", pretrain_vae_steps=1).train()
    with pytest.raises(InputError, match="Is --kind right"):
        imported("iaf_vae", ours / "checkpoints" / "step-1", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_import_that_fails_half_way_leaves_nothing_and_can_be_repeated(
    tmp_path, monkeypatch
):
    def fail(run, weights, step):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "write_weights", fail)
        with pytest.raises(OSError, match="No space"):
            imported("pixel_cnn", PIXEL_CNN, tmp_path / "run")
    assert not list(tmp_path.iterdir())
    run = imported("pixel_cnn", PIXEL_CNN, tmp_path / "run")
    assert list(tmp_path.iterdir()) == [tmp_path / "run"]
    run.load_model()
    with pytest.raises(InputError, match="`run_dir` must not exist"):
        imported("pixel_cnn", PIXEL_CNN, tmp_path / "run")


def test_a_reader_that_fails_without_a_message_is_named(tmp_path, monkeypatch):
    def fail(prefix):
        raise RuntimeError

    monkeypatch.setattr(tf.train, "load_checkpoint", fail)
    with pytest.raises(InputError, match=r"cannot be read \(RuntimeError\)"):
        imported("pixel_cnn", PIXEL_CNN, tmp_path / "run")


def test_no_stage_goes_on_in_an_imported_run(tmp_path):
    run = imported("pixel_cnn", PIXEL_CNN, tmp_path / "run", image_size="8")
    with pytest.raises(InputError, match="holds weights imported from"):
        check_same_run(run.path, run.stage, tiny_config())
