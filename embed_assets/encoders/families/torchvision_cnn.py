"""CnnEncoder: pictures, by torchvision's convolutional networks cut off before the classification."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.encoders.family_type import Family, ModelDescription
from embed_assets.encoders.loading.device import inference, torch_dtype
from embed_assets.encoders.loading.find_weights import TORCHVISION, default_weights, verify_published
from embed_assets.encoders.loading.identity import canonical_hash, hash_tensors
from embed_assets.encoders.runtimes.networks import Networks
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import SettingsError, WeightsError
from embed_assets.media.media_types import Modality


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The end of a network for this package. `layer` is the first that is not run, `unused` are tensors beyond it."""

    tap: str
    layer: str
    dim: int
    unused: tuple[str, ...]
    build: dict[str, Any] = field(default_factory=dict)  # arguments of the constructor
    averaged: bool = False  # the layer's place is taken by the mean over all places of the picture


def _resnet(dim: int) -> Cut:
    return Cut(tap="avgpool", layer="fc", dim=dim, unused=("fc.",))


CUTS = {
    "resnet18": _resnet(512),
    "resnet34": _resnet(512),
    "resnet50": _resnet(2048),
    "resnet101": _resnet(2048),
    "resnet152": _resnet(2048),
    # Layers 3, 4, 5 of `classifier` are fc7, its ReLU and a dropout. The ReLU works in place: a tap of
    # layer 3 beside one of layer 4 reads the same numbers.
    "vgg16": Cut(
        tap="fc7 after ReLU", layer="classifier.5", dim=4096, unused=("classifier.6.",), build={"init_weights": False}
    ),
    # The published weights were ported from TensorFlow and want pictures from -1 to 1, which
    # `transform_input` makes of the usual ones; torchvision sets it only where it downloads itself.
    "inception_v3": Cut(
        tap="avgpool",
        layer="fc",
        dim=2048,
        unused=("fc.", "AuxLogits."),
        build={"init_weights": False, "aux_logits": True, "transform_input": True},
    ),
    "mobilenet_v2": Cut(tap="avgpool", layer="classifier.0", dim=1280, unused=("classifier.",)),
    # Its own pooling comes behind the classes: the mean of the last features is what transfer learning takes.
    "squeezenet1_1": Cut(tap="mean of features", layer="classifier", dim=512, unused=("classifier.",), averaged=True),
}


class CnnEncoder(Encoder):
    """The last layer before the classes: 2048 numbers of ResNet-50 and Inception v3, 4096 of VGG-16.

    `options`: `architecture`, if the model's name does not contain it, and `weights` (the better
    of those published), which also chooses how a picture is resized and cropped: with another size
    these networks run all the same, to other vectors. For weights of others: `mean` and `std`, of red, green and
    blue between 0 and 1, and `bgr`, where the network takes blue first (`mean` and `std` then too).

    ResNet: arXiv:1512.03385. VGG: arXiv:1409.1556. Inception v3: arXiv:1512.00567. MobileNet v2: arXiv:1801.04381.
    SqueezeNet: arXiv:1602.07360. The weights are those of torchvision's own pages.
    """

    def __init__(self, spec: EncoderSpec, *, folder: Path, device: str, dtype: str) -> None:
        import torch
        import torchvision

        self.spec, self.device, self.dtype = spec, device, dtype
        self.architecture = architecture_of(spec)
        self._cut = CUTS[self.architecture]
        weights = str(spec.options.get("weights") or default_weights(self.architecture))
        published = torchvision.models.get_model_weights(self.architecture).__members__
        if weights not in published:
            raise SettingsError(f"{self.architecture} has no weights {weights!r}. Known: {', '.join(published)}.")
        if spec.truncate_dim is not None:
            raise SettingsError(f"Encoder {spec.name!r}: its vector can't be truncated; remove truncate_dim.")
        colours = {name: _three(spec, name) for name in ("mean", "std") if name in spec.options}
        self._transform: Any = published[weights].transforms(**colours)
        self._bgr = bool(spec.options.get("bgr"))
        model: Any = torchvision.models.get_model(self.architecture, weights=None, **self._cut.build)
        _load(model, _weights_file(folder), self._cut.unused)
        self.dim = self._cut.dim
        _end_before(model, self._cut)
        # 20 % faster on the CPU, and what GPUs want in half precision
        self._model = model.eval().to(device, torch_dtype(dtype), memory_format=torch.channels_last)
        self.networks = Networks(self._model, image=lambda pixels: self._model(pixels))

    def prepare(self, modality: Modality, payload: Any, *, query: bool = False) -> Prepared:
        """Resize, crop and normalise a picture; cost in pixels."""
        if modality != "image" or not hasattr(payload, "convert"):
            raise SettingsError(
                f"Encoder {self.spec.name!r} takes images as PIL images, not {modality} as {type(payload).__name__}."
            )
        from PIL import Image

        picture = payload.convert("RGB")
        if self._bgr:
            picture = Image.merge("RGB", picture.split()[::-1])
        pixels = self._transform(picture)
        return Prepared(modality="image", cost=pixels.shape[-2] * pixels.shape[-1], data=pixels)

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        """Return float32, (len(batch), dim)."""
        import torch

        if not batch:
            return np.zeros((0, self.dim), dtype=np.float32)
        with inference(self.device):
            pixels = torch.stack([prepared.data for prepared in batch])
            pixels = pixels.to(self.device, torch_dtype(self.dtype), memory_format=torch.channels_last)
            vectors = self.networks.run("image", pixels).float()
            if self.spec.unit_length:
                vectors = torch.nn.functional.normalize(vectors, dim=1)
            return vectors.cpu().numpy()

    def identity(self) -> Mapping[str, str]:
        """Return hashes of everything loaded; layers beyond the tap do not enter."""
        crop = self._transform
        shape = [
            crop.crop_size,
            crop.resize_size,
            crop.mean,
            crop.std,
            str(crop.interpolation),
            crop.antialias,
            *(["bgr"] if self._bgr else []),
        ]
        return {
            "weights": hash_tensors(self._model.state_dict().items()),
            "config": self.architecture,
            "preprocessing": f"pil {canonical_hash(shape)}",
            "tap": self._cut.tap,
            "unit_length": str(self.spec.unit_length),
            "dtype": self.dtype,
        }


def architecture_of(spec: EncoderSpec) -> str:
    """Return the network that the spec's options, or its model's name, names."""
    stem = Path(spec.model.removeprefix(TORCHVISION)).name
    known = re.match(rf"({'|'.join(CUTS)})(?![0-9a-z])", stem)
    name = str(spec.options.get("architecture") or (known[1] if known else stem))
    if name not in CUTS:
        raise SettingsError(
            f"Encoder {spec.name!r}: {name!r} is not a supported network of torchvision. "
            f"Set options.architecture to one of {', '.join(CUTS)}."
        )
    return name


def _three(spec: EncoderSpec, name: str) -> list[float]:
    """Return an option that is a number for each of red, green and blue."""
    values: Any = spec.options[name]
    if (
        not isinstance(values, (list, tuple))
        or len(values) != 3
        or not all(isinstance(each, (int, float)) for each in values)
    ):
        raise SettingsError(
            f"Encoder {spec.name!r}: options.{name} is {values!r}. Set it to three numbers, of red, green and blue."
        )
    return [float(each) for each in values]


def _end_before(model: Any, cut: Cut) -> None:
    """Take the layer out, and those after it; what is left ends at the tap."""
    import torch

    block, _, index = cut.layer.partition(".")
    nothing = torch.nn.AdaptiveAvgPool2d(1) if cut.averaged else torch.nn.Identity()
    replacement = getattr(model, block)[: int(index)] if index else nothing
    setattr(model, block, replacement)
    if hasattr(model, "AuxLogits"):
        model.AuxLogits = None  # a second classifier, run in training only


def _weights_file(path: Path) -> Path:
    if path.is_file():
        return path
    files = sorted(path.glob("*.safetensors"))
    if len(files) != 1:
        raise WeightsError(f"{path} has {len(files)} safetensors files; a network needs one. Name the file itself.")
    return files[0]


def _load(model: Any, file: Path, unused: tuple[str, ...]) -> None:
    import pickle

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if file.suffix == ".safetensors":
            state = load_file(file)
        else:
            verify_published(file)
            state = torch.load(file, map_location="cpu", weights_only=True)
        absent = model.load_state_dict(state, strict=False)
    except (SafetensorError, RuntimeError, OSError, pickle.UnpicklingError) as error:
        raise WeightsError(f"{file.name} can't be loaded as {type(model).__name__}: {error}") from error
    # A file saved without the classification layer is whole for our purpose.
    counters = ".num_batches_tracked"  # of training
    missing = [name for name in absent.missing_keys if not name.startswith(unused) and not name.endswith(counters)]
    if missing or absent.unexpected_keys:
        raise WeightsError(
            f"{file.name} is not of this architecture: {len(missing)} tensors missing, "
            f"{len(absent.unexpected_keys)} unexpected. Set options.architecture."
        )


def _is_network(model: ModelDescription) -> bool:
    """Whether it is a file of weights or one of torchvision's, named after a supported network."""
    path = Path(model.name).expanduser()
    return (model.name.startswith(TORCHVISION) or path.is_file()) and path.name.startswith(tuple(CUTS))


FAMILY = Family(
    name="torchvision_cnn",
    encoder=CnnEncoder,
    defaults={"modalities": ("image",), "media": ("image",), "space": "image"},
    recognises=_is_network,
    models="torchvision CNNs",
)
ENCODERS = (
    FAMILY.spec(
        "resnet50",
        "torchvision/resnet50",
        dim=2048,
        tap="avgpool",
        pooling="mean",
        license="BSD-3-Clause",
        download_mb=98,
        source="ResNet, He et al. 2015, arXiv:1512.03385; torchvision ResNet50_Weights",
        options={"weights": "IMAGENET1K_V2"},
    ),
    FAMILY.spec(
        "vgg16",
        "torchvision/vgg16",
        dim=4096,
        tap="fc7 after ReLU",
        license="BSD-3-Clause",
        download_mb=553,
        source="VGG, Simonyan and Zisserman 2014, arXiv:1409.1556; torchvision VGG16_Weights",
        options={"weights": "IMAGENET1K_V1"},
    ),
    FAMILY.spec(
        "inception-v3",
        "torchvision/inception_v3",
        dim=2048,
        tap="avgpool",
        pooling="mean",
        license="BSD-3-Clause",
        download_mb=109,
        source="Inception v3, Szegedy et al. 2015, arXiv:1512.00567; torchvision Inception_V3_Weights",
        options={"weights": "IMAGENET1K_V1"},
    ),
    FAMILY.spec(
        "mobilenet-v2",
        "torchvision/mobilenet_v2",
        dim=1280,
        tap="avgpool",
        pooling="mean",
        license="BSD-3-Clause",
        download_mb=14,
        source="MobileNet v2, Sandler et al. 2018, arXiv:1801.04381; torchvision MobileNet_V2_Weights",
        options={"weights": "IMAGENET1K_V2"},
    ),
    FAMILY.spec(
        "squeezenet1-1",
        "torchvision/squeezenet1_1",
        dim=512,
        tap="mean of features",
        pooling="mean",
        license="BSD-3-Clause",
        download_mb=5,
        source="SqueezeNet 1.1, Iandola et al. 2016, arXiv:1602.07360; torchvision SqueezeNet1_1_Weights",
        options={"weights": "IMAGENET1K_V1"},
    ),
)
