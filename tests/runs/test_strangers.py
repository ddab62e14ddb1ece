"""A run of a stranger ends a command in one line that names file and field."""

import dataclasses
import json
import pathlib
import shutil
import zipfile
import zlib

import numpy as np
import pytest
from absl import flags
from damaged_files import (
    CONFIG,
    MISSING,
    PROGRESS,
    SCORES,
    TEXTS,
    WEIGHTS,
    archive_of,
    make_run,
    npy_of,
    put_directory,
    put_pipe,
    run_weights,
    scores_of,
    with_field,
    write_json,
)

from agave_tf.commands import export
from agave_tf.commands.running import Failure, failure_of
from agave_tf.errors import InputError
from agave_tf.interop.provenance import about_run
from agave_tf.models.agave import AGAVE
from agave_tf.models.pixel_cnn_model import PixelCNNModel
from agave_tf.models.vae_model import VAEModel
from agave_tf.models.weight_forms import Network, least_num_weights
from agave_tf.runs.open_run import open_run
from agave_tf.runs.score_files import stored_image_scores, stored_scores
from agave_tf.settings.config import ModelConfig, config_from_settings
from agave_tf.settings.evaluation import EvaluationSettings
from agave_tf.weights.named_weights import named_weights

NAN, INFINITE = float("nan"), float("inf")
SCORED = EvaluationSettings(num_importance_samples=2, max_images=5)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run without a fault."""
    return make_run(tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture
def run_dir(whole, tmp_path):
    """A copy of it, to be damaged."""
    shutil.copytree(whole.path, tmp_path / "run")
    return tmp_path / "run"


def exported(run_dir: pathlib.Path) -> Failure:
    """The end of agave-export of a run; an error in our code is raised."""
    values = flags.FlagValues()
    export.define_flags(values)
    output = run_dir.parent / "copy"
    values(["x", f"--run_dir={run_dir}", f"--output_dir={output}", "--format=run"])
    try:
        export.run(values)
    except Exception as error:
        assert not output.exists()
        failure = failure_of(error)
        if failure is None:
            raise
        return failure
    return Failure("", 0)


def refused(run_dir: pathlib.Path, *words: str) -> None:
    """Asserts that one line with these words refuses the run."""
    message, exit_code = exported(run_dir)
    assert exit_code == 2 and "\n" not in message and len(message) < 700, message
    for word in words:
        assert word in message, message


def change(path: pathlib.Path, name: str, value: object) -> None:
    write_json(path, with_field(json.loads(path.read_text()), name, value))


def test_a_run_without_a_fault_is_exported_with_its_scores(run_dir):
    assert exported(run_dir) == Failure("", 0)
    card = (run_dir.parent / "copy" / "README.md").read_text()
    assert "3.500 or 3.250 (importance-weighted over 2 samples" in card
    run = open_run(str(run_dir))
    stored = stored_scores(run, SCORED)
    # A file of version 0.2, which had no tiles.
    evaluation = scores_of(run)["evaluation"] | {"tile_size": ""}
    changed = {"images": stored["images"], "evaluation": evaluation}
    assert stored == scores_of(run) | changed
    assert len(stored_image_scores(run, SCORED)["index"]) == 5


@pytest.mark.parametrize("file", [CONFIG, PROGRESS])
@pytest.mark.parametrize("kind", TEXTS)
def test_what_is_no_json_is_refused(file, kind, run_dir):
    (run_dir / file).write_bytes(TEXTS[kind])
    refused(run_dir, f"{run_dir}/{file}")


@pytest.mark.parametrize("put", [put_directory, put_pipe])
@pytest.mark.parametrize("file", [CONFIG, PROGRESS, WEIGHTS])
def test_a_directory_and_a_pipe_are_refused(file, put, run_dir):
    put(run_dir / file)
    refused(run_dir, f"{run_dir}/{file} must be a plain file")


NOT_TEXT = (5, [], {}, True, "x" * 10_000, "a\0b")
NOT_COUNT = ("5", [], -5, 1.5, True, NAN, 10**30, "<script>")
BROKEN_CONFIG = [
    *(("stage", x) for x in (MISSING, None, 5, [], ["joint"], "nope", "x" * 10**5)),
    *(("image_shape", x) for x in (MISSING, "abc", [32, 32], 10**9, {}, None)),
    *(("image_shape", [x, 8, 3]) for x in (32.0, 10**9, -8, 0, 2049, True, "8", [8])),
    *(("image_shape", [8, 8, x]) for x in (2, 0, 10**9, 3.0, None)),
    *(("origin", x) for x in NOT_TEXT),
    *(("versions", x) for x in ([], 5, {"keras": 3}, {"keras": "3" * 500})),
    *(("sources", x) for x in ([], 5, {"init_from": []}, {"x/../y": {}})),
    *(("sources.init_vae_from.path", x) for x in (MISSING, *NOT_TEXT)),
    *(("sources.init_vae_from.stage", x) for x in (MISSING, "../../x", 5, None)),
    *(("sources.init_vae_from.step", x) for x in (MISSING, *NOT_COUNT)),
    *(("sources.init_vae_from.weights", x) for x in (MISSING, *NOT_TEXT)),
    ("sources.init_vae_from.more", 1),
    *(("data", x) for x in ([], 5, "cifar10", {})),
    *(("data.fingerprint", x) for x in (MISSING, *NOT_TEXT)),
    *(("data.num_train", x) for x in (MISSING, 0, *NOT_COUNT)),
    *(("data.num_test", x) for x in (MISSING, *NOT_COUNT)),
    *(("data.held_out", x) for x in (MISSING, *NOT_TEXT)),
    ("data.more", 1),
    *(("changes", x) for x in ({}, 5, [5], [{}], [[]])),
    *(("settings", x) for x in (MISSING, [], 5, {"vae": 5}, {"vae": []})),
]


@pytest.mark.parametrize("name,value", BROKEN_CONFIG)
def test_a_record_of_another_form_is_refused_by_name(name, value, run_dir):
    change(run_dir / CONFIG, name, value)
    first, *_ = name.rsplit(".", 1)
    refused(run_dir, f"{run_dir}/{CONFIG}", f"`{first}")


@pytest.mark.parametrize(
    "setting,value",
    [
        *(("vae.num_resolutions", x) for x in (10**6, 9, 0, "1", None, NAN)),
        *(("vae.num_layers_per_resolution", x) for x in (10**6, 201, 2.0)),
        *((f"vae.{x}_channels", 10**9) for x in ("hidden", "z")),
        *((f"pixel_cnn.num_{x}", 10**9) for x in ("filters", "mixtures", "resnets")),
        *(("pixel_cnn.num_classes", x) for x in (10**9, -1, True)),
        *(("train.batch_size", x) for x in (10**30, [1], {})),
        *(("train.kl_weight", x) for x in (10**400, INFINITE, "1")),
        *(("train.joint_steps", x) for x in (2**31, -1)),
        *(("data.dataset", x) for x in ("x" * 10**5, "a\0b", "", 5)),
        *(("data.image_size", x) for x in ("9" * 3000, "9" * 5000, "4096", "x")),
        *(("vae.no_such_setting", x) for x in (1, "x" * 10**5)),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(setting, value, run_dir):
    change(run_dir / CONFIG, f"settings.{setting}", value)
    refused(run_dir, f"{run_dir}/{CONFIG}", f"`{setting.split('.')[1]}`")


@pytest.mark.parametrize(
    "name,value",
    [
        *(("setting", x) for x in ("batch", 5, MISSING, [])),
        *(("before", x) for x in ("x", -1, NAN, None, MISSING, [])),
        *(("after", x) for x in (INFINITE, 0, "<b>")),
        *(("step", x) for x in (-5, "4", 1.5)),
    ],
)
def test_a_change_that_cannot_be_is_refused_by_name(name, value, run_dir):
    changes = json.loads((run_dir / CONFIG).read_text())["changes"]
    change(run_dir / CONFIG, "changes", [with_field(changes[0], name, value)])
    refused(run_dir, f"{run_dir}/{CONFIG}: `changes[0].{name}`")


def test_widths_that_do_not_suit_the_flow_are_refused_with_the_file(run_dir):
    change(run_dir / CONFIG, "settings.vae.hidden_channels", 7)
    refused(run_dir, f"{run_dir}/{CONFIG}", "`hidden_channels`")


def test_a_setting_in_two_parts_is_refused(run_dir):
    change(run_dir / CONFIG, "settings.train.num_filters", 4)
    refused(run_dir, CONFIG, "num_filters` must stand in one part alone")


def test_a_run_of_a_later_version_says_so(run_dir):
    """A setting that we do not know is refused; another field is passed over."""
    change(run_dir / CONFIG, "later", {"anything": [1]})
    assert open_run(str(run_dir)).step == 6
    change(run_dir / CONFIG, "versions.agave_tf", "9.1")
    change(run_dir / CONFIG, "settings.vae.later", 1)
    refused(run_dir, "No such setting: `later`", "The run is of agave_tf 9.1, and this")


@pytest.mark.parametrize("step", [MISSING, *NOT_COUNT])
def test_a_step_that_cannot_be_is_refused(step, run_dir):
    change(run_dir / PROGRESS, "step", step)
    refused(run_dir, f"{run_dir}/{PROGRESS}: `step` must be a whole number")


@pytest.mark.parametrize(
    "comment", [*TEXTS.values(), b'{"step": -5}', b'{"step": "<b>"}', b"{}"]
)
def test_a_comment_of_the_weights_that_names_no_step_is_refused(comment, run_dir):
    with zipfile.ZipFile(run_dir / WEIGHTS, "a") as archive:
        archive.comment = comment[:60_000] or b" "
    refused(run_dir, f"{run_dir}/{WEIGHTS}, comment")


BROKEN_SCORES = [
    *(("weights", x) for x in NOT_TEXT),
    *(("step", x) for x in NOT_COUNT),
    *((f"num_images{x}", y) for x in ("", "_in_split") for y in (0, *NOT_COUNT)),
    *(("num_importance_samples", x) for x in (0, *NOT_COUNT)),
    *(("data", x) for x in (MISSING, [], 5, {})),
    *(("data.dataset", x) for x in (MISSING, *NOT_TEXT)),
    *(("data.fingerprint", x) for x in ([], {}, NAN)),
    *(("evaluation", x) for x in (MISSING, [], "test", {"later": 1})),
    *(("evaluation.split", x) for x in ("<b>", 5, [], {})),
    *(("evaluation.max_images", x) for x in (-1, "5", 10**30)),
    *(("versions", x) for x in ([], {"keras": []})),
    *(("scores", x) for x in (MISSING, [], 5, {"bits_per_dim": []})),
    *(("scores.bits_per_dim", x) for x in ("<script>", True, [], {})),
    *(("standard_errors", x) for x in ([1], {"kl": "0"})),
    *(("probe", x) for x in ([1], {"f(z)": "0"}, "x")),
    *(("images", x) for x in ([1], "x", {"file": "x"}, {"crc32": 5})),
    *(("images.crc32", x) for x in ("x", -1, 1.5)),
]


def passed_over(run_dir, caplog, *words):
    """Asserts that scores are not used, and that one line with these words says it."""
    caplog.clear()
    run = open_run(str(run_dir))
    assert stored_scores(run, SCORED) is None
    assert about_run(run)["evaluations"] == []
    first, second = caplog.records
    assert first.message == second.message
    for word in words:
        assert word in first.message, first.message
    assert len(first.message) < 700 and "\n" not in first.message


@pytest.mark.parametrize("name,value", BROKEN_SCORES)
def test_damaged_scores_are_said_and_not_used(name, value, run_dir, caplog):
    """They are computed again, so a run with them is still of use."""
    change(run_dir / SCORES, name, value)
    passed_over(run_dir, caplog, f"{run_dir}/{SCORES}", name.split(".")[-1])


@pytest.mark.parametrize("kind", TEXTS)
def test_scores_that_are_no_json_are_said_and_not_used(kind, run_dir, caplog):
    (run_dir / SCORES).write_bytes(TEXTS[kind])
    passed_over(run_dir, caplog, f"{run_dir}/{SCORES}")


@pytest.mark.parametrize("put", [put_directory, put_pipe])
def test_scores_that_are_no_file_are_said_and_not_used(put, run_dir, caplog):
    put(run_dir / SCORES)
    passed_over(run_dir, caplog, f"{run_dir}/{SCORES} must be a plain file")


def test_a_run_with_damaged_scores_is_exported_without_them(run_dir):
    change(run_dir / SCORES, "num_images", "<script>")
    assert exported(run_dir) == Failure("", 0)
    card = (run_dir.parent / "copy" / "README.md").read_text()
    assert "Not evaluated" in card and "<script>" not in card


@pytest.mark.parametrize("shape", [(4,), (5, 2), ()])
def test_scores_of_other_images_are_said_and_not_used(shape, run_dir, caplog):
    path = run_dir / "evaluation_test_images.npz"
    with np.load(path) as file:
        arrays = dict(file) | {"bits_per_dim": np.zeros(shape)}
    np.savez(path, **arrays)
    checksum = zlib.crc32(path.read_bytes())
    change(run_dir / SCORES, "images.crc32", checksum)
    assert stored_image_scores(open_run(str(run_dir)), SCORED) is None
    assert f"{path}: 'bits_per_dim' must have a number for each of 5" in caplog.text


CHANGED = "vae/enc/g"
BROKEN_WEIGHTS = {
    "NaN": lambda w: {CHANGED: np.full_like(w[CHANGED], NAN)},
    "infinity": lambda w: {CHANGED: np.full_like(w[CHANGED], INFINITE)},
    "float64": lambda w: {CHANGED: w[CHANGED].astype(float)},
    "int32": lambda w: {CHANGED: w[CHANGED].astype(np.int32)},
    "big-endian": lambda w: {CHANGED: w[CHANGED].astype(">f4")},
    "a longer axis": lambda w: {CHANGED: np.zeros(10**6, np.float32)},
    "another axis": lambda w: {CHANGED: w[CHANGED][None]},
    "Python objects": lambda w: {CHANGED: np.array([{}], dtype=object)},
    "texts": lambda w: {CHANGED: np.array(["a"])},
}


@pytest.mark.parametrize("kind", BROKEN_WEIGHTS)
def test_weights_of_another_form_are_refused_by_name(kind, run_dir):
    arrays = run_weights(run_dir)
    np.savez(run_dir / WEIGHTS, **(arrays | BROKEN_WEIGHTS[kind](arrays)))
    refused(run_dir, f"{run_dir}/{WEIGHTS}", CHANGED)


def test_weights_that_are_missing_or_unknown_or_twice_are_refused(run_dir):
    arrays = run_weights(run_dir)
    np.savez(run_dir / WEIGHTS, **arrays, unknown=np.zeros(2))
    refused(run_dir, f"{run_dir}/{WEIGHTS} has `unknown`")
    np.savez(run_dir / WEIGHTS, **{k: v for k, v in arrays.items() if k != CHANGED})
    refused(run_dir, f"{run_dir}/{WEIGHTS} lacks `{CHANGED}`")
    members = [(f"{name}.npy", npy_of(array)) for name, array in arrays.items()]
    (run_dir / WEIGHTS).write_bytes(archive_of([*members, members[0]]))
    refused(run_dir, f"{run_dir}/{WEIGHTS}", "stands twice")
    (run_dir / WEIGHTS).write_bytes(archive_of(members, zipfile.ZIP_DEFLATED))
    assert exported(run_dir) == Failure("", 0)


@pytest.mark.parametrize(
    "settings",
    [
        {"pixel_cnn.num_filters": 4096, "pixel_cnn.num_resnets": 50},
        {"vae.hidden_channels": 4096, "vae.num_layers_per_resolution": 200},
        {"vae.num_layers_per_resolution": 200},
    ],
)
def test_a_network_larger_than_its_file_is_refused_before_it_is_made(
    settings, run_dir, monkeypatch
):
    """It would have filled the memory."""
    for name, value in settings.items():
        change(run_dir / CONFIG, f"settings.{name}", value)
    monkeypatch.setattr(AGAVE, "__init__", None)
    refused(run_dir, f"{run_dir}/{WEIGHTS} must have at least", "for the settings of")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use_iaf": False, "nonlinearity": "elu", "num_pixel_cnn_resolutions": 1},
        {"num_layers_per_resolution": 3, "num_resnets": 3, "num_resolutions": 2},
    ],
)
def test_the_lower_bound_of_the_weights_is_one_and_near(settings):
    small = {"hidden_channels": 32, "z_channels": 16, "num_filters": 32}
    small |= {"num_layers_per_resolution": 1, "num_resnets": 1}
    config = config_from_settings(small | settings)
    for model_class in (AGAVE, VAEModel, PixelCNNModel):
        network = Network(model_class, config.model, (8, 8, 3))
        weights = named_weights(network.make()).values()
        count = sum(np.prod(weight.shape) for weight in weights)
        assert count / 2 < least_num_weights(network) < count


def test_a_network_that_could_not_be_opened_again_is_not_made(whole, monkeypatch):
    monkeypatch.setattr(AGAVE, "__init__", None)
    config = config_from_settings({"num_filters": 4096, "num_resnets": 5})
    with pytest.raises(InputError, match="`num_filters` .* at most 1073741824 weights"):
        dataclasses.replace(whole, config=config).make_model()


def test_the_default_network_may_be_stored():
    assert least_num_weights(Network(AGAVE, ModelConfig(), (32, 32, 3))) < 2**30 / 8
