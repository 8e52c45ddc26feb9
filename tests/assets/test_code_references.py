"""Code references: each asset links to where it is declared and to what makes it, in a host's repository, too."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dagster as dg
from dagster.components.testing import create_defs_folder_sandbox

from embed_assets.assets.pipeline import build_definitions, build_embedding_assets
from embed_assets.component import EmbeddingPipeline
from embed_assets.load_settings import load_settings
from tests.support import REPOSITORY, settings, write_notes

_LINES = [
    "store: store",
    "sources:",
    "  notes: {uri: notes}",
    "encoders:",
    "  words:",
    "    {model: words, space: flat}",
    "  others: {model: words, space: round}",
    "spaces:",
    "  round: {reports: [drift, balance, evaluation, map, noise], leaderboard: [words]}",
    "saved_queries:",
    "  boats: {space: round, query: boat}",
    "sinks:",
    "  out: {space: round, kind: parquet, uri: out}",
]


def _sources(specs: Iterable[dg.AssetSpec]) -> dict[str, list[str]]:
    """Asset → its references, files of this repository relative to it."""
    return {
        spec.key.path[-1]: [
            reference.source.removeprefix(f"{REPOSITORY}/")
            for reference in spec.metadata["dagster/code_references"].code_references
        ]
        for spec in specs
    }


def test_assets_of_a_settings_file_link_to_their_line_of_it_and_to_their_module(words: list, tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text("\n".join(_LINES))
    found = _sources(build_definitions(load_settings(file)).resolve_all_asset_specs())
    assert found["notes_manifest"] == [f"{file}:3", "embed_assets/assets/manifest.py"]
    assert found["words_vectors"] == [f"{file}:5", "embed_assets/assets/vectors.py"]
    assert found["flat_serving"] == [f"{file}:5", "embed_assets/assets/serving.py"]  # by the encoder that names it
    assert found["round_serving"] == [f"{file}:9", "embed_assets/assets/serving.py"]
    assert found["round_drift"] == [f"{file}:9", "embed_assets/assets/reports/drift.py"]
    assert found["boats_matches"] == [f"{file}:11", "embed_assets/assets/reports/matches.py"]
    assert found["out_export"] == [f"{file}:13", "embed_assets/assets/export.py"]
    assert found["pipeline_dashboard"] == [str(file), "embed_assets/assets/dashboard.py"]
    modules = {own for _, own in found.values()}
    assert all((REPOSITORY / module).is_file() for module in modules) and len(modules) == 14


def test_assets_of_settings_in_python_link_to_the_code_that_builds_them(words: list, tmp_path: Path) -> None:
    line = test_assets_of_settings_in_python_link_to_the_code_that_builds_them.__code__.co_firstlineno
    assets = build_embedding_assets(settings(tmp_path))
    found = _sources(spec for asset in assets for spec in asset.specs)
    assert {declared for declared, _ in found.values()} == {f"tests/assets/test_code_references.py:{line + 2}"}


def test_assets_of_a_component_link_to_its_yaml_once(words: list) -> None:
    attributes: dict[str, Any] = {
        "store": "store",
        "sources": {"notes": {"uri": "notes"}},
        "encoders": {"words": {"model": "words"}},
    }
    contents = {"type": "embed_assets.component.EmbeddingPipeline", "attributes": attributes}
    with create_defs_folder_sandbox() as sandbox:
        path = sandbox.scaffold_component(component_cls=EmbeddingPipeline, defs_path="one", defs_yaml_contents=contents)
        write_notes(path / "notes", 1)
        with sandbox.load_component_and_build_defs(path) as (_, definitions):
            found = _sources(definitions.resolve_all_asset_specs())
    own, declared = found["notes_manifest"]  # Dagster appends the place of the component
    assert own == "embed_assets/assets/manifest.py"
    assert declared.startswith(str(path / "defs.yaml"))


def test_references_go_through_the_hosts_own_mapping_to_a_repository(words: list, tmp_path: Path) -> None:
    file = tmp_path / "defs" / "pipeline.yaml"
    file.parent.mkdir()
    file.write_text("\n".join(_LINES))
    mapping = dg.AnchorBasedFilePathMapping(tmp_path, file_anchor_path_in_repository="shop")
    linked = dg.link_code_references_to_git(
        dg.with_source_code_references(build_embedding_assets(load_settings(file))),
        git_url="https://github.com/acme/shop",
        git_branch="main",
        file_path_mapping=mapping,
    )
    found = _sources(spec for each in linked if isinstance(each, dg.AssetsDefinition) for spec in each.specs)
    assert found["words_index"][0] == "https://github.com/acme/shop/tree/main/shop/defs/pipeline.yaml#L5"
    assert all(reference.startswith("https://") for references in found.values() for reference in references)
