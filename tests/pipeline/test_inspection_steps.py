"""Inspections of real pipelines: copies, strays, wrong labels and a map that stays; nothing but the map is written."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from embed_assets.errors import StoreError
from embed_assets.pipeline.inspection.map_export import export_map
from embed_assets.pipeline.steps import Steps
from embed_assets.store.serving.kept_projection import projection_file
from tests.support import picture, pipeline, run_all, table_versions

TOPICS = {"sea": "boat harbour tide", "wood": "oak moss fern"}


def larger(data: bytes, side: int) -> bytes:
    stream = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.resize((side, side), Image.Resampling.NEAREST).save(stream, format="PNG")
    return stream.getvalue()


@pytest.fixture
def served(tmp_path: Path, words: list[Any]) -> Steps:
    for topic, text in TOPICS.items():
        (tmp_path / "notes" / topic).mkdir(parents=True)
        for number in range(15):
            (tmp_path / "notes" / topic / f"{number:02}.txt").write_text(f"{text} number{number}")
    (tmp_path / "notes" / "sea" / "copy.txt").write_text(f"{TOPICS['sea']} number0")
    (tmp_path / "notes" / "sea" / "wrong.txt").write_text(f"{TOPICS['wood']} number99")
    (tmp_path / "notes" / "wood" / "stray.txt").write_text("quasar nebula pulsar comet")
    source = {"uri": str(tmp_path / "notes"), "labels": "folder"}
    steps = pipeline(tmp_path, sources={"notes": source})
    run_all(steps)
    return steps


def test_copies_strays_and_wrong_labels_are_found_and_nothing_is_written(served: Steps) -> None:
    before = table_versions(served.store)
    inspection = served.inspect("words")
    duplicates = inspection.duplicates()
    assert (duplicates.items, duplicates.compared, duplicates.encoder) == (33, 33, "words")
    identical = [group for group in duplicates.groups if group.identical]
    assert [sorted(member.key for member in group.members) for group in identical] == [["sea/00.txt", "sea/copy.txt"]]
    outliers = inspection.outliers()
    assert outliers.outliers[0].item.key == "wood/stray.txt"
    labels = inspection.labels()
    assert labels.labelled == 33
    assert ("sea/wrong.txt", "wood") in [(each.item.key, each.vote) for each in labels.disagreements]
    assert "labelled items disagree" in labels.in_words()
    assert table_versions(served.store) == before
    sampled = served.inspect("words", most=20)
    assert "20 items compared by words/" in sampled.labels().in_words()
    assert "a sample of 33" in sampled.labels().in_words()


def test_a_space_that_serves_nothing_is_named(served: Steps) -> None:
    with pytest.raises(StoreError, match=r"Space 'photos' serves nothing"):
        served.inspect("photos")


def test_old_points_stay_where_they_are_when_items_are_added(served: Steps, tmp_path: Path) -> None:
    first = served.inspect("words").map()
    assert (tmp_path / "store" / projection_file(served.store.serving.live_release("words").table)).exists()
    for number in range(40):
        (tmp_path / "notes" / "wood" / f"new{number}.txt").write_text(f"tram kiosk market{number} street{number % 7}")
    run_all(served)
    second = served.inspect("words").map()
    assert (second.compared, second.fitted) == (73, 33)
    assert len(second.names) == 73
    then = {name.media_id: place for name, place in zip(second.names, second.places, strict=True)}
    after = np.array([then[name.media_id] for name in first.names])
    np.testing.assert_allclose(after, first.places, atol=1e-5)
    assert served.inspect("words").map(refit=True).fitted == 73
    assert served.inspect("words").map().fitted == 73


def test_the_map_is_dropped_with_its_version(served: Steps) -> None:
    served.inspect("words").map()
    release = served.store.serving.live_release("words")
    from embed_assets.store.upkeep.retire_version import drop_leftovers

    drop_leftovers(served.store, release.version_id)
    assert not list(Path(served.store.uri).glob("maps/*"))


@pytest.mark.slow
def test_the_file_for_embedding_atlas_has_the_columns_and_types_that_its_options_name(served: Steps) -> None:
    inspection = served.inspect("words")
    files, opened_by = export_map(inspection, inspection.map(), f"{served.store.uri}/atlas.parquet")
    words = opened_by.partition(".parquet ")[2].removesuffix(" --disable-projection").split()
    options = dict(zip(words[::2], words[1::2], strict=True))
    assert options == {"--x": "x", "--y": "y", "--text": "text", "--neighbors": "neighbors"}
    table = pyarrow.parquet.read_table(files[0])
    types = {name: str(table.schema.field(name).type) for name in options.values()}
    lists = "struct<ids: list<element: int64>, distances: list<element: float>>"
    assert types == {"x": "float", "y": "float", "text": "string", "neighbors": lists}
    rows = table["neighbors"].to_pylist()
    ids, distances = (np.stack([row[name] for row in rows]) for name in ("ids", "distances"))  # as the tool does
    assert ids.shape == distances.shape == (33, 10)
    assert ((ids >= 0) & (ids < 33) & (ids != np.arange(33)[:, None])).all(), "rows of the file, and not one's own"
    assert (np.diff(distances, axis=1) >= 0).all() and (distances >= 0).all()
    assert all(table["text"].to_pylist()) and np.isfinite(table["x"].to_numpy()).all()


def test_of_pictures_the_one_with_most_pixels_is_kept_and_exports_show_them(tmp_path: Path, words: list[Any]) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.png").write_bytes(picture(number))
    (folder / "a-large.png").write_bytes(larger(picture(0), 256))
    steps = pipeline(tmp_path, encoders={"words": {"model": "words", "media": ["image"]}})
    run_all(steps)
    inspection = steps.inspect("words")
    (group,) = inspection.duplicates(threshold=0.999).groups
    assert (group.keeper.key, group.why) == ("a-large.png", "most pixels")
    files, opened_by = export_map(inspection, inspection.map(), str(tmp_path / "atlas.parquet"))
    table = pyarrow.parquet.read_table(files[0])
    assert table.num_rows == 7
    assert str(table.schema.field("image").type) == "struct<bytes: binary, path: string>"
    for row in table["image"].to_pylist():
        with Image.open(io.BytesIO(row["bytes"])) as image:
            assert image.format == "JPEG"
    assert "embedding-atlas" in opened_by and "--image image" in opened_by
    files, opened_by = export_map(inspection, inspection.map(), str(tmp_path / "projector"))
    assert [file.name for file in files] == ["projector_config.pbtxt", "vec.tsv", "meta.tsv", "sprite.png"]
    assert opened_by == f"tensorboard --logdir {tmp_path / 'projector'}"
