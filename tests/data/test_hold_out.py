"""Which images are held out where a data set has no test part."""

import numpy as np
import pytest

from agave_tf.data.hold_out import (
    content_keys,
    is_held_out,
)
from agave_tf.data.version_0_1 import is_held_out_in_version_0_1
from agave_tf.errors import InputError


def names(count):
    return [f"{i:05d}.png".encode() for i in range(count)]


def test_about_a_tenth_is_held_out():
    # Binomial(10000, 0.1): 5 standard deviations are 150.
    assert abs(is_held_out(names(10_000)).sum() - 1000) < 150


def test_an_image_stays_where_it_is_when_others_are_added_or_the_order_changes():
    few, many = names(500), [b"0.png", *names(500), b"z.png"]
    held_out = dict(zip(few, is_held_out(few)))
    of_many = dict(zip(many, is_held_out(many)))
    assert all(of_many[name] == held_out[name] for name in few)
    reordered = few[::-1]
    np.testing.assert_array_equal(is_held_out(reordered), is_held_out(few)[::-1])


@pytest.mark.parametrize("count", range(2, 12))
def test_few_images_give_at_least_one_of_each_part(count):
    for start in range(200):
        keys = [f"{start}, {i}".encode() for i in range(count)]
        assert 1 <= is_held_out(keys).sum() < count


def test_equal_images_are_on_one_side():
    image = np.arange(40, dtype=np.uint8).reshape(-1, 1, 1, 1)
    twice = np.concatenate([image, image])
    held_out = is_held_out(list(content_keys([twice])))
    np.testing.assert_array_equal(held_out[:40], held_out[40:])
    assert held_out.any()


def test_content_is_told_apart_by_pixels_type_and_shape_and_not_by_chunks():
    image = np.zeros((6, 4, 4, 3), np.uint8)
    image[3, 1, 2, 0] = 1
    keys = list(content_keys([image]))
    assert len(set(keys)) == 2 and keys[3] not in keys[:3]
    assert list(content_keys([image[:2], image[2:]])) == keys
    assert next(content_keys([image.astype(np.uint16)])) not in keys
    assert next(content_keys([np.zeros((1, 48), np.uint8)])) not in keys


@pytest.mark.parametrize("keys", [[], [b"a"], [b"a", b"a"]])
def test_fewer_than_two_different_images_are_refused(keys):
    with pytest.raises(InputError, match=f"at least 2 .*got {len(set(keys))}"):
        is_held_out(keys)


def test_runs_of_version_0_1_keep_the_images_that_they_held_out():
    held_out = is_held_out_in_version_0_1(20, seed=3)
    expected = np.random.default_rng(3).permutation(20)[-2:]
    assert set(np.flatnonzero(held_out)) == set(expected)
    assert is_held_out_in_version_0_1(2, seed=0).sum() == 1
    with pytest.raises(InputError, match="at least 2"):
        is_held_out_in_version_0_1(1, seed=0)
