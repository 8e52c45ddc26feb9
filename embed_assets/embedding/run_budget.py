"""Run budget: a limit in seconds, tokens, pixels or money, checked before every window of work."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import EmbedAssetsError, SettingsError

Unit = Literal["seconds", "tokens", "pixels", "usd"]

_UNITS: dict[str, tuple[Unit, float]] = {
    "s": ("seconds", 1),
    "m": ("seconds", 60),
    "h": ("seconds", 3600),
    "tokens": ("tokens", 1),
    "pixels": ("pixels", 1),
    "usd": ("usd", 1),
}
_PREFIXES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_COUNTED = re.compile(r"(\d+(?:\.\d+)?)\s*([kMG]?)(tokens|pixels)")
_PLAIN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|usd)")
_COURSE_SECONDS = 2.0  # work between two looks at the clock
_LAST_COMMIT_SECONDS = 0.5  # kept back, at least, for writing what is complete


class BudgetReached(EmbedAssetsError):
    """A run's budget is spent. What is complete was written; the same command goes on from there."""


class RunBudget:
    """One limit that all encoders and versions of a run share.

    Tokens bound texts; pixels bound pictures, sounds and videos (whose cost is counted in pixels);
    money bounds encoders with a price; seconds bound everything, from when the budget was made.
    What a limit does not count goes on. Once it stopped something, it stops all that it counts.
    """

    def __init__(self, limit: float, unit: Unit, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.unit: Unit = unit
        self.spent = 0.0
        self.stopped = False
        self.items = 0  # that were settled within it
        self.left = 0  # items that it kept from being encoded
        self.clock = clock
        self._started = clock()
        self._measured: dict[tuple[str, str], tuple[float, float]] = {}  # → cost, seconds

    @classmethod
    def parse(cls, text: str, *, clock: Callable[[], float] = time.monotonic) -> "RunBudget":
        """Parse "90s", "10m", "2h", "1500000tokens", "1.5Mtokens", "2Gpixels" or "2.50usd"."""
        if found := _COUNTED.fullmatch(text.strip()):
            number, prefix, word = found.groups()
        elif found := _PLAIN.fullmatch(text.strip()):
            (number, word), prefix = found.groups(), ""
        else:
            raise SettingsError(
                f"Budget {text!r} can't be read. Write seconds, minutes or hours (90s, 10m, 2h), tokens or pixels "
                "(1500000tokens, 1.5Mtokens, 2Gpixels), or money (2.50usd)."
            )
        unit, factor = _UNITS[word]
        limit = float(number) * _PREFIXES[prefix] * factor
        if limit <= 0:
            raise SettingsError(f"Budget {text!r}: give more than nothing.")
        return cls(limit, unit, clock=clock)

    def counts(self, spec: EncoderSpec, modality: str) -> bool:
        """Return whether work of an encoder on a modality is bounded by this limit."""
        if self.unit == "usd":
            return price_of(spec) is not None
        return self.unit == "seconds" or (self.unit == "tokens") == (modality == "text")

    def blocks(self, spec: EncoderSpec) -> bool:
        """Return whether the encoder may encode no media any more."""
        return self.stopped and all(self.counts(spec, modality) for modality in spec.media)

    def remaining(self, spec: EncoderSpec, modality: str) -> float:
        """Return the cost (tokens or pixels) that may still be spent; below 0: not even work that costs nothing."""
        if not self.counts(spec, modality):
            return float("inf")
        if self.stopped:
            return -1.0
        if self.unit != "seconds":
            left = self.limit - self.spent
            price = price_of(spec)
            return left * 1e6 / price if self.unit == "usd" and price else left
        seconds = self.limit - (self.clock() - self._started) - _LAST_COMMIT_SECONDS
        if seconds <= 0:
            return -1.0
        rate = self._rate(spec, modality)
        return float("inf") if rate is None else seconds * rate  # the first window measures it

    def max_step(self, spec: EncoderSpec, modality: str) -> float:
        """Return the maximum cost of a window: little where the clock decides, 0 before the first one."""
        if self.unit != "seconds":
            return float("inf")
        return _COURSE_SECONDS * (self._rate(spec, modality) or 0.0)

    def spend(self, spec: EncoderSpec, modality: str, cost: float, *, billed: float | None, seconds: float) -> None:
        """Note what was spent: the cost, or in its place the tokens that a server billed."""
        before = self._measured.get((spec.name, modality), (0.0, 0.0))
        self._measured[spec.name, modality] = before[0] + cost, before[1] + seconds
        counted = cost if billed is None else billed
        if self.unit == "usd":
            self.spent += counted * (price_of(spec) or 0.0) / 1e6
        elif self.unit != "seconds" and self.counts(spec, modality):
            self.spent += counted

    def stop(self, left: int) -> str:
        """Take note that items were left; says so in words."""
        self.stopped = True
        self.left += left
        return f"budget of {self} reached"

    def exhausted_error(self) -> BudgetReached:
        """Return the error that names how many items are left."""
        total = self.items + self.left
        if not self.items and not self.spent:
            return BudgetReached(
                f"Budget of {self} is less than the first of {total:,} items takes: nothing was encoded. Give more."
            )
        return BudgetReached(f"Budget of {self} reached: {self.left:,} of {total:,} items left; run again to go on.")

    def __str__(self) -> str:
        if self.unit == "usd":
            return f"{self.limit:.2f} usd"
        return f"{self.limit:,.0f} {self.unit}" if self.limit >= 10 else f"{self.limit:g} {self.unit}"

    def _rate(self, spec: EncoderSpec, modality: str) -> float | None:
        """Return the cost a second in this run so far."""
        cost, seconds = self._measured.get((spec.name, modality), (0.0, 0.0))
        return cost / seconds if cost and seconds else None


def price_of(spec: EncoderSpec) -> float | None:
    """Return US dollars a million tokens, where the spec has a price."""
    price = spec.options.get("price_per_million_tokens")
    return float(price) if isinstance(price, (int, float)) and price > 0 else None


def affordable_prefix(costs: Sequence[float], room: float) -> int:
    """Return how many of the first items the remaining cost affords together."""
    for place, cost in enumerate(costs):
        room -= cost
        if room < 0:
            return place
    return len(costs)


_current: ContextVar[RunBudget | None] = ContextVar("run_budget", default=None)


@contextmanager
def limited_to(budget: RunBudget | None) -> Iterator[None]:
    """Bound all encoding inside the block; None bounds nothing."""
    if budget is None:
        yield
        return
    token = _current.set(budget)
    try:
        yield
    finally:
        _current.reset(token)


def current_budget() -> RunBudget | None:
    """Return the budget that bounds this run, if any."""
    return _current.get()
