"""Differences between pictures, in levels of 0..255."""

import itertools

import numpy as np

from agave_tf.data.image_set import Images
from agave_tf.sampling.sampler import Sampler

# Images in every row of a figure.
NUM_COLUMNS = 8
# Images on which f(z) is compared; the figures show the first of them.
NUM_COMPARED = 256
# Images, or f(z), on which finished images are compared: drawing them takes longer.
NUM_FINISHED = 64


def rms(difference: np.ndarray) -> np.ndarray:
    """Returns the root mean square of every image of [...,H,W,C], [...]."""
    return np.sqrt(np.square(difference.astype(np.float64)).mean(axis=(-3, -2, -1)))


def rms_difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the root mean square difference of images uint8 [B,H,W,C], [B] levels."""
    return rms(a.astype(np.float64) - b)


def roughness(images: np.ndarray) -> np.ndarray:
    """Returns every image's mean difference of horizontal neighbours, [B] levels."""
    return np.abs(np.diff(images.astype(np.float64), axis=2)).mean(axis=(1, 2, 3))


def error_of_f_z(sampler: Sampler, images: Images) -> np.ndarray:
    """Returns the RMS difference of every image and its f(z), levels."""
    return rms_difference(images.array, sampler.reconstruct(images).f_z)


def nearer_to_own(f_z: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """Returns how much nearer samples are to their own f(z) than to another, levels.

    Columns 2i and 2i+1 make a pair, in which each is the other of the other. Different
    pairs have no picture in common, so their values are independent.

    Args:
      f_z: uint8 [2P,H,W,C].
      sample: uint8 [2P,H,W,C], drawn from each f(z).

    Returns:
      [P], the mean over a pair's two samples of the RMS distance to the other f(z)
      minus that to their own.
    """
    f_z, sample = f_z.astype(np.float64), sample.astype(np.float64)
    other = f_z.reshape(-1, 2, *f_z.shape[1:])[:, ::-1].reshape(f_z.shape)
    return (rms(other - sample) - rms(f_z - sample)).reshape(-1, 2).mean(axis=1)


def alike_for_one_f_z(samples: np.ndarray) -> np.ndarray:
    """Returns how much more alike samples of one f(z) are than those of two, levels.

    It is about zero if samples do not depend on f(z). Values of different pairs of
    columns are independent, as for `nearer_to_own`.

    Args:
      samples: uint8 [K,2P,H,W,C], K samples of each of 2P f(z).

    Returns:
      [P], the mean RMS distance between samples of the two f(z) of a pair minus that
      between samples of the same f(z).
    """
    samples = samples.astype(np.float64)
    first, second = samples[:, ::2], samples[:, 1::2]
    count = len(samples)
    between = [
        rms(first[i] - second[j]) for i, j in itertools.product(range(count), repeat=2)
    ]
    within = [
        rms(side[i] - side[j])
        for side in (first, second)
        for i, j in itertools.combinations(range(count), 2)
    ]
    return np.mean(between, axis=0) - np.mean(within, axis=0)
