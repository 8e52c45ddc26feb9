"""Family: a class of encoders, the models that belong to it, and the facts that their specs share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from embed_assets.encoders.base import Encoder
from embed_assets.encoders.spec import EncoderSpec


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """A model as its name and its small JSON files describe it."""

    name: str  # a local file or folder, a hub id, or a name with a prefix: torchvision/, builtin/, api:
    config: Mapping[str, Any] = field(default_factory=dict)  # config.json
    has_modules: bool = False  # modules.json of sentence-transformers, which says how texts become vectors

    @property
    def model_type(self) -> str:
        """The `model_type` of config.json; empty where modules.json decides instead."""
        return "" if self.has_modules else str(self.config.get("model_type") or "")


@dataclass(frozen=True, kw_only=True)
class Family:
    """The declaration of one family, FAMILY in its file; declaring imports no model library.

    `recognises` must hold for no model of another family.
    """

    name: str  # the file's name; specs and version records name the family by it
    encoder: type[Encoder]
    defaults: Mapping[str, Any]  # facts of a spec that only the model's name is known of
    recognises: Callable[[ModelDescription], bool] = lambda model: False
    models: str = ""  # the models that it recognises, as messages list them

    def spec(self, name: str, model: str, **facts: Any) -> EncoderSpec:
        """Declare an encoder of this family."""
        return EncoderSpec(**{**self.defaults, "name": name, "family": self.name, "model": model, **facts})
