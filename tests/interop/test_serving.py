"""An export warms up TensorFlow Serving, and says what it is and where it is from."""

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys

import exported_elsewhere
import numpy as np
import pytest
import tensorflow as tf
from command_process import ROOT
from tensorflow.core.framework import tensor_pb2
from tiny import KL_ROUNDING_NATS, tiny_config, tiny_images, tiny_model
from wire_format import fields_of, only

from agave_tf.data.image_set import DataRecord
from agave_tf.evaluation.evaluator import Evaluator
from agave_tf.interop.provenance import about_run
from agave_tf.interop.saved_model import DESCRIPTION_FILE, export_model
from agave_tf.interop.warm_up import WARM_UP_FILE, write_warm_up
from agave_tf.runs.evaluate_run import evaluate_run
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.run_record import Source
from agave_tf.runs.stages import STAGES
from agave_tf.sampling.drawn import SamplingSettings
from agave_tf.sampling.sampler import Sampler
from agave_tf.settings.evaluation import EvaluationSettings
from agave_tf.weights.named_weights import named_weights

# A request for sample(count=1, seed=0), as tensorflow-serving-api 2.21.0 encodes it:
# PredictionLog(predict_log=PredictLog(request=...)).SerializeToString(deterministic=1).
ENCODED_BY_TENSORFLOW_SERVING = bytes.fromhex(
    "32360a340a0f0a0561676176651a0673616d706c6512100a05636f756e741207080312003a0101120f"
    "0a04736565641207080312003a0100"
)


pytestmark = pytest.mark.xdist_group("serving")  # Its tests share exports.


@pytest.fixture(scope="module")
def model():
    images = tiny_images(labels=2)
    # How a network's layers are exported is the matter of test_export.py.
    network = {"num_pixel_cnn_resolutions": 1, "num_layers_per_resolution": 1}
    return tiny_model(images=images, num_classes=2, **network)


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "model"
    export_model(model, str(path), {}, sampling_batch_size=1)
    return path


def requests_in(path):
    """The inputs of each request in a warm-up file, by signature and argument.

    The numbers of the fields are those of tensorflow_serving/apis/prediction_log.proto,
    predict.proto and model.proto.
    """
    found = {}
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        request = only(only(record, 6), 1)
        model_spec = only(request, 1)
        signature = only(model_spec, 3).decode()
        assert only(model_spec, 1) == b"agave" and signature not in found
        entries = [value for number, value in fields_of(request) if number == 2]
        found[signature] = {
            only(entry, 1).decode(): tf.make_ndarray(
                tensor_pb2.TensorProto.FromString(only(entry, 2))
            )
            for entry in entries
        }
    return found


def test_a_request_has_the_bytes_that_tensorflow_serving_gives_it(tmp_path):
    inputs = {"count": np.int32(1), "seed": np.int32(0)}
    write_warm_up(str(tmp_path / "requests"), {"sample": inputs})
    (record,) = tf.data.TFRecordDataset(str(tmp_path / "requests")).as_numpy_iterator()
    assert record == ENCODED_BY_TENSORFLOW_SERVING


def test_replayed_with_tensorflow_alone_the_requests_give_the_models_numbers(
    model, exported, tmp_path
):
    requests = requests_in(exported / WARM_UP_FILE)
    image = np.zeros([1, 8, 8, 3], np.uint8)
    label, one, zero = np.zeros(1, np.int32), np.int32(1), np.int32(0)
    zs = model.mean_latents(tf.constant(image))
    expected = {
        "encode": {"images": image},
        "reconstruct": {"images": image},
        "decode": {
            f"z_{level:02d}": np.zeros(z.shape, "f") for level, z in enumerate(zs)
        },
        "log_likelihood": {
            "images": image,
            "labels": label,
            "num_samples": one,
            "seed": zero,
        },
        "sample": {"labels": label, "seed": zero},
        "sample_given_auxiliary": {
            "auxiliary_images": image,
            "labels": label,
            "seed": zero,
        },
    }
    assert requests.keys() == expected.keys()
    for name, inputs in expected.items():
        assert requests[name].keys() == inputs.keys()
        for argument, value in inputs.items():
            found = requests[name][argument]
            assert (found.dtype, found.shape) == (value.dtype, value.shape)
            np.testing.assert_array_equal(found, value)
    results = replayed(exported, requests, tmp_path)
    assert not [key for key in results if key.endswith("/refusal")]
    np.testing.assert_allclose(results["encode/z_00"], zs[0], atol=1e-5)
    np.testing.assert_allclose(
        results["reconstruct/f_z"], model.vae.decode(zs), atol=1e-5
    )
    decoded = model.vae.decode([tf.zeros_like(z) for z in zs])
    np.testing.assert_allclose(results["decode/f_z"], decoded, atol=1e-5)
    images = tiny_images(1, labels=1)._replace(image=image)
    bound = Evaluator(model, 1).scores(images, 1, 0).bound
    np.testing.assert_allclose(
        results["log_likelihood/nats"], bound, rtol=1e-5, atol=KL_ROUNDING_NATS
    )
    _, drawn = Sampler(model, SamplingSettings(batch_size=1)).prior(1, label=label)
    assert results["sample/images"].shape == drawn.images.shape
    # Rounding may move a sub-pixel to another level, and then those after it.
    assert np.mean(results["sample/images"][0, :2] == drawn.images[0, :2]) > 0.5
    assert results["sample_given_auxiliary/images"].shape == (1, 8, 8, 3)


def replayed(exported, requests, tmp_path):
    """The outputs of all requests, computed in a process without agave_tf."""
    calls = {
        f"{name}/{argument}": value
        for name, inputs in requests.items()
        for argument, value in inputs.items()
    }
    np.savez(tmp_path / "calls.npz", **calls)
    files = [str(exported), str(tmp_path / "calls.npz"), str(tmp_path / "results.npz")]
    script = exported_elsewhere.__file__
    subprocess.run([sys.executable, script, *files], check=True, cwd=tmp_path)
    with np.load(files[-1]) as file:
        return {key: file[key] for key in file.files}


@pytest.mark.parametrize("stage", ["pretrain_vae", "pretrain_pixel_cnn"])
def test_a_part_alone_is_warmed_up_by_inputs_of_its_signatures(stage, tmp_path):
    export_model(tiny_model(stage), str(tmp_path / "exported"), {})
    signatures = dict(tf.saved_model.load(str(tmp_path / "exported")).signatures)
    del signatures["describe"]  # A constant: there is nothing to warm up.
    requests = requests_in(tmp_path / "exported" / WARM_UP_FILE)
    assert requests.keys() == signatures.keys()
    for name, inputs in requests.items():
        _, arguments = signatures[name].structured_input_signature
        assert inputs.keys() == arguments.keys()
        for argument, spec in arguments.items():
            value = inputs[argument]
            assert value.dtype == spec.dtype.as_numpy_dtype
            assert spec.shape.is_compatible_with(value.shape)
        outputs = signatures[name](**{k: tf.constant(v) for k, v in inputs.items()})
        assert all(len(value) == 1 for value in outputs.values())


def card_of(exported):
    return (exported / "README.md").read_text()


def section(card, title):
    return re.split(r"^##? ", card.split(f"## {title}\n")[1], flags=re.MULTILINE)[0]


def test_the_card_lists_the_signatures_that_the_model_has(exported):
    rows = {}
    for line in section(card_of(exported), "Signatures").splitlines():
        if line.startswith("| `"):
            _, name, takes, gives, _ = line.split("|")
            rows[name.strip(" `")] = [
                {part.strip() for part in cell.split(";") if part.strip()}
                for cell in (takes, gives)
            ]
    signatures = tf.saved_model.load(str(exported)).signatures
    assert rows.keys() == signatures.keys() and "sample" in rows
    for name, function in signatures.items():
        _, inputs = function.structured_input_signature
        for cell, tensors in zip(rows[name], (inputs, function.structured_outputs)):
            assert cell == {
                f"`{key}` {spec.dtype.name}"
                + f" [{','.join(str(n or 'B') for n in spec.shape)}]"
                * (spec.shape.rank > 0)
                for key, spec in tensors.items()
            }
    assert rows["sample"][1] >= {"`images` uint8 [B,8,8,3]"}


@pytest.mark.parametrize("stage", ["joint", "pretrain_vae"])
def test_the_code_in_the_card_draws_images(stage, exported, tmp_path):
    if stage != "joint":
        exported = tmp_path / "exported"
        export_model(tiny_model(stage), str(exported), {})
    (code,) = re.findall(r"```python\n(.*?)```", card_of(exported), re.DOTALL)
    assert len(code.splitlines()) == 5
    result = subprocess.run(
        [sys.executable, "-c", code + "print(images.shape, images.dtype)"],
        cwd=exported,
        check=True,
        capture_output=True,
        text=True,
    )
    assert result.stdout.strip().endswith("(4, 8, 8, 3) uint8")


@pytest.fixture(scope="module")
def vae():
    return tiny_model("pretrain_vae", tiny_images(6))


@pytest.fixture
def run_and_model(vae, tmp_path):
    """A run of a VAE that says all it can of itself."""
    run = RunDirectory(
        str(tmp_path / "exp [1]"),
        STAGES["pretrain_vae"],
        tiny_config(dataset="folder:/home/me/birds|`x`/", pretrain_vae_steps=6),
        (8, 8, 3),
        sources={"init_from": Source("/home/me/old", "joint", 9, "5" * 16)},
        data=DataRecord("a" * 16, 12, 6, "a tenth, by name"),
    )
    run.write_config()
    return open_run(run.path), vae


def export_run(run, path):
    export_model(run.load_model(), str(path), about_run(run))
    card, text = card_of(path), (path / DESCRIPTION_FILE).read_text()
    return card, json.loads(text)


def write_weights(run, model, step):
    weights = {name: value.numpy() for name, value in named_weights(model).items()}
    run.write_weights(weights, step)
    return open_run(run.path)  # Weights are read with the run.


def test_the_card_and_the_description_say_what_the_run_says(run_and_model, tmp_path):
    run, model = run_and_model
    run = write_weights(run, model, 6)
    card, description = export_run(run, tmp_path / "unscored")
    training = section(card, "Training")
    assert "`pretrain_vae`, 6 steps, in batches of 4 images." in training
    assert "`` folder:birds|`x` ``" in training and "/home/me" not in card
    assert "12 to train on (24 were seen, 2.0 times each) and 6 held" in training
    assert "a tenth, by name" in training and "a" * 16 in training
    assert f"Started from `joint` at step 9 (weights `{'5' * 16}`)." in training
    assert run.fingerprint() in training
    assert "Not evaluated: run bin/evaluate.py" in section(card, "Likelihood")
    assert "Apache License 2.0" in card and "lucas2018auxiliary" in card
    assert f"tensorflow {tf.__version__}" in section(card, "Versions")
    assert description["weights"] == run.fingerprint()
    assert description["data"] == run.data._asdict()
    source = {"stage": "joint", "step": 9, "weights": "5" * 16}
    assert description["sources"] == {"init_from": source}
    assert description["run_versions"] == run.versions != {}
    assert (description["stage"], description["step"]) == ("pretrain_vae", 6)
    dataset = description["settings"]["data"]["dataset"]
    assert dataset == run.config.data.dataset


def test_the_card_gives_the_scores_of_these_weights_and_of_no_others(
    run_and_model, tmp_path
):
    run, model = run_and_model
    run = write_weights(run, model, 3)
    settings = EvaluationSettings(num_importance_samples=2, max_images=5)
    summary = evaluate_run(run, model, tiny_images(6), settings).summary
    bits = {score.name: score.mean for score in summary}
    card, description = export_run(run, tmp_path / "scored")
    assert "3 steps of 6: not finished" in section(card, "Training")
    (line,) = section(card, "Likelihood").strip().splitlines()
    assert line.startswith(f"- {bits['bits_per_dim']:.3f} or ")
    assert f"{bits['bits_per_dim_2_samples']:.3f} (importance-weighted over 2" in line
    assert "of the auxiliary image y, on 5 of 6 held-out images" in line
    (stored,) = description["evaluations"]
    assert stored["scores"] == bits and stored["file"] == "evaluation_test.json"
    pathlib.Path(run.file("evaluation_train.json")).write_text('{"half wri')
    assert about_run(run)["evaluations"] == [stored]
    other = tiny_model("pretrain_vae", tiny_images(8), seed=1)
    run = write_weights(run, other, 6)
    assert about_run(run)["evaluations"] == []
    assert about_run(run)["weights"] != stored["weights"]


def test_the_card_of_imported_weights_names_their_origin(run_and_model, tmp_path):
    run, model = run_and_model
    run = write_weights(run, model, 40)
    imported = dataclasses.replace(run, origin="params_cifar.ckpt", data=None)
    card, description = export_run(imported, tmp_path / "imported")
    training = section(card, "Training")
    assert "Imported from `params_cifar.ckpt` at step 40" in training
    assert "does not say what it was trained on" in training
    assert "birds" not in card and "batches" not in training
    assert description["origin"] == "params_cifar.ckpt"


def test_a_card_can_name_what_is_no_utf_8_and_what_version_0_1_did_not_record(
    run_and_model, tmp_path
):
    run, model = run_and_model
    run = write_weights(run, model, 6)
    name = f"folder:{os.fsdecode(b'latin-1 ' + bytes([252]))}"
    data = dataclasses.replace(run.config.data, dataset=name)
    config = dataclasses.replace(run.config, data=data)
    old = dataclasses.replace(run, config=config, data=None, sources=None, versions={})
    training = section(export_run(old, tmp_path / "old")[0], "Training")
    assert r"`folder:latin-1 \udcfc`" in training
    assert "which of them is not recorded" in training
    assert "The weights it started from are not recorded." in training


def test_an_export_without_a_run_says_so(exported):
    assert "Not recorded: the model was exported without its run." in card_of(exported)
    assert {"versions", "tensorflow"} <= json.loads(
        (exported / DESCRIPTION_FILE).read_text()
    ).keys()


def test_the_code_of_the_docs_makes_a_tflite_file_that_gives_the_same_numbers(
    vae, tmp_path, monkeypatch
):
    exported = tmp_path / "vae"
    export_model(vae, str(exported), {})
    text = (ROOT / "docs" / "export.md").read_text().split("## TFLite\n")[1]
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "small").symlink_to(exported)
    monkeypatch.chdir(tmp_path)
    names = {"images": tiny_images(3).image}
    exec(code, names)
    converted = tf.lite.Interpreter("vae.tflite")
    assert converted.get_signature_list().keys() == {"encode", "reconstruct", "decode"}
    signatures = tf.saved_model.load(str(exported)).signatures
    image = {"images": names["images"]}
    zs = signatures["encode"](images=tf.constant(names["images"]))
    zs = {name: z.numpy() for name, z in zs.items() if name != "features"}
    for name, inputs in (("encode", image), ("reconstruct", image), ("decode", zs)):
        # Flex operations would need a library that the interpreter here does not have.
        found = converted.get_signature_runner(name)(**inputs)
        expected = signatures[name](**{k: tf.constant(v) for k, v in inputs.items()})
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            atol = 1 if value.dtype == tf.uint8 else 1e-4
            np.testing.assert_allclose(
                found[key].astype(float), value.numpy().astype(float), atol=atol
            )
            assert np.ptp(found[key]) > 0
    np.testing.assert_array_equal(
        names["features"], converted.get_signature_runner("encode")(**image)["features"]
    )
