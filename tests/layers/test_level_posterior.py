"""q(z|x) of a level: its density at a z, its gradient, and what its draws say of it."""

import numpy as np
import pytest
import tensorflow as tf

from agave_tf.layers.level_posterior import GaussianPosterior, IAFPosterior
from agave_tf.layers.masked_convolution import AutoregressiveNetwork
from agave_tf.probability import tfp

SHAPE = (2, 4, 4, 4)


def normal(seed, shape=SHAPE):
    return tf.random.stateless_normal(shape, (seed, 0))


@pytest.fixture(params=[True, False], ids=["flow", "no flow"])
def posterior(request):
    base = tfp.distributions.Normal(normal(1), tf.exp(0.3 * normal(2)))
    if not request.param:
        return GaussianPosterior(base)
    flow = AutoregressiveNetwork(4, 8)
    # As strong a flow as training makes.
    for number, weight in enumerate(flow.weights):
        weight.assign(weight + 0.5 * normal(number + 9, weight.shape))
    return IAFPosterior(base, flow, normal(3, (*SHAPE[:3], 8)))


def test_the_density_at_a_draw_is_that_of_the_draw(posterior):
    z, log_q = posterior.draw(normal(4))
    if isinstance(posterior, IAFPosterior):
        assert np.abs(log_q - posterior.base.log_prob(z)).max() > 0.1
    np.testing.assert_allclose(posterior.log_prob(z), log_q, atol=2e-3)


def test_the_score_is_the_gradient_of_the_density(posterior):
    z, direction = posterior.draw(normal(4))[0], normal(5)
    slope = tf.reduce_sum(posterior.score(z) * direction)
    up, down = (
        tf.reduce_sum(posterior.log_prob(z + step * direction))
        for step in (1e-2, -1e-2)
    )
    np.testing.assert_allclose(slope, (up - down) / 2e-2, rtol=0.01, atol=0.05)


def test_a_summary_is_that_of_many_draws(posterior):
    prior = tfp.distributions.Normal(normal(6), tf.exp(0.2 * normal(7)))
    summary = posterior.summary(prior, normal(8, (500, *SHAPE[1:])))
    draws = [posterior.draw(normal(100 + i)) for i in range(2000)]
    z = tf.stack([z for z, _ in draws])
    kl = [tf.reduce_sum(log_q - prior.log_prob(z), [1, 2, 3]) for z, log_q in draws]
    np.testing.assert_allclose(summary.mean, tf.reduce_mean(z, 0), atol=0.15)
    total = tf.reduce_sum(summary.kl, [1, 2, 3])
    np.testing.assert_allclose(total, tf.reduce_mean(kl, 0), rtol=0.02)
    spread = tf.math.reduce_std(z, 0)
    assert np.all(summary.deviation <= 1.1 * spread)
    if not isinstance(posterior, IAFPosterior):
        np.testing.assert_allclose(summary.deviation, posterior.base.scale)
