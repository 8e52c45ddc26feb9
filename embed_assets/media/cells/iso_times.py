"""Times and durations that Python has no value for, as the text that ISO 8601 has for them."""

from typing import Literal


def iso_duration(count: int, per_second: int) -> str:
    """Return P1DT2H3M4.5S, with a minus in front where the duration is negative."""
    seconds, part = divmod(abs(count), per_second)
    days, seconds = divmod(seconds, 86400)
    last = f"{seconds % 60}{_fraction(part, per_second)}"
    units = ((str(seconds // 3600), "H"), (str(seconds // 60 % 60), "M"), (last, "S"))
    return f"{'-' if count < 0 else ''}{_period(f'{days}D' if days else '', units)}"


def iso_interval(months: int, days: int, nanoseconds: int) -> str:
    """Return P14M3DT0.5S: the parts have their own signs, and none is carried into another."""
    seconds, part = divmod(abs(nanoseconds), 10**9)
    clock = f"{'-' if nanoseconds < 0 else ''}{seconds}{_fraction(part, 10**9)}"
    return _period(f"{f'{months}M' if months else ''}{f'{days}D' if days else ''}", ((clock, "S"),))


def iso_moment(value: int, unit: Literal["D", "s", "ms", "us", "ns"], *, day: bool, zone: bool) -> str:
    """Return a time or a day of any year, from numpy's units since 1970. Raises OverflowError for NaT."""
    import numpy as np

    text = str(np.datetime64(value, unit))
    if text == "NaT":
        raise OverflowError
    text = text.partition("T")[0] if day else text
    return f"{text}+00:00" if zone else text


def _fraction(part: int, whole: int) -> str:
    return f".{part * (10**9 // whole):09d}".rstrip("0") if part else ""


def _period(days: str, units: tuple[tuple[str, str], ...]) -> str:
    clock = "".join(f"{number}{unit}" for number, unit in units if number != "0")
    return f"P{days}{f'T{clock}' if clock else ''}" if days or clock else "PT0S"
