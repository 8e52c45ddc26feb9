"""spans: where the windows of a sound and the clips of a video begin and end."""

from embed_assets.errors import SettingsError


def spans(
    start: float, end: float, *, window: float | None, hop: float | None = None, minimum: float, longer: bool = True
) -> list[tuple[float, float]]:
    """Windows of one length, the next `hop` seconds after the one before; without a window, all as one.

    What is left behind the last one is a window too if it has `minimum` seconds. Else the last one is
    `longer` by it, or, for encoders that refuse or cut what is longer, one more window ends where the
    item does. A hop longer than the window leaves out what is between them.
    """
    if window is None or end - start <= window:
        return [(start, end)]
    step = window if hop is None else hop
    if window <= 0 or step <= 0:
        raise SettingsError(f"Windows of {window} s every {step} s never end; give more than 0 for both.")
    count = int((end - start - window) / step + 1e-9) + 1  # without the allowance 0.3 / 0.1 is 2
    found = [(start + number * step, start + number * step + window) for number in range(count)]
    rest = start + count * step
    if found[-1][1] >= end - 1e-9:
        found[-1] = (found[-1][0], end)
    elif end - rest >= minimum:
        found.append((rest, end))
    elif rest <= found[-1][1] + 1e-9:
        found[-1:] = [(found[-1][0], end)] if longer else [found[-1], (end - window, end)]
    return found
