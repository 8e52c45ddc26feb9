import pytest

from embed_assets.errors import SettingsError
from embed_assets.media.recordings.time_windows import spans


@pytest.mark.parametrize(
    ("end", "window", "hop", "found"),
    [
        (10, None, None, [(0, 10)]),
        (3, 5, None, [(0, 3)]),
        (10, 5, None, [(0, 5), (5, 10)]),
        (13, 5, None, [(0, 5), (5, 10), (10, 13)]),  # the rest is long enough
        (11, 5, None, [(0, 5), (5, 11)]),  # it is not, and joins
        (10, 4, 2, [(0, 4), (2, 6), (4, 8), (6, 10)]),
        (11, 4, 2, [(0, 4), (2, 6), (4, 8), (6, 10), (8, 11)]),
        (9, 2, 4, [(0, 2), (4, 6)]),  # what lies between is left out
    ],
)
def test_windows(end: float, window: float | None, hop: float | None, found: list[tuple[float, float]]) -> None:
    assert spans(0, end, window=window, hop=hop, minimum=2.5) == found


def test_no_window_is_longer_where_an_encoder_would_cut_it() -> None:
    assert spans(0, 11, window=5, minimum=2.5, longer=False) == [(0, 5), (5, 10), (6, 11)]


def test_windows_of_fractions_reach_the_end() -> None:
    assert len(spans(0, 0.3, window=0.1, minimum=0.05)) == 3
    assert spans(1.0, 2.2, window=0.4, minimum=0.2)[-1][1] == 2.2


def test_a_hop_of_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="more than 0"):
        spans(0, 10, window=5, hop=0, minimum=1)
