"""Where this deployment's encoders run. Replace by another EncoderResource for a machine of yours."""

from embed_assets.assets.resources import EncoderResource
from embed_assets.settings import PipelineSettings


def encoder_resource(settings: PipelineSettings) -> EncoderResource:
    """Build the encoders' resource from the settings; EMBED_ASSETS_COMPUTE__DEVICE=cuda:1 overrides."""
    return EncoderResource.from_settings(settings.compute)
