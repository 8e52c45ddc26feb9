"""Pictures of a manifest: an ornament, which costs no materialization."""

from pathlib import Path

from embed_assets.assets.manifest import _pictures
from tests.support import picture, pipeline


def test_a_manifest_goes_without_pictures_where_no_decoder_process_can_start(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.png").write_bytes(picture(0))
    steps = pipeline(tmp_path)
    steps.refresh("notes")
    assert len(_pictures(steps, "notes", ["a.png", "gone.png"])) == 1
    assert steps.context.decoders is not None
    steps.context.decoders.close()
    assert _pictures(steps, "notes", ["a.png"]) == []
