"""What this deployment reacts to: new media and moved models start embedding, embedding starts promotion."""

from collections.abc import Mapping

import dagster as dg

from embed_assets.assets.jobs import EncoderJobs
from embed_assets.assets.names import Names
from embed_assets.assets.sensors import (
    build_new_media_sensor,
    build_promotion_sensor,
    build_reconcile_sensor,
    build_revision_sensor,
)
from embed_assets.encoders.spec import EncoderSpec


def all_sensors(
    names: Names, specs: Mapping[str, EncoderSpec], jobs: dict[str, EncoderJobs]
) -> list[dg.SensorDefinition]:
    """One sensor a source, two an encoder, and one that looks for what was left; switch them on in the UI."""
    media = [build_new_media_sensor(names, source, jobs) for source in names.settings.sources]
    moved = [build_revision_sensor(names, encoder, spec, jobs[encoder]) for encoder, spec in specs.items()]
    promotion = [build_promotion_sensor(names, encoder, own) for encoder, own in jobs.items()]
    return [*media, *moved, *promotion, build_reconcile_sensor(names, jobs)]
