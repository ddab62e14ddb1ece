"""Labels become class numbers of 32 bits, or are refused: never another number."""

import numpy as np
import pytest

from agave_tf.data.labels import class_numbers, from_one_hot
from agave_tf.errors import InputError


@pytest.mark.parametrize(
    "label",
    [
        [0, 5, 2**31 - 1, -1, -(2**31)],
        np.uint64([7, 2**31 - 1]),
        np.array([0, 9, -1], ">i8"),
        [1.0, -1.0, 2.0**30],
        np.float16([3, 4]),
        [True, False],
        [[4], [5]],
    ],
)
def test_whole_numbers_of_any_type_keep_their_value(label):
    numbers = class_numbers(np.asarray(label), "`labels` must be", "got")
    assert numbers.dtype == np.int32
    assert numbers.tolist() == np.ravel(label).tolist()


@pytest.mark.parametrize(
    "label,got",
    [
        ([1, 2**32 + 5], "4294967301"),
        ([2**31], "2147483648"),
        ([-(2**31) - 1], "-2147483649"),
        (np.uint64([2**64 - 1]), "18446744073709551615"),
        ([0.0, 1.7], "1.7"),
        ([np.nan], "nan"),
        ([np.inf], "inf"),
        ([2.0**31], "2147483648.0"),
        ([2**70], "values of type object"),
        (["cat"], "values of type <U3"),
        ([1j], "values of type complex128"),
    ],
)
def test_other_labels_are_refused(label, got):
    with pytest.raises(InputError) as info:
        class_numbers(np.asarray(label), "`labels` must be", "got")
    assert str(info.value) == (
        f"`labels` must be whole numbers of at most 32 bits; got {got}."
    )


def test_one_hot_labels_are_told_from_others():
    label = np.array([2, 0, 1, 1])
    for one_hot in (np.eye(3)[label], np.eye(3, dtype=bool)[label]):
        np.testing.assert_array_equal(from_one_hot(one_hot), label)
    for other in (
        [[1, 1, 0]],
        [[0, 0, 0]],
        [[0.5, 0.5]],
        [[2, -1]],
        [[1]],
        [1, 0],
        [[np.nan, 1]],
        [["0", "1"]],
    ):
        assert from_one_hot(np.asarray(other)) is None
