"""IAFVAE computes what openai/iaf computes."""

import math

import numpy as np
import pytest
import tensorflow as tf
from golden_file import load, nhwc, report, with_prefix
from original_likelihoods import discretized_logistic

from agave_tf.errors import InputError
from agave_tf.evaluation.image_scores import importance_weighted_bound
from agave_tf.interop.openai_names import assign_originals, iaf_vae_variables, to_ours
from agave_tf.layers.masked_convolution import (
    AutoregressiveNetwork,
    channel_mask,
    convolution_mask,
)
from agave_tf.models.iaf_vae import IAFVAE
from agave_tf.models.objective import free_bits
from agave_tf.settings.config import IAFVAEConfig

# f(z) in [-1, 1] on the original's axis from -.5 to .5.
SCALE = 127.5 / 256
LEVELS_A = ("IAF_1_1", "IAF_1_0", "IAF_0_1", "IAF_0_0")
LEVELS_B = ("IAF_1_0", "IAF_0_0")


def make(z_channels, hidden_channels, layers):
    config = IAFVAEConfig(
        hidden_channels=hidden_channels,
        z_channels=z_channels,
        num_resolutions=2,
        num_layers_per_resolution=layers,
    )
    return IAFVAE(config, 3, 3, open_tails=False)


def image_of(golden):
    """The image as the network takes it, repeated for every importance sample."""
    return tf.constant(nhwc(golden["x_scaled"]) / SCALE, tf.float32)


def noise_of(golden, levels, kind):
    return [tf.constant(nhwc(golden[f"noise:{level}:{kind}"])) for level in levels]


@pytest.mark.parametrize(
    "stem,sizes,levels",
    [
        ("iaf_vae_a_train", (4, 8, 2), LEVELS_A),
        ("iaf_vae_b_k3_train", (2, 4, 1), LEVELS_B),
    ],
)
def test_training_pass_equals_the_original(stem, sizes, levels):
    golden = load(stem)
    vae = make(*sizes)
    named = iaf_vae_variables(vae)
    assign_originals(named, with_prefix(golden, "var:"))
    image = image_of(golden)
    with tf.GradientTape() as tape:
        output = vae.sample_posterior(
            vae.encode(image), noise_of(golden, levels, "posterior")
        )
        log_scale = vae.log_scale - math.log(256)
        log_prob = tf.reduce_sum(
            discretized_logistic(output.f_z * SCALE, log_scale, image * SCALE),
            axis=[1, 2, 3],
        )
        per_channel = [tf.reduce_sum(kl, axis=[1, 2]) for kl in output.kls]
        kl_objectives = [free_bits(kl, 0.25) for kl in per_channel]
        objective = tf.reduce_sum(tf.add_n(kl_objectives) - log_prob)

    deviation = np.abs(output.f_z * SCALE - nhwc(golden["x_dec"])).max()
    report(stem, "f(z)", deviation, 2e-5)
    for name, ours in (("log_pxz", log_prob), ("obj", objective)):
        deviation = np.abs(ours.numpy() / golden[name] - 1).max()
        report(stem, f"{name} (relative)", deviation, 1e-5)
    check_kl(stem, per_channel, kl_objectives, golden, levels)
    check_gradients(stem, tape.gradient(objective, named), golden, levels[0])
    # Exact likelihood, without the original's floor of 1e-7.
    levels_of_image = tf.round(image * 127.5 + 127.5)
    exact = tf.reduce_sum(
        vae.likelihood(output.f_z).log_prob(levels_of_image), [1, 2, 3]
    )
    deviation = np.abs(exact.numpy() / golden["log_pxz"] - 1).max()
    report(stem, "exact log_pxz (relative)", deviation, 1e-4)
    # The bound as the original reports it.
    num_samples = len(golden["x_scaled"]) // len(golden["x_u8"])
    log_weights = log_prob - tf.add_n([tf.reduce_sum(kl, 1) for kl in per_channel])
    bound = importance_weighted_bound(tf.reshape(log_weights, [-1, num_samples]))
    deviation = abs(-float(tf.reduce_sum(bound)) / float(golden["loss"]) - 1)
    report(stem, "bound (relative)", deviation, 1e-5)


def check_kl(stem, per_channel, kl_objectives, golden, levels):
    for level, kl, kl_objective in zip(levels, per_channel, kl_objectives, strict=True):
        ours = tf.reduce_sum(kl, axis=1).numpy()
        deviation = np.abs(ours / golden[f"kl_cost:{level}"] - 1).max()
        report(stem, f"kl {level} (relative)", deviation, 1e-5)
        # The original gives every image the batch mean; ours has the same mean.
        mean = float(tf.reduce_mean(kl_objective))
        deviation = abs(mean / golden[f"kl_obj:{level}"][0] - 1)
        report(stem, f"free bits {level} (relative)", deviation, 1e-5)


def check_gradients(stem, gradients, golden, top):
    # Nothing reads the topmost bottom-up output.
    without = {f"model/{top}/up_conv3/{kind}" for kind in ("V", "g", "b")}
    assert {name for name, value in gradients.items() if value is None} == without
    assert without.isdisjoint(with_prefix(golden, "grad:"))
    deviations = []
    for name, gradient in gradients.items():
        if gradient is None:
            continue
        expected = golden[f"grad:{name}"]
        if name.endswith("dec_log_stdv"):
            # One scale in the original: the sum of ours.
            gradient, ours = tf.reduce_sum(gradient), expected
        else:
            ours = to_ours(name, expected, tuple(gradient.shape))
        deviations.append(
            np.abs(gradient.numpy() - ours).max() / np.abs(expected).max()
        )
    # Python's `max` would ignore a NaN.
    report(stem, "gradients (of the largest)", np.max(deviations), 1e-3)


@pytest.mark.parametrize(
    "stem,sizes,levels",
    [
        ("iaf_vae_a_sample", (4, 8, 2), LEVELS_A),
        ("iaf_vae_b_k3_sample", (2, 4, 1), LEVELS_B),
    ],
)
def test_samples_of_the_prior_equal_the_originals(stem, sizes, levels):
    golden = load(stem)
    vae = make(*sizes)
    named = iaf_vae_variables(vae)
    # The original's sampling graph has no flow.
    arrays = with_prefix(golden, "var:")
    flow = {k: v.numpy() for k, v in named.items() if "ar_multiconv2d" in k}
    assign_originals(named, {**flow, **arrays})
    output = vae.sample_prior(noise_of(golden, levels, "prior"))
    deviation = np.abs(output.f_z * SCALE - nhwc(golden["x_dec"])).max()
    report(stem, "f(z)", deviation, 2e-5)


def test_initialisation_as_openai_equals_the_original():
    stem = "iaf_vae_init_a"
    golden = load(stem)
    vae = make(4, 8, 2)
    named = iaf_vae_variables(vae)
    for name, value in with_prefix(golden, "v0:").items():
        named[name].assign(value)
    y = tf.constant(nhwc(golden["x_u8"]), tf.float32)
    image = (y - 127.5) / 127.5
    noise = noise_of(golden, LEVELS_A, "prior")
    output = vae.initialize(image, y, noise, as_openai=True)
    clipped = np.clip(nhwc(golden["init_pass_x_dec_raw"]), -SCALE, SCALE)
    report(stem, "pass", np.abs(output.f_z * SCALE - clipped).max(), 2e-5)
    deviations = []
    for name, value in with_prefix(golden, "var:").items():
        if name.endswith("/dec_log_stdv"):
            value = value + math.log(256)
        # The top's bias is 1e4 in the original, so the tolerance is relative above 1.
        scale = max(1.0, np.abs(value).max())
        deviations.append(np.abs(named[name].numpy() - value).max() / scale)
    report(stem, "g and b (relative above 1)", np.max(deviations), 1e-5)
    output = vae.sample_posterior(
        vae.encode(image), noise_of(golden, LEVELS_A, "posterior")
    )
    clipped = np.clip(nhwc(golden["after_train_x_dec_raw"]), -SCALE, SCALE)
    report(stem, "after", np.abs(output.f_z * SCALE - clipped).max(), 2e-5)


def test_masks_equal_the_originals():
    golden = load("ar_masks")
    for key, expected in golden.items():
        kind, _, numbers = key.partition(":")
        *sizes, strict = (int(number) for number in numbers.split("_"))
        if kind == "linear":
            ours = channel_mask(*sizes, strict=bool(strict))
        else:
            ours = convolution_mask(tuple(sizes[:2]), *sizes[2:], strict=bool(strict))
        np.testing.assert_array_equal(ours, expected, err_msg=key)


@pytest.mark.parametrize(
    "stem,sizes",
    [
        ("ar_multiconv2d_0", (4, 8, 2)),
        ("ar_multiconv2d_1", (2, 6, 1)),
    ],
)
def test_autoregressive_network_equals_the_original(stem, sizes):
    golden = load(stem)
    network = AutoregressiveNetwork(*sizes)
    layers = {f"layer_{i}": layer for i, layer in enumerate(network.hidden)}
    layers |= {"layer_out_0": network.shift, "layer_out_1": network.log_scale}
    variables = {
        f"ar_multiconv2d/{name}/{kind.upper() if kind == 'v' else kind}": getattr(
            layer, kind
        )
        for name, layer in layers.items()
        for kind in ("v", "g", "b")
    }
    for name, variable in variables.items():
        variable.assign(golden[f"var:{name}"])
    z = tf.constant(nhwc(golden["z"]))
    context = tf.constant(nhwc(golden["context"]))
    with tf.GradientTape() as tape:
        tape.watch([z, context])
        output = network(z, context)
        total = sum(
            tf.reduce_sum(value * nhwc(golden[f"cot_{i}"]))
            for i, value in enumerate(output)
        )
    for i, value in enumerate(output):
        deviation = np.abs(value - nhwc(golden[f"out_{i}"])).max()
        report(stem, f"output {i}", deviation, 2e-5)
    grad_z, grad_context, *gradients = tape.gradient(
        total, [z, context, *variables.values()]
    )
    pairs = [(grad_z, nhwc(golden["grad_z"]))]
    pairs.append((grad_context, nhwc(golden["grad_context"])))
    for name, gradient in zip(variables, gradients, strict=True):
        pairs.append((gradient, golden[f"grad:{name}"]))
    deviation = np.max([np.abs(a - b).max() / np.abs(b).max() for a, b in pairs])
    report(stem, "gradients (of the largest)", deviation, 1e-3)


def test_a_log_scale_that_is_not_one_number_is_refused():
    arrays = with_prefix(load("iaf_vae_b_k3_train"), "var:")
    named = iaf_vae_variables(make(2, 4, 1))
    for shape in ((2,), (3,)):
        arrays["model/dec_log_stdv"] = np.zeros(shape, np.float32)
        with pytest.raises(InputError, match=rf"one number.*\({shape[0]},\)"):
            assign_originals(named, arrays)


def test_every_variable_has_one_name_of_the_original():
    vae = make(4, 8, 2)
    named = iaf_vae_variables(vae)
    assert {id(v) for v in named.values()} == {id(v) for v in vae.variables}
    assert len(named) == len(vae.variables)


def test_a_network_without_a_flow_has_no_names_in_the_original():
    config = IAFVAEConfig(8, 4, 1, 1, use_iaf=False)
    with pytest.raises(InputError, match="`use_iaf` must be true"):
        iaf_vae_variables(IAFVAE(config, 3, 3))
