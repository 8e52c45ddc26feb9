"""Pictures of a manifest and of vectors: an ornament, which costs no materialization."""

from pathlib import Path

import numpy as np
from PIL import Image

from embed_assets.assets.ui.contact_sheet import picture_strip
from embed_assets.assets.ui.thumbnails import picture_metadata, pictures_of
from tests.support import picture, pipeline


def test_a_manifest_goes_without_pictures_where_no_decoder_process_can_start(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.png").write_bytes(picture(0))
    steps = pipeline(tmp_path)
    steps.refresh("notes")
    assert len(pictures_of(steps, "notes", ["a.png", "gone.png"])) == 1
    assert steps.context.decoders is not None
    steps.context.decoders.close()
    assert pictures_of(steps, "notes", ["a.png"]) == []


def test_a_strip_is_short_enough_to_be_shown_without_a_click_whatever_is_on_it() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4, 80, 80, 3), dtype=np.uint8)
    worst = [Image.fromarray(pixels) for pixels in noise]
    assert len(picture_strip(worst)) < 1000


def test_pictures_are_spread_over_two_strips_and_all_are_on_the_sheet() -> None:
    pictures = [Image.new("RGB", (68, 68), (30 * number, 0, 0)) for number in range(8)]
    assert list(picture_metadata(pictures)) == ["pictures", "more pictures", "contact_sheet"]
    assert list(picture_metadata(pictures[:2])) == ["pictures", "contact_sheet"]
    assert picture_metadata([]) == {}
