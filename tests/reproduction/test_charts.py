"""Charts: several panels of the same models."""

import numpy as np

from agave_tf.reproduction.report import Chart, draw_charts

# The first colours of Matplotlib's cycle.
BLUE, ORANGE = (31, 119, 180), (255, 127, 14)


def has_color(picture, color):
    return bool((picture == np.array(color)).all(-1).any())


def test_a_model_has_one_colour_in_every_panel():
    """The second panel of the training length gave a model the colour of another."""
    first, second = ([1, 2], [1.0, 2.0]), ([1, 2], [2.0, 1.0])
    both = Chart("both", "step", "bits/dim", {"a": first, "b": second})
    one = Chart("one", "step", "bits/dim", {"b": second})
    left, right = np.split(draw_charts([both, one]), 2, axis=1)
    assert has_color(left, BLUE)
    assert has_color(left, ORANGE)
    assert has_color(right, ORANGE)
    assert not has_color(right, BLUE)


def test_points_take_no_colour_from_the_curves():
    line = ([1, 2], [1.0, 2.0])
    curves = {"original": line, "ours": line}
    picture = draw_charts([Chart("", "step", "bits/dim", curves, ("original",))])
    assert has_color(picture, BLUE)
    assert not has_color(picture, ORANGE)
