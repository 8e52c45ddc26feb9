"""The encoders that come with the package: one declaration each, no imports of models."""

from embed_assets.encoders.spec import EncoderSpec

SENTENCE = "embed_assets.encoders.sentence:SentenceEncoder"
CLIP = "embed_assets.encoders.clip:ClipEncoder"
RESNET = "embed_assets.encoders.resnet:ResNetEncoder"

CATALOG = (
    EncoderSpec(
        name="minilm",
        family=SENTENCE,
        model="sentence-transformers/all-MiniLM-L6-v2",
        modalities=("text",),
        media=("text",),
        space="text",
        dim=384,
        tap="last_hidden_state",
        pooling="mean",
        license="Apache-2.0",
        download_mb=91,
        source="MiniLM, Wang et al. 2020, arXiv:2002.10957; card sentence-transformers/all-MiniLM-L6-v2",
    ),
    EncoderSpec(
        name="mpnet",
        family=SENTENCE,
        model="sentence-transformers/all-mpnet-base-v2",
        modalities=("text",),
        media=("text",),
        space="text",
        dim=768,
        tap="last_hidden_state",
        pooling="mean",
        license="Apache-2.0",
        download_mb=438,
        source="MPNet, Song et al. 2020, arXiv:2004.09297; card sentence-transformers/all-mpnet-base-v2",
    ),
    EncoderSpec(
        name="clip-vit-b32",
        family=CLIP,
        model="openai/clip-vit-base-patch32",
        modalities=("image", "text"),
        media=("image",),
        space="image_text",
        dim=512,
        tap="image_embeds, text_embeds",
        license="MIT",
        download_mb=605,
        source="CLIP, Radford et al. 2021, arXiv:2103.00020; card openai/clip-vit-base-patch32",
    ),
    EncoderSpec(
        name="resnet50",
        family=RESNET,
        model="torchvision/resnet50",
        modalities=("image",),
        media=("image",),
        space="image",
        dim=2048,
        tap="avgpool",
        pooling="mean",
        license="BSD-3-Clause",
        download_mb=98,
        source="ResNet, He et al. 2015, arXiv:1512.03385; torchvision ResNet50_Weights",
        options={"weights": "IMAGENET1K_V2"},
    ),
)
