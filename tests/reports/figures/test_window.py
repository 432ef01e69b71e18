"""Two seeds make intervals of 12.7 standard errors: an axis shows all points and does not drown them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reports.figures.axes import ROOM, cut, window

VALUES = st.floats(-1e3, 1e3).map(lambda x: round(x, 6))


@given(st.lists(VALUES, min_size=1, max_size=8), st.lists(st.one_of(VALUES, st.just(np.nan)), max_size=8))
def test_an_axis_shows_every_point_and_is_never_much_longer_than_they_need(points, ends):
    low, high = window(points, ends)
    assert low < min(points)
    assert max(points) < high
    spread, size = max(points) - min(points), max(map(abs, points))
    assert high - low <= 1.1 * (spread + 2 * max(ROOM * spread, 0.1 * size)) + 0.03


def test_short_intervals_are_shown_whole_and_long_ones_cut():
    assert not cut([0.3, 0.4], [0.28, 0.32, 0.38, 0.42])
    assert cut([0.3, 0.4], [-0.9, 1.5])
    assert not cut([0.3, 0.4], [np.nan, np.nan])
    low, high = window([0.3, 0.4], [-0.9, 1.5])
    assert (round(low, 2), round(high, 2)) == (0.23, 0.47)
