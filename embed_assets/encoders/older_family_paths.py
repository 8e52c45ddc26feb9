"""Names of built-in families that are written as the path of a class."""

_FAMILIES = "embed_assets.encoders.families."
# Version records of stores that were made before families had names, and declarations of packages of that time.
_EARLIER_PATHS = {
    "embed_assets.encoders.sentence:SentenceEncoder": "sentence",
    "embed_assets.encoders.clip:ClipEncoder": "clip",
    "embed_assets.encoders.siglip:SiglipEncoder": "siglip",
    "embed_assets.encoders.cnn:CnnEncoder": "torchvision_cnn",
    "embed_assets.encoders.vision:VisionEncoder": "vision",
    "embed_assets.encoders.pixels:PixelEncoder": "pixels",
    "embed_assets.encoders.api:ApiEncoder": "embeddings_api",
    "embed_assets.encoders.whisper:WhisperEncoder": "whisper",
    "embed_assets.encoders.spectrogram:SpectrogramEncoder": "audio_spectrogram",
    "embed_assets.encoders.spectrogram:MelCnnEncoder": "mel_cnn",
    "embed_assets.encoders.mel:MelEncoder": "mel_spectrogram",
    "embed_assets.encoders.clap:ClapEncoder": "clap",
    "embed_assets.encoders.perceiver:PerceiverEncoder": "perceiver",
    "embed_assets.encoders.video:VideoMAEEncoder": "videomae",
    "embed_assets.encoders.video:VJepa2Encoder": "vjepa2",
    "embed_assets.encoders.frames:FramesEncoder": "video_frames",
}


def family_name(family: str) -> str:
    """Return the name of a built-in family given by its class ("module:Class"); any other text as it is."""
    if family.startswith(_FAMILIES):
        return family.removeprefix(_FAMILIES).partition(":")[0]
    return _EARLIER_PATHS.get(family, family)
