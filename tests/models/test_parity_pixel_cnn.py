"""ConditionalPixelCNN computes what openai/pixel-cnn computes."""

import numpy as np
import pytest
import tensorflow as tf
from golden_file import load, report, with_prefix
from original_likelihoods import mixture_loss
from small_pixel_cnn import golden_label, golden_pixel_cnn

from agave_tf.errors import InputError
from agave_tf.interop.openai_names import assign_originals, pixel_cnn_variables, to_ours
from agave_tf.layers import gated_resnet
from agave_tf.randomness import DropoutSeed, seed_tensor


def largest_gradient_deviation(named, gradients, golden):
    deviations = []
    for name, gradient in zip(named, gradients, strict=True):
        expected = golden[f"grad:{name}"]
        ours = to_ours(name, expected, tuple(gradient.shape))
        deviations.append(
            np.abs(gradient.numpy() - ours).max() / np.abs(expected).max()
        )
    # Python's `max` would ignore a NaN.
    return np.max(deviations)


def check_forward(stem, model, golden, dropout_seed=None):
    named = pixel_cnn_variables(model)
    assign_originals(named, with_prefix(golden, "var:"))
    x = tf.constant(golden["x"])
    with tf.GradientTape() as tape:
        output = model(x, label=golden_label(golden), dropout_seed=dropout_seed)
        loss = tf.reduce_sum(mixture_loss(x, output))
    gradients = tape.gradient(loss, list(named.values()))
    report(stem, "output", np.abs(output - golden["out"]).max(), 2e-5)
    relative = abs(float(loss) / float(golden["loss_sum"]) - 1)
    report(stem, "loss (relative)", relative, 1e-5)
    deviation = largest_gradient_deviation(named, gradients, golden)
    report(stem, "gradients (of the largest)", deviation, 1e-3)
    # Our own likelihood, which is exact where the original approximates.
    exact = -float(tf.reduce_sum(model.likelihood(output).log_prob(x)))
    relative = abs(exact / float(golden["loss_sum"]) - 1)
    report(stem, "exact loss (relative)", relative, 1e-4)


@pytest.mark.parametrize(
    "stem,sizes",
    [
        ("pixelcnn_forward_a_plain", (2, 8, 3)),
        ("pixelcnn_forward_a_perturbed", (2, 8, 3)),
        ("pixelcnn_forward_b_plain", (1, 6, 10, 10)),
        ("pixelcnn_forward_b_perturbed", (1, 6, 10, 10)),
    ],
)
def test_output_loss_and_gradients_equal_the_originals(stem, sizes):
    check_forward(stem, golden_pixel_cnn(*sizes), load(stem))


@pytest.fixture
def stored_masks(monkeypatch):
    """Makes dropout take the masks of a golden file, in the order of calls."""

    def use(golden):
        masks = iter(sorted(with_prefix(golden, "dropout_mask:").items()))

        def dropout(x, rate, seed):
            return x * next(masks)[1].astype(np.float32) / (1 - rate)

        monkeypatch.setattr(gated_resnet, "dropout", dropout)
        unused.append(masks)
        return DropoutSeed(seed_tensor(0), tf.range(1), 1)

    unused = []
    yield use
    assert not any(list(masks) for masks in unused), "A mask was not used."


def test_training_graph_with_given_masks_equals_the_original(stored_masks):
    golden = load("pixelcnn_dropout_a")
    model = golden_pixel_cnn(1, 6, 3, dropout_rate=0.5)
    check_forward("pixelcnn_dropout_a", model, golden, stored_masks(golden))


@pytest.mark.parametrize(
    "stem,sizes",
    [
        ("pixelcnn_init_a", (1, 8, 3)),
        ("pixelcnn_init_b_cond_dropout", (1, 6, 4, 5, 0.5)),
    ],
)
def test_initialisation_equals_the_originals(stem, sizes, stored_masks):
    golden = load(stem)
    model = golden_pixel_cnn(*sizes)
    named = pixel_cnn_variables(model)
    assign_originals(named, with_prefix(golden, "v0:"))
    label = golden_label(golden)
    seed = stored_masks(golden) if len(sizes) == 5 else None
    output = model.initialize(tf.constant(golden["x_init"]), label, seed)
    deviation = np.max(
        [
            np.abs(named[name].numpy() - value).max()
            for name, value in with_prefix(golden, "var:").items()
        ]
    )
    report(stem, "g and b", deviation, 1e-5)
    report(stem, "pass", np.abs(output - golden["init_out"]).max(), 2e-5)
    after = model(tf.constant(golden["x_init"]), label=label)
    report(stem, "after", np.abs(after - golden["out_after"]).max(), 2e-5)


@pytest.mark.parametrize(
    "stem,sizes",
    [("pixelcnn_sampling_a", (1, 8, 3)), ("pixelcnn_sampling_b_cond", (2, 6, 2, 4))],
)
def test_what_sampling_used_is_what_one_pass_over_the_image_gives(stem, sizes):
    golden = load(stem)
    model = golden_pixel_cnn(*sizes)
    assign_originals(pixel_cnn_variables(model), with_prefix(golden, "var:"))
    output = model(tf.constant(golden["image"]), label=golden_label(golden))
    report(stem, "output", np.abs(output - golden["out_used"]).max(), 2e-5)


DENSE = "model/dense_0/V"


@pytest.mark.parametrize(
    "change,message",
    [
        (lambda arrays: arrays.pop(DENSE), f"lacks `{DENSE}`"),
        (lambda arrays: arrays.update(other=np.zeros(1)), "has `other`"),
        (
            lambda arrays: arrays.update({DENSE: arrays[DENSE][:-1]}),
            rf"`{DENSE}` must have shape \(1, 1, 12, 6\).*\(11, 6\)",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_named_and_nothing_is_assigned(change, message):
    arrays = with_prefix(load("pixelcnn_dropout_a"), "var:")
    change(arrays)
    named = pixel_cnn_variables(golden_pixel_cnn(1, 6, 3))
    before = {name: variable.numpy() for name, variable in named.items()}
    with pytest.raises(InputError, match=message):
        assign_originals(named, arrays)
    for name, variable in named.items():
        np.testing.assert_array_equal(variable, before[name])


def test_every_variable_has_one_name_of_the_original():
    model = golden_pixel_cnn(2, 4, 2, classes=3)
    named = pixel_cnn_variables(model)
    assert {id(v) for v in named.values()} == {id(v) for v in model.variables}
    assert len(named) == len(model.variables)
