"""Names of the built-in families, and the class that each stands for; a family of another package is "module:Class"."""

_PACKAGE = "embed_assets.encoders.families"

SENTENCE, CLIP, SIGLIP, CNN, VISION = "sentence", "clip", "siglip", "torchvision_cnn", "vision"
PIXELS, OPENAI, WHISPER, AST, MEL_CNN = "pixels", "embeddings_api", "whisper", "audio_spectrogram", "mel_cnn"
MEL, CLAP, PERCEIVER, VIDEOMAE, VJEPA2 = "mel_spectrogram", "clap", "perceiver", "videomae", "vjepa2"
FRAMES = "video_frames"

CLASSES = {
    SENTENCE: f"{_PACKAGE}.sentence:SentenceEncoder",
    CLIP: f"{_PACKAGE}.clip:ClipEncoder",
    SIGLIP: f"{_PACKAGE}.siglip:SiglipEncoder",
    CNN: f"{_PACKAGE}.torchvision_cnn:CnnEncoder",
    VISION: f"{_PACKAGE}.vision:VisionEncoder",
    PIXELS: f"{_PACKAGE}.pixels:PixelEncoder",
    OPENAI: f"{_PACKAGE}.embeddings_api:ApiEncoder",
    WHISPER: f"{_PACKAGE}.whisper:WhisperEncoder",
    AST: f"{_PACKAGE}.audio_spectrogram:SpectrogramEncoder",
    MEL_CNN: f"{_PACKAGE}.audio_spectrogram:MelCnnEncoder",
    MEL: f"{_PACKAGE}.mel_spectrogram:MelEncoder",
    CLAP: f"{_PACKAGE}.clap:ClapEncoder",
    PERCEIVER: f"{_PACKAGE}.perceiver:PerceiverEncoder",
    VIDEOMAE: f"{_PACKAGE}.video_transformers:VideoMAEEncoder",
    VJEPA2: f"{_PACKAGE}.video_transformers:VJepa2Encoder",
    FRAMES: f"{_PACKAGE}.video_frames:FramesEncoder",
}
_NAMES = {path: name for name, path in CLASSES.items()}
# What records of stores and declarations of packages say that were made when a family was the path of its class.
_EARLIER = {
    "embed_assets.encoders.sentence:SentenceEncoder": SENTENCE,
    "embed_assets.encoders.clip:ClipEncoder": CLIP,
    "embed_assets.encoders.siglip:SiglipEncoder": SIGLIP,
    "embed_assets.encoders.cnn:CnnEncoder": CNN,
    "embed_assets.encoders.vision:VisionEncoder": VISION,
    "embed_assets.encoders.pixels:PixelEncoder": PIXELS,
    "embed_assets.encoders.api:ApiEncoder": OPENAI,
    "embed_assets.encoders.whisper:WhisperEncoder": WHISPER,
    "embed_assets.encoders.spectrogram:SpectrogramEncoder": AST,
    "embed_assets.encoders.spectrogram:MelCnnEncoder": MEL_CNN,
    "embed_assets.encoders.mel:MelEncoder": MEL,
    "embed_assets.encoders.clap:ClapEncoder": CLAP,
    "embed_assets.encoders.perceiver:PerceiverEncoder": PERCEIVER,
    "embed_assets.encoders.video:VideoMAEEncoder": VIDEOMAE,
    "embed_assets.encoders.video:VJepa2Encoder": VJEPA2,
    "embed_assets.encoders.frames:FramesEncoder": FRAMES,
}


def family_name(family: str) -> str:
    """The name of a built-in family that is written as the path of its class, today's or an earlier one's."""
    return _NAMES.get(family) or _EARLIER.get(family, family)
