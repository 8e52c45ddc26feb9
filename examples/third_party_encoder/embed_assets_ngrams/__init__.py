"""Additions to embed-assets: two encoders of one family, and a file type. Imports nothing heavy."""

from embed_assets.encoders.spec import EncoderSpec
from embed_assets.media.kinds.decoder import Decoder
from embed_assets_ngrams.subtitles import is_subrip, subrip_text

encoders = [
    EncoderSpec(
        name=name,
        family="embed_assets_ngrams.encoder:NgramEncoder",
        model="builtin/ngrams",  # code alone: no weights to fetch
        modalities=("text",),
        media=("text",),
        space="text",
        dim=dim,
        license="Apache-2.0",
        download_mb=0.0,
        source="Feature hashing, Weinberger et al. 2009, arXiv:0902.2206",
    )
    for name, dim in (("ngrams", 512), ("ngrams-large", 2048))
]

subrip = Decoder(
    name="subrip",
    version="1",
    mime="application/x-subrip",
    modality="text",
    detect=is_subrip,
    decode=subrip_text,
)
