"""Export report: what an export has written to a sink, and why all of it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """Outcome of one export."""

    name: str  # of the sink
    space: str
    kind: str
    uri: str  # without credentials
    encoder: str | None  # None where the space serves nothing yet
    version: str | None  # of the encoder
    release: str | None
    waits_for: str | None  # why nothing could be exported
    whole: str | None  # why every row was written; None where only changes were
    changed: bool  # whether the sink was written
    written: int  # rows
    deleted: int
    unchanged: int
    rows: int  # in the sink
    content: str | None  # hash of the rows and of the form that they are in
    seconds: float

    def in_words(self) -> str:
        """Say it in one line."""
        if self.waits_for is not None:
            return f"nothing to export: {self.waits_for}"
        if not self.changed:
            return f"up to date: {self.rows:,} rows of {self.release}."
        figures = f"{self.written:,} written, {self.deleted:,} deleted, {self.unchanged:,} unchanged"
        why = f" ({self.whole})" if self.whole else ""
        return f"{figures}: {self.rows:,} rows of {self.release}{why}."
