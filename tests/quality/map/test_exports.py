"""Exports of a map: what Embedding Atlas and TensorBoard's projector read."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from embed_assets.quality.inspection.inspection_report import ItemName
from embed_assets.quality.inspection.item_neighbours import nearest_others
from embed_assets.quality.map.embedding_atlas import atlas_command, atlas_table
from embed_assets.quality.map.item_map import ItemMap, colour_groups, shortened
from embed_assets.quality.map.tensorboard_projector import thumbnail_side, write_projector
from tests.quality.inspection.items import clusters


def made(count: int) -> ItemMap:
    names = tuple(
        ItemName(
            media_id=f"m{n}", source="photos", key=f"{n}\tx.png", uri=f"/p/{n}.png", modality="image", labels=("a",)
        )
        for n in range(count)
    )
    facts: dict[str, Any] = {"space": "s", "encoder": "e", "version": "v", "items": count, "compared": count}
    return ItemMap(
        **facts,
        seconds=0.1,
        method="pca",
        fitted=count,
        names=names,
        places=np.arange(2.0 * count, dtype=np.float32).reshape(-1, 2),
        grouped_by="label",
        groups=("a",) * count,
    )


def test_the_table_for_embedding_atlas_has_places_neighbours_and_pictures() -> None:
    cosines, places = nearest_others(clusters(topics=1, each=6))
    options: dict[str, Any] = {"neighbours": places, "cosines": cosines}
    table = atlas_table(made(6), ["text", *[""] * 5], **options, thumbnails={"m1": b"jpeg"})
    assert table.column_names == ["image", "text", "label", "source", "key", "x", "y", "uri", "neighbors"]
    assert table["x"].to_pylist() == [0, 2, 4, 6, 8, 10]
    assert table["text"].to_pylist()[:2] == ["text", "1\tx.png"], "an item without text is shown by its key"
    first = table["neighbors"][0].as_py()
    assert sorted(first["ids"]) == [1, 2, 3, 4, 5], "rows of the table, and not the item's own"
    assert first["distances"] == sorted(first["distances"])
    assert table["image"].to_pylist()[:2] == [None, {"bytes": b"jpeg", "path": "1\tx.png"}]
    assert "image" not in atlas_table(made(6), [""] * 6, **options, thumbnails={}).column_names
    assert atlas_command("a.parquet", pictures=True).endswith(
        "--neighbors neighbors --image image --disable-projection"
    )


def test_the_files_for_tensorboards_projector_belong_together(tmp_path: Path) -> None:
    thumbnails = {"m2": Image.new("RGB", (64, 32), (255, 0, 0))}
    vectors = np.eye(5, dtype=np.float32)
    files = write_projector(tmp_path / "p", made(5), ["a\nb"] * 5, vectors=vectors, thumbnails=thumbnails)
    assert [file.name for file in files] == ["projector_config.pbtxt", "vec.tsv", "meta.tsv", "sprite.png"]
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "p" / "vec.tsv", delimiter="\t"), vectors)
    names = (tmp_path / "p" / "meta.tsv").read_text().splitlines()
    assert names[:2] == ["key\tsource\tlabel\ttext", "0 x.png\tphotos\ta\ta b"]
    assert len(names) == 6
    config = (tmp_path / "p" / "projector_config.pbtxt").read_text()
    assert 'tensor_name: "s e v"' in config
    assert config.count("single_image_dim: 64") == 2
    with Image.open(tmp_path / "p" / "sprite.png") as sprite:
        assert sprite.size == (192, 192)
        assert sprite.getpixel((160, 32)) == (255, 0, 0), "the third of three columns"
        assert sprite.getpixel((160, 5)) == (255, 255, 255), "in the middle of its place"


def test_the_sprite_stays_within_what_the_page_shows() -> None:
    for count in (1, 100, 10_000, 40_000):
        columns = int(np.ceil(np.sqrt(count)))
        assert 1 <= thumbnail_side(count) * columns <= 8192


def test_a_map_is_shortened_evenly() -> None:
    few, kept = shortened(made(10), 4)
    assert [name.media_id for name in few.names] == ["m0", "m3", "m6", "m9"]
    assert kept.tolist() == [0, 3, 6, 9]
    assert few.places[:, 0].tolist() == [0, 6, 12, 18]
    assert (few.compared, few.groups) == (10, ("a",) * 4)


def test_a_map_is_coloured_by_label_where_there_are_few() -> None:
    assert colour_groups([["a", "b"], None, []], ["s", "s", "t"]) == ("label", ("a", "s", "t"))
    many = [[f"label{number}"] for number in range(25)]
    assert colour_groups(many, ["s"] * 25) == ("source", ("s",) * 25)
    assert colour_groups([None], ["s"]) == ("source", ("s",))
