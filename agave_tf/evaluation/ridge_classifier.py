"""A linear classifier by ridge regression, in closed form, of features in blocks.

X are the features [N,D], T the classes [N,K] in one-hot form, s the strength of the
ridge. The weights w [D,K] and offsets b [K] that minimise

    |X w + b - T|^2 + s |w|^2

solve the smaller of two systems of equations, of D + 1 or of N + 1 unknowns:

    [N      1^T X    ] [b]   [1^T T]          [0  1^T    ] [b]   [0]
    [X^T 1  X^T X + s] [w] = [X^T T]    or    [1  XX^T + s] [a] = [T],    w = X^T a

Memory: two blocks of features of 256 MiB, where D > N another one of 2 GiB, and 16
bytes times the square of the number of unknowns, for the system and its factors.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from agave_tf.randomness import choice_generator

# Strengths to choose from, in units of the features' mean variance times N. Each takes
# a factorization: one of eigenvalues for all takes some 30 times as long as each.
RIDGES: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
# Bytes of a block that is read and dropped, and of one that all others are compared
# with. They bound the memory; with more of the second, fewer features are made twice.
_BLOCK_BYTES = 2**28
_KEPT_BYTES = 2**31


class Features(Protocol):
    """The features of images, made in blocks, and made again at each request."""

    @property
    def num_features(self) -> int:
        """The number of features of an image, D."""

    def blocks(self, places: np.ndarray, num_bytes: int) -> Iterator[np.ndarray]:
        """Features of the images at these places, in their order.

        Args:
          places: int [N].
          num_bytes: the size of a block, about.

        Yields:
          Float64 [n,D].
        """


class Classifier(NamedTuple):
    """A linear classifier of D features and K classes."""

    weights: np.ndarray  # [D,K]
    offsets: np.ndarray  # [K]

    def classes(self, features: np.ndarray) -> np.ndarray:
        """The class of each row of features [n,D], int [n]."""
        return (features @ self.weights + self.offsets).argmax(axis=1)


def fit(features: Features, places: np.ndarray, classes: np.ndarray) -> Classifier:
    """Fits a classifier, with the ridge that is best on a random tenth of the images.

    The tenth is random, because the images may be sorted by class.

    Args:
      features: the features of all images.
      places: int [N], of the images to fit it to, at least two.
      classes: int [N], their classes, 0..K-1.
    """
    order = choice_generator().permutation(len(places))
    num_choosing = max(1, len(places) // 10)
    # The images that choose the ridge come last.
    order = np.concatenate([order[num_choosing:], order[:num_choosing]])
    places, classes = places[order], classes[order]
    num_fitting = len(places) - num_choosing
    if features.num_features <= len(places):
        return _fit_by_features(features, places, classes, num_fitting)
    return _fit_by_images(features, places, classes, num_fitting)


def classify(
    classifier: Classifier, features: Features, places: np.ndarray
) -> np.ndarray:
    """The classes of the images at these places, int [M]."""
    blocks = features.blocks(places, _BLOCK_BYTES)
    return np.concatenate([classifier.classes(block) for block in blocks])


def _fit_by_features(
    features: Features, places: np.ndarray, classes: np.ndarray, num_fitting: int
) -> Classifier:
    """Fits by D + 1 equations, whose sums are over images."""
    targets = np.eye(classes.max() + 1)
    system = np.zeros([1 + features.num_features] * 2)
    right_side = np.zeros([1 + features.num_features, len(targets)])

    def add(block: np.ndarray, target: np.ndarray) -> None:
        system[0, 0] += len(block)
        system[0, 1:] += block.sum(axis=0)
        system[1:, 0] = system[0, 1:]
        system[1:, 1:] += block.T @ block
        right_side[0] += target.sum(axis=0)
        right_side[1:] += block.T @ target

    def solve(ridge: float) -> Classifier:
        # The sum of squares about the mean, over images and features.
        spread = system[0, 1:] @ system[0, 1:] / system[0, 0]
        squares = system.diagonal()[1:].sum() - spread
        strength = _strength(ridge, squares, system[0, 0], features.num_features)
        offsets, *weights = _solve(system, right_side, strength)
        return Classifier(np.stack(weights), offsets)

    for rows, block in _rows(features, places[:num_fitting]):
        add(block, targets[classes[rows]])
    candidates = [solve(ridge) for ridge in RIDGES]
    num_right = np.zeros(len(RIDGES), int)
    for rows, block in _rows(features, places[num_fitting:]):
        found = classes[num_fitting:][rows]
        num_right += [(each.classes(block) == found).sum() for each in candidates]
        add(block, targets[found])
    return solve(RIDGES[num_right.argmax()])


def _fit_by_images(
    features: Features, places: np.ndarray, classes: np.ndarray, num_fitting: int
) -> Classifier:
    """Fits by N + 1 equations, whose sums are over features."""
    targets = np.eye(classes.max() + 1)[classes]
    system = _system_of_images(features, places)

    def solve(num: int, ridge: float) -> np.ndarray:
        """[1 + num,K]: the offsets, and a of the first `num` images."""
        part = system[: 1 + num, : 1 + num]
        # The sum of squares about the mean, over images and features.
        squares = part.diagonal()[1:].sum() - part[1:, 1:].sum() / num
        strength = _strength(ridge, squares, num, features.num_features)
        no_sum = np.zeros([1, targets.shape[1]])
        return _solve(part, np.concatenate([no_sum, targets[:num]]), strength)

    def num_right(ridge: float) -> int:
        products = system[1 + num_fitting :, : 1 + num_fitting]
        scores = products @ solve(num_fitting, ridge)
        return int((scores.argmax(axis=1) == classes[num_fitting:]).sum())

    solution = solve(len(places), max(RIDGES, key=num_right))
    weights = np.zeros([features.num_features, targets.shape[1]])
    for rows, block in _rows(features, places):
        weights += block.T @ solution[1:][rows]
    return Classifier(weights, solution[0])


def _system_of_images(features: Features, places: np.ndarray) -> np.ndarray:
    """[1+N,1+N]: the products of all pairs of images, beside a row and column of ones.

    The features of a block of images are kept, while those of the images after it are
    made again. So they are made more than once only where one block cannot hold them.
    """
    system = np.ones([1 + len(places)] * 2)
    system[0, 0] = 0
    first = 0
    while first < len(places):
        first += _fill_columns(system[1:, 1:], features, places, first)
    return system


def _fill_columns(
    products: np.ndarray, features: Features, places: np.ndarray, first: int
) -> int:
    """Fills in the products of a block of images, from number `first` on.

    They are those with one another and with all later images, [N,N] in all.

    Returns:
      The number of images in the block.
    """
    kept = next(features.blocks(places[first:], _KEPT_BYTES))
    after = first + len(kept)
    columns = slice(first, after)
    products[columns, columns] = kept @ kept.T
    for rows, block in _rows(features, places[after:]):
        later = slice(after + rows.start, after + rows.stop)
        products[later, columns] = block @ kept.T
        products[columns, later] = products[later, columns].T
    return len(kept)


def _rows(features: Features, places: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields blocks of features, each with the slice of `places` of its images."""
    first = 0
    for block in features.blocks(places, _BLOCK_BYTES):
        yield slice(first, first + len(block)), block
        first += len(block)


def _strength(ridge: float, squares: float, num_images: float, num: int) -> float:
    """s for a sum of squares about the mean of `num` features of `num_images` images.

    It is positive where all images have the same features, so there is a solution.
    """
    least = float(np.finfo(np.float32).tiny)
    return ridge * max(squares / num, num_images * least)


def _solve(system: np.ndarray, right_side: np.ndarray, strength: float) -> np.ndarray:
    """Solves the system with `strength` added to all of its diagonal but the corner."""
    diagonal = np.einsum("ii->i", system)  # Writable, so nothing is copied.
    before = diagonal.copy()
    diagonal[1:] += strength
    solution = np.linalg.solve(system, right_side)
    diagonal[:] = before
    return solution
