"""VersionId: names one version of one encoder."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class VersionId:
    """An encoder's name and one of its versions."""

    encoder: str
    version: str

    @classmethod
    def of_table(cls, table: str) -> "VersionId":
        """Return the version that a vector table is named after."""
        encoder, _, version = table.rpartition("__")
        return cls(encoder, version)

    @property
    def table(self) -> str:
        """Name of the vector table."""
        return f"{self.encoder}__{self.version}"

    def __str__(self) -> str:
        return f"{self.encoder}/{self.version}"
