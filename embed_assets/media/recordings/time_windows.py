"""spans: where the windows of a sound and the clips of a video begin and end."""

from embed_assets.errors import SettingsError


def spans(
    start: float, end: float, *, window: float | None, hop: float | None = None, minimum: float, longer: bool = True
) -> list[tuple[float, float]]:
    """Return windows of one length, `hop` seconds apart; without a window, the whole item.

    The rest after the last one is a window too if it has `minimum` seconds. Else the last one is `longer` by it, or,
    for encoders that refuse or truncate longer input, one more window ends with the item. A hop longer than the window
    leaves gaps.
    """
    if window is None or end - start <= window:
        return [(start, end)]
    step = window if hop is None else hop
    if window <= 0 or step <= 0:
        raise SettingsError(f"Windows of {window} s every {step} s never end; give more than 0 for both.")
    count = int((end - start - window) / step + 1e-9) + 1  # without the allowance 0.3 / 0.1 is 2
    windows = [(start + number * step, start + number * step + window) for number in range(count)]
    rest = start + count * step
    if windows[-1][1] >= end - 1e-9:
        windows[-1] = (windows[-1][0], end)
    elif end - rest >= minimum:
        windows.append((rest, end))
    elif rest <= windows[-1][1] + 1e-9:
        windows[-1:] = [(windows[-1][0], end)] if longer else [windows[-1], (end - window, end)]
    return windows
