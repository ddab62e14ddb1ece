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
        self._is_kernel = [_is_kernel(shape) for shape in layout.shapes]

    def _update_copy(
        self,
        weights: tf.Variable,
        gradient: tf.Tensor,
        momentum: tf.Variable,
        norm: tf.Variable,
        rate: tf.Tensor,
        num_updates: tf.Tensor,
    ) -> None:
        t = tf.cast(num_updates, tf.float32)
        # Of each element, not of each weight: few operations on the whole vector.
        is_kernel = tf.repeat(self._is_kernel, self._layout.sizes)
        momentum.assign_add(
            (gradient - momentum) * tf.where(is_kernel, 1 - _MOMENTUM, 1 - _BETA_1)
        )
        norm.assign_add((tf.square(gradient) - norm) * (1 - _BETA_2))
        ahead = gradient + _MOMENTUM * (momentum - gradient)  # Nesterov's.
        adam = momentum / (1 - tf.pow(tf.constant(_BETA_1), t))
        adam /= tf.sqrt(norm / (1 - tf.pow(tf.constant(_BETA_2), t))) + _EPSILON
        weights.assign_sub(rate * self._with_kernels_orthogonalized(ahead, adam))

    def _with_kernels_orthogonalized(
        self, of_kernels: tf.Tensor, of_others: tf.Tensor
    ) -> tf.Tensor:
        """The update [N]: a kernel's from the first vector, others' from the second."""
        parts = self._layout.split(of_others)
        same_shape = defaultdict(list)
        for place, part in enumerate(self._layout.split(of_kernels)):
            if self._is_kernel[place]:
                matrix = tf.reshape(part, [-1, part.shape[-1]])
                same_shape[tuple(matrix.shape)].append((place, matrix))
        for places_and_matrices in same_shape.values():
            places, matrices = zip(*places_and_matrices)
            updates = orthogonalized(tf.stack(matrices))
            for place, update in zip(places, tf.unstack(updates)):
                scale = _RMS * math.sqrt(max(update.shape))
                parts[place] = scale * update
        return self._layout.joined(parts)


def orthogonalized(matrices: tf.Tensor) -> tf.Tensor:
    """Brings all singular values of matrices near 1, between 0.6 and 1.3, roughly.

    By five steps of a Newton-Schulz iteration, whose coefficients let small ones grow
    fastest.

    Args:
      matrices: float32 [M,R,C].
    """
    a, b, c = _COEFFICIENTS
    is_tall = matrices.shape[1] > matrices.shape[2]
    x = tf.linalg.matrix_transpose(matrices) if is_tall else matrices
    x /= tf.norm(x, axis=[1, 2], keepdims=True) + _SMALLEST_NORM
    for _ in range(_NUM_ITERATIONS):
        square = tf.matmul(x, x, transpose_b=True)
        x = a * x + tf.matmul(b * square + c * tf.matmul(square, square), x)
    return tf.linalg.matrix_transpose(x) if is_tall else x


def _is_kernel(shape: tuple[int, ...]) -> bool:
    """Tells a kernel that is a matrix of several rows and columns."""
    return len(shape) == 4 and min(shape[-1], math.prod(shape[:-1])) > 1
