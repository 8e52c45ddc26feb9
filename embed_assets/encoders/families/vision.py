"""VisionEncoder: pictures, by the backbones of transformers' AutoModel: ViT, DINOv2, DINOv3, ResNet."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.encoders.family_type import Family
from embed_assets.encoders.loading.checkpoint import load_model
from embed_assets.encoders.loading.device import inference, torch_dtype
from embed_assets.encoders.loading.identity import hash_config, hash_tensors
from embed_assets.encoders.runtimes.networks import Networks
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import SettingsError, WeightsError
from embed_assets.media.media_types import Modality

if TYPE_CHECKING:
    from torch import Tensor

Layout = Literal["tokens", "map"]

# model_type → what the last hidden state is: a CLS token, register tokens where the config has them,
# then patches, (batch, tokens, width); or a map of the picture, (batch, channels, height, width).
LAYOUTS: dict[str, Layout] = {
    "dinov2": "tokens",
    "dinov2_with_registers": "tokens",
    "dinov3_convnext": "tokens",
    "dinov3_vit": "tokens",
    "resnet": "map",
    "vit": "tokens",
}
POOLINGS: dict[Layout, tuple[str, ...]] = {"tokens": ("cls", "mean", "pooled"), "map": ("pooled", "mean")}


class VisionEncoder(Encoder):
    """One vector per picture, (width,), pooled from the last hidden state by `spec.pooling`.

    - `cls`: the first token after the model's last norm; the default of models that have one.
    - `mean`: the mean over patches, or over a map's places; CLS and register tokens are no patches.
    - `pooled`: the model's own `pooler_output`; the default of models of maps, where it is `mean`.
      DINOv2's and DINOv3's is `cls`. ViT's is a dense layer that many checkpoints lack and that
      transformers then fills with random numbers; here that is an error.

    Pictures are resized and normalised by the checkpoint's own image processor: at another size these
    models run all the same, to other vectors.

    ViT: arXiv:2010.11929, google/vit-base-patch16-224-in21k, width 768. DINOv2: arXiv:2304.07193,
    facebook/dinov2-base, 768. DINOv3: arXiv:2508.10104, facebook/dinov3-vits16-pretrain-lvd1689m, 384
    with 4 registers. ResNet-50: arXiv:1512.03385, microsoft/resnet-50, 2048.
    """

    def __init__(self, spec: EncoderSpec, *, folder: Path, device: str, dtype: str) -> None:
        from transformers import AutoModel

        self.spec, self.device, self.dtype = spec, device, dtype
        self._unused = () if spec.pooling == "pooled" else ("pooler.",)
        self._model = load_model(AutoModel, folder, dtype=dtype, unused=self._unused).to(device)
        config = self._model.config
        layout = LAYOUTS.get(config.model_type)
        if layout is None:
            raise SettingsError(
                f"Encoder {spec.name!r}: {config.model_type!r} is none of {', '.join(LAYOUTS)}; "
                "name another class in `family`."
            )
        self.pooling = spec.pooling or POOLINGS[layout][0]
        if self.pooling not in POOLINGS[layout]:
            known = ", ".join(POOLINGS[layout])
            raise SettingsError(f"Encoder {spec.name!r}: pooling={spec.pooling!r} of a {config.model_type}: {known}.")
        if spec.truncate_dim is not None:
            raise SettingsError(f"Encoder {spec.name!r}: its vector can't be truncated; remove truncate_dim.")
        self._patches_from = 1 + (getattr(config, "num_register_tokens", None) or 0)
        self.dim = int(config.hidden_sizes[-1] if hasattr(config, "hidden_sizes") else config.hidden_size)
        self._processor = load_processor(folder)
        self.networks = Networks(self._model, image=self._output)
        self._check_one_size()

    def prepare(self, modality: Modality, payload: Any, *, query: bool = False) -> Prepared:
        """Resize, crop and normalise a picture; cost in pixels."""
        if modality != "image" or not hasattr(payload, "convert"):
            raise SettingsError(
                f"Encoder {self.spec.name!r} takes images as PIL images, not {modality} as {type(payload).__name__}."
            )
        pixels = self._processor(images=payload.convert("RGB"), return_tensors="pt")["pixel_values"][0]
        return Prepared(modality="image", cost=pixels.shape[-2] * pixels.shape[-1], data=pixels)

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        """Return float32, (len(batch), dim)."""
        import torch

        if not batch:
            return np.zeros((0, self.dim), dtype=np.float32)
        with inference(self.device):
            pixels = torch.stack([prepared.data for prepared in batch])
            vectors = self._pool(self.networks.run("image", pixels.to(self.device, torch_dtype(self.dtype))))
            if self.spec.unit_length:
                vectors = torch.nn.functional.normalize(vectors, dim=1)
            return vectors.contiguous().cpu().numpy()

    def identity(self) -> Mapping[str, str]:
        """Return hashes of everything loaded; a pooler that no vector passes does not enter."""
        state = self._model.state_dict().items()
        used = [(name, tensor) for name, tensor in state if not name.startswith(self._unused or ("\0",))]
        return {
            "weights": hash_tensors(used),
            "config": hash_config(self._model.config.to_dict()),
            "preprocessing": processor_identity(self._processor),
            "tap": "pooler_output" if self.pooling == "pooled" else "last_hidden_state",
            "pooling": self.pooling,
            "unit_length": str(self.spec.unit_length),
            "dtype": self.dtype,
        }

    def _output(self, pixels: "Tensor") -> "Tensor":
        output = self._model(pixel_values=pixels)
        return output.pooler_output if self.pooling == "pooled" else output.last_hidden_state

    def _pool(self, output: "Tensor") -> "Tensor":
        """Pool the model's output to (batch, dim), in float32 whatever it ran in."""
        hidden = output.float()
        if self.pooling == "pooled":
            return hidden.flatten(1)
        if hidden.dim() == 4:
            return hidden.mean(dim=(2, 3))
        return hidden[:, 0] if self.pooling == "cls" else hidden[:, self._patches_from :].mean(dim=1)

    def _check_one_size(self) -> None:
        """Refuse a processor that only resizes: it keeps proportions, and its pictures can't be stacked."""
        from PIL import Image

        sizes = {self.prepare("image", Image.new("RGB", size)).data.shape for size in ((60, 40), (40, 60))}
        if len(sizes) > 1:
            raise WeightsError(
                f"Encoder {self.spec.name!r}: its image processor gives pictures of different sizes; "
                "set do_center_crop, or a size with height and width, in preprocessor_config.json."
            )


def load_processor(folder: Path) -> Any:
    """Load the image processor saved with a model, without running code from the folder."""
    from transformers import AutoImageProcessor

    try:
        return AutoImageProcessor.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder} has no image processor that can be loaded: {error}") from error


def processor_identity(processor: Any) -> str:
    """Return backend and hash: Pillow and torchvision resize to slightly different pixels."""
    backend = "pil" if type(processor).__name__.endswith("Pil") else "torchvision"
    return f"{backend} {hash_config(processor.to_dict())}"


FAMILY = Family(
    name="vision",
    encoder=VisionEncoder,
    defaults={"modalities": ("image",), "media": ("image",), "space": "image"},
    recognises=lambda model: model.model_type in LAYOUTS,
    models="picture models of transformers",
)
ENCODERS = (
    FAMILY.spec(
        "resnet50-hf",
        "microsoft/resnet-50",
        dim=2048,
        tap="pooler_output",
        pooling="pooled",
        license="Apache-2.0",
        download_mb=103,
        source="ResNet, He et al. 2015, arXiv:1512.03385; card microsoft/resnet-50",
    ),
    FAMILY.spec(
        "vit-base",
        "google/vit-base-patch16-224-in21k",
        dim=768,
        tap="last_hidden_state",
        pooling="cls",
        license="Apache-2.0",
        download_mb=346,
        source="ViT, Dosovitskiy et al. 2020, arXiv:2010.11929; card google/vit-base-patch16-224-in21k",
    ),
    FAMILY.spec(
        "dinov2-base",
        "facebook/dinov2-base",
        dim=768,
        tap="last_hidden_state",
        pooling="cls",
        license="Apache-2.0",
        download_mb=346,
        source="DINOv2, Oquab et al. 2023, arXiv:2304.07193; card facebook/dinov2-base",
    ),
    # Gated: the hub gives it to accounts that have accepted its license.
    FAMILY.spec(
        "dinov3-vits16",
        "facebook/dinov3-vits16-pretrain-lvd1689m",
        dim=384,
        tap="last_hidden_state",
        pooling="cls",
        license="DINOv3 License",
        download_mb=86,
        source="DINOv3, Siméoni et al. 2025, arXiv:2508.10104; card facebook/dinov3-vits16-pretrain-lvd1689m",
    ),
)
