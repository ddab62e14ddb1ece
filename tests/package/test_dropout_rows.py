"""A replica's dropout masks: those of its rows of the global batch, drawn alone."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from agave_tf.randomness import DropoutSeed, seed_tensor

ROW_SHAPES = [(1,), (3,), (2, 3, 3), (8, 8, 20)]


@functools.cache
def all_masks(shape):
    """Masks of 12 rows, bool [12,*shape], by TensorFlow's own operation."""
    bits = tf.random.stateless_uniform(
        [12, *shape],
        seed_tensor(7),
        minval=None,
        maxval=None,
        dtype=tf.int32,
        alg="philox",
    )
    return (bits & 0x7FFFFF).numpy() * 2.0**-23 >= 0.5


@pytest.mark.parametrize("shape", ROW_SHAPES)
@pytest.mark.parametrize("mode", ["eager", "graph", "compiled"])
def test_the_masks_of_rows_alone_are_those_of_the_whole_batch(shape, mode):
    """For every place of a row within the generator's blocks of four numbers."""
    for count in (1, 2, 5, 12):

        def masks(row):
            return DropoutSeed(seed_tensor(7), row, 12).is_kept(shape, 0.5)

        if mode != "eager":
            masks = tf.function(masks, jit_compile=mode == "compiled")
        for first in range(12 - count + 1):
            found = masks(tf.range(first, first + count)).numpy()
            expected = all_masks(shape)[first : first + count]
            np.testing.assert_array_equal(found, expected, err_msg=f"{first} {count}")


def test_rows_beyond_2_to_the_31_numbers_have_masks_of_their_own():
    """Places counted in int32 would come round to those of other rows."""
    first, size = 2**17, 2**15  # number 2**32 of the batch is the row's first
    seed = DropoutSeed(seed_tensor(7), tf.constant([first]), 2**18)
    found = seed.is_kept([size], 0.5).numpy()
    key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed_tensor(7))
    bits = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=[size],
        key=key,
        counter=counter.numpy() + np.array([2**30, 0], np.uint64),
        alg=1,
        dtype=tf.int32,
    )
    np.testing.assert_array_equal(found[0], (bits & 0x7FFFFF).numpy() >= 2**22)
    wrapped = DropoutSeed(seed_tensor(7), tf.constant([0]), 2**18)
    assert (found != wrapped.is_kept([size], 0.5).numpy()).any()


def test_a_replica_draws_masks_for_its_own_rows_alone():
    """It drew the masks of the global batch, and took its rows."""

    @tf.function
    def masks(row):
        return DropoutSeed(seed_tensor(7), row, 64).is_kept([6, 6, 4], 0.5)

    graph = masks.get_concrete_function(tf.TensorSpec([2], tf.int32)).graph
    drawn = [
        x for x in graph.get_operations() if "Random" in x.type and "Int" in x.type
    ]
    assert [op.outputs[0].shape.num_elements() for op in drawn] == [2 * 6 * 6 * 4]
