"""Compared encoders: those of the settings, and others by the names of the catalog, hub ids and folders."""

from collections.abc import Iterable

from embed_assets.encoders.registry import spec_for
from embed_assets.errors import SettingsError
from embed_assets.settings import EncoderSettings, PipelineSettings


def with_encoders(settings: PipelineSettings, models: Iterable[str]) -> tuple[PipelineSettings, list[str]]:
    """Return settings that have every encoder of these names or models, and the names that they have there.

    A model that the settings do not name is an encoder of its own, with what the catalog or its files say.
    """
    encoders, names = dict(settings.encoders), list[str]()
    for model in models:
        name = model if model in settings.encoders else spec_for(model).name
        if name not in encoders:
            encoders[name] = EncoderSettings(model=model)
        elif model not in (name, encoders[name].model):
            raise SettingsError(
                f"{model!r} and {encoders[name].model!r} are both called {name!r}: name one of them in the settings."
            )
        names.append(name)
    return settings.model_copy(update={"encoders": encoders}), names
