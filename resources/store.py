"""Where this deployment keeps its vectors."""

from embed_assets.assets.resources import StoreResource
from embed_assets.settings import PipelineSettings


def store_resource(settings: PipelineSettings) -> StoreResource:
    """Build the store resource from the settings; credentials come from the environment."""
    return StoreResource.from_settings(settings)
