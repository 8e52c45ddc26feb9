"""scene_cuts: where a video cuts from one shot to the next, by histograms of small grey frames."""

import numpy as np

from embed_assets.errors import MediaError
from embed_assets.media.recordings.container import frames_of, open_container, origin_of, picture_stream
from embed_assets.media.recordings.video_extent import Extent


def scene_cuts(
    data: bytes, *, extent: Extent | None = None, threshold: float = 0.35, minimum: float = 0.5
) -> list[float]:
    """Return the seconds from the start of the file at which a new shot begins, at least `minimum` apart.

    Hard cuts score 0.5 and more, motion within a shot up to 0.2. Fades and dissolves are not detected. Decodes every
    frame, so that the cost is that of decoding the video twice. Raises MediaError alone.
    """
    from av.video.reformatter import VideoReformatter

    reformatter = VideoReformatter()
    cuts: list[float] = []
    before: np.ndarray | None = None
    last: float | None = None
    with open_container(data, "video") as container:
        stream = picture_stream(container)
        if stream is None:
            raise MediaError("no picture", f"{container.format.name} without a video stream")
        origin = origin_of(container)
        frames = frames_of(container, stream)
        for frame in frames if extent is None else extent.stamped(frames):
            if frame.time is None:
                continue
            time = float(frame.time - origin)
            last = time if last is None else last
            grey = reformatter.reformat(frame, width=64, height=36, format="gray", threads=1).to_ndarray()
            now = _histograms(grey)
            if before is not None and np.abs(now - before).sum() / 18 > threshold and time - last >= minimum:
                cuts.append(time)
                last = time
            before = now
    return cuts


def _histograms(grey: np.ndarray) -> np.ndarray:
    """Return the shares of 16 levels in each of 9 cells: float32, (9, 16)."""
    levels = (grey >> 4).astype(np.intp)
    cells = [cell for row in np.array_split(levels, 3, 0) for cell in np.array_split(row, 3, 1)]
    counts = np.stack([np.bincount(cell.ravel(), minlength=16) for cell in cells]).astype(np.float32)
    return counts / counts.sum(axis=1, keepdims=True)
