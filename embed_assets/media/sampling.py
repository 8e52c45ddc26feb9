"""Sampling: how sounds, videos and animated pictures are cut for one encoder."""

from dataclasses import asdict, dataclass

from embed_assets.errors import SettingsError


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """Sampling of sounds, videos and animated pictures for one encoder.

    `sample_rate` without `frames` is an encoder of sounds: of a video it gets the sound track.
    """

    sample_rate: int | None = None  # Hz
    window_seconds: float | None = None  # length of a window or a clip; None: the whole item
    hop_seconds: float | None = None  # from one start to the next; None: the window's length
    frames: int | None = None  # of a clip
    side: int | None = None  # pixels that a frame's shorter side has at most; None: as in the file
    with_sound: bool = False  # clips have the sound of the same seconds
    by_scene: bool = False  # clips end at cuts as well
    alpha: bool = False  # clear pixels of a clip show the background; else what lies behind them, mostly black
    animated_frames: int | None = None  # most of an animated picture that get a vector each; None: its first one

    def __post_init__(self) -> None:
        for name in ("sample_rate", "window_seconds", "hop_seconds", "frames", "side", "animated_frames"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise SettingsError(f"Sampling {name} is {value}; give more than 0, or leave it out.")
        if self.with_sound and self.sample_rate is None:
            raise SettingsError("Sampling has with_sound but no sample_rate; give the encoder's.")

    def identity(self) -> dict[str, object]:
        """Return everything that changes the segments, and with them the vectors: part of the encoder version.

        Pixels of one video differ from one libswscale to the next, samples with libswresample.
        """
        import av

        identity: dict[str, object] = asdict(self)
        for name in ("alpha", "animated_frames"):  # added later: versions without them stay the same
            if not identity[name]:
                del identity[name]
        if self.sample_rate is not None:
            identity["libswresample"] = _version(av.library_versions["libswresample"])
        if self.frames is not None:
            identity["libswscale"] = _version(av.library_versions["libswscale"])
        return identity


def _version(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
