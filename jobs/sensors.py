"""What this deployment reacts to: new media starts embedding, embedding starts promotion."""

import dagster as dg

from embed_assets.assets.automation import build_new_media_sensor, build_promotion_sensor
from embed_assets.assets.jobs import EncoderJobs
from embed_assets.assets.names import Names


def all_sensors(names: Names, jobs: dict[str, EncoderJobs]) -> list[dg.SensorDefinition]:
    """One sensor a source and one an encoder; switch them on in the UI."""
    media = [build_new_media_sensor(names, source, jobs) for source in names.settings.sources]
    return [*media, *(build_promotion_sensor(names, encoder, both) for encoder, both in jobs.items())]
