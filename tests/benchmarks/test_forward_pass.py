"""The forward pass that other times are counted in is a whole one."""

import pytest
from tiny import tiny_images, tiny_model

from agave_tf.benchmarks.networks import forward_pass
from agave_tf.randomness import ImageDraws, seed_tensor


@pytest.mark.parametrize("stage", ["pretrain_vae", "pretrain_pixel_cnn", "joint"])
def test_it_computes_every_term(stage):
    """Of AGAVE it had the first alone: no likelihood of y and no KL."""
    images = tiny_images(2)
    model = tiny_model(stage, images)
    found = forward_pass(model, images.array)()
    expected = model.terms(images.array, ImageDraws(seed_tensor(0), [0, 1]))
    assert [nats.shape for nats in found] == [nats.shape for nats in expected]
    for nats, ours in zip(found, expected, strict=True):
        assert nats == pytest.approx(ours.numpy(), rel=1e-4, abs=1e-3)
