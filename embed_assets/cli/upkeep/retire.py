"""embed-assets retire: drop encoder versions that nothing needs any more."""

from dataclasses import asdict

import click

from embed_assets.cli.shared.dagster_records import forget_partition
from embed_assets.cli.shared.move_pointer import all_versions, by, named_version
from embed_assets.cli.shared.options import json_option, short_path, steps_of, store_option
from embed_assets.cli.shared.plain_output import say, say_json
from embed_assets.errors import StoreError
from embed_assets.pipeline.steps import Steps
from embed_assets.store.upkeep.retire_version import Retired
from embed_assets.store.versions import VersionId


@click.command()
@click.argument("encoder", required=False)
@click.argument("version", required=False)
@click.option("--all-unused", is_flag=True, help="All that are neither current, nor live, nor to go back to.")
@store_option
@json_option
def command(encoder: str | None, version: str | None, all_unused: bool, store: str, as_json: bool) -> None:
    """Drop the vectors of VERSION of ENCODER and all that is kept for them.

    A version that serves, that roll-back returns to, or that the settings mean now is refused.
    """
    steps = steps_of(store)
    retired = [_retire(steps, one) for one in _chosen(steps, encoder, version, all_unused=all_unused)]
    if as_json:
        say_json([asdict(one) for one in retired])
        return
    for one in retired:
        say(f"Retired {one.encoder} {one.version}: {one.rows:,} vectors and {one.releases} releases dropped.")
    if not retired:
        say("Nothing to retire: every version is current, serves, or is what roll-back returns to.")
    else:
        say(f"Next: embed-assets maintain --store {short_path(steps.store.uri)}")


def _chosen(steps: Steps, encoder: str | None, version: str | None, *, all_unused: bool) -> list[VersionId]:
    """Return the versions that go."""
    if all_unused:
        if version is not None:
            raise StoreError("Name a VERSION or give --all-unused, not both.")
        encoders = [encoder] if encoder else steps.store.versions.encoders()
        return [record.id for name in encoders for record in steps.unused_versions(name)]
    if encoder is None or version is None:
        raise StoreError("Name an ENCODER and a VERSION, or give --all-unused. `embed-assets status` lists versions.")
    own = [record for record in all_versions(steps) if record.encoder == encoder]
    if any(record.version.startswith(version) for record in own):
        return [named_version(own, version).id]
    return [VersionId(encoder, version)]  # what a killed retirement left has no record any more


def _retire(steps: Steps, version: VersionId) -> Retired:
    try:
        return steps.retire(version, by=by("retire"))
    finally:
        if steps.store.versions.get(version) is None:  # what a killed retirement left, too
            forget_partition(steps.settings, version)
