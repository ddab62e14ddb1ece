"""Muon, for the kernels in one vector of weights, and Adam for the other weights.

Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; the
length of its updates is that of Liu et al. 2025, "Muon is Scalable for LLM Training".
"""

import math
from collections import defaultdict

import tensorflow as tf

from agave_tf.training.vector_optimizer import VectorOptimizer
from agave_tf.weights.weight_vector import WeightLayout

# Jordan et al.: of the momentum, and of the Newton-Schulz iteration.
_MOMENTUM, _COEFFICIENTS, _NUM_ITERATIONS = 0.95, (3.4445, -4.7750, 2.0315), 5
# Liu et al.: the root mean square of an update's elements, near that of Adam's.
_RMS = 0.2
# Adam's. Kingma & Ba have 0.999 for the second; 0.99 is ours, and was not compared.
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.99, 1e-7
# Keeps a gradient of zeros from 0 / 0.
_SMALLEST_NORM = 1e-7


class Muon(VectorOptimizer):
    """Makes the update of every kernel a matrix whose singular values are all near 1.

    A kernel [height, width, in, out] is the matrix [height * width * in, out]:

        m <- m + (1 - 0.95) * (gradient - m)
        kernel <- kernel - rate * 0.2 * sqrt(largest side) * orthogonalized(
            gradient + 0.95 * (m - gradient))

    and every other weight, bias or gain, is updated by Adam (Kingma & Ba 2015,
    Algorithm 1) with the same rate.

    Args:
      weights: float32 [N], the variable to update.
      learning_rate: the rate of updates without one of their own.
      layout: the places of the weights in the vector.
    """

    name_of_variables = "muon"

    def __init__(
        self, weights: tf.Variable, learning_rate: float, layout: WeightLayout
    ):
        super().__init__(weights, learning_rate)
        self._layout = layout
        # The places of kernels among the weights, by rows and columns; and of others.
        self._kernels: dict[tuple[int, int], list[int]] = defaultdict(list)
        self._others: list[int] = []
        for place, shape in enumerate(layout.shapes):
            if _is_kernel(shape):
                self._kernels[math.prod(shape[:-1]), shape[-1]].append(place)
            else:
                self._others.append(place)

    def _update_copy(
        self,
        weights: tf.Variable,
        gradient: tf.Tensor,
        momentum: tf.Variable,
        norm: tf.Variable,
        rate: tf.Tensor,
        num_updates: tf.Tensor,
    ) -> None:
        split, joined = self._layout.split, self._layout.joined
        gradients, momenta, norms = split(gradient), split(momentum), split(norm)
        updates = [*gradients]
        self._update_kernels(gradients, momenta, updates)
        self._update_others(gradients, momenta, norms, updates, num_updates)
        momentum.assign(joined(momenta))
        norm.assign(joined(norms))  # Those of kernels are not in use.
        weights.assign_sub(rate * joined(updates))

    def _update_kernels(
        self,
        gradients: list[tf.Tensor],
        momenta: list[tf.Tensor],
        updates: list[tf.Tensor],
    ) -> None:
        """Replaces the momenta and updates of kernels."""
        for shape, places in self._kernels.items():
            g, m = (
                tf.stack([tf.reshape(parts[place], shape) for place in places])
                for parts in (gradients, momenta)
            )
            m += (g - m) * (1 - _MOMENTUM)
            ahead = g + _MOMENTUM * (m - g)  # Nesterov's.
            update = _RMS * math.sqrt(max(shape)) * orthogonalized(ahead)
            for place, *of_one in zip(places, tf.unstack(m), tf.unstack(update)):
                momenta[place], updates[place] = of_one

    def _update_others(
        self,
        gradients: list[tf.Tensor],
        momenta: list[tf.Tensor],
        norms: list[tf.Tensor],
        updates: list[tf.Tensor],
        num_updates: tf.Tensor,
    ) -> None:
        """Replaces the momenta, norms and updates of other weights.

        All in one vector: few operations, not a dozen for each of hundreds of weights.
        """
        places = self._others
        g, m, n = (
            tf.concat([tf.reshape(parts[place], [-1]) for place in places], axis=0)
            for parts in (gradients, momenta, norms)
        )
        t = tf.cast(num_updates, tf.float32)
        m += (g - m) * (1 - _BETA_1)
        n += (tf.square(g) - n) * (1 - _BETA_2)
        update = m / (1 - tf.pow(tf.constant(_BETA_1), t))
        update /= tf.sqrt(n / (1 - tf.pow(tf.constant(_BETA_2), t))) + _EPSILON
        sizes = [self._layout.sizes[place] for place in places]
        found = (tf.split(vector, sizes) for vector in (m, n, update))
        for place, *of_one in zip(places, *found):
            momenta[place], norms[place], updates[place] = of_one


def orthogonalized(matrices: tf.Tensor) -> tf.Tensor:
    """Brings all singular values of matrices near 1, between 0.6 and 1.3, roughly.

    By five steps of a Newton-Schulz iteration, whose coefficients let small ones grow
    fastest. Every step multiplies the matrix by a polynomial of the products of its
    rows (columns, if these are fewer), from which the next products follow. So only
    the first and the last product have the longer side.

    Args:
      matrices: float32 [M,R,C].
    """
    a, b, c = _COEFFICIENTS
    x = matrices / (tf.norm(matrices, axis=[1, 2], keepdims=True) + _SMALLEST_NORM)
    is_tall = matrices.shape[1] > matrices.shape[2]
    products = tf.matmul(x, x, transpose_a=is_tall, transpose_b=not is_tall)
    identity = tf.eye(products.shape[-1])
    factor = identity
    for _ in range(_NUM_ITERATIONS):
        step = a * identity + tf.matmul(b * identity + c * products, products)
        factor = tf.matmul(step, factor)
        products = tf.matmul(tf.matmul(step, products), step)
    return tf.matmul(x, factor) if is_tall else tf.matmul(factor, x)


def _is_kernel(shape: tuple[int, ...]) -> bool:
    """Tells a kernel that is a matrix of several rows and columns."""
    return len(shape) == 4 and min(shape[-1], math.prod(shape[:-1])) > 1
