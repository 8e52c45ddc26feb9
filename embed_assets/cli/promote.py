"""embed-assets promote: make a checked candidate what its space serves."""

import click

from embed_assets.cli.shared.move_pointer import all_versions, by, move, named_version
from embed_assets.cli.shared.options import json_option, steps_of, store_option
from embed_assets.errors import StoreError
from embed_assets.pipeline.steps import Steps
from embed_assets.store.versions import VersionRecord


@click.command()
@click.argument("name", metavar="SPACE|ENCODER")
@click.option("--version", help="Encoder version, or how it begins. Default: the current one.")
@click.option("--despite", multiple=True, metavar="CHECK", help="A blocking check whose failure you accept.")
@store_option
@json_option
def command(name: str, version: str | None, despite: tuple[str, ...], store: str, as_json: bool) -> None:
    """Make the candidate of SPACE or ENCODER live, in one atomic write, if its blocking checks passed.

    A version that was rolled back from is promoted only so; one that a check holds back with --despite that check.
    """
    steps = steps_of(store)
    record = _record(steps, name, version)
    move(steps, record.spec.space, lambda: steps.promote(record, by=by("promote"), despite=despite), as_json=as_json)


def _record(steps: Steps, name: str, version: str | None) -> VersionRecord:
    """Return the version that SPACE or ENCODER names."""
    known = all_versions(steps)
    own = [record for record in known if record.encoder == name] or [r for r in known if r.spec.space == name]
    if not own:
        spaces = ", ".join(sorted({record.spec.space for record in known})) or "none"
        encoders = ", ".join(sorted({record.encoder for record in known})) or "none"
        raise StoreError(
            f"There is neither a space nor an encoder {name!r} in store {steps.store.uri!r}. "
            f"Spaces: {spaces}; encoders: {encoders}."
        )
    if version is not None:
        return named_version(own, version)
    encoders = list(dict.fromkeys(record.encoder for record in own if record.encoder in steps.settings.encoders))
    if len(encoders) != 1:
        several = ", ".join(encoders) or "none of the settings"
        raise StoreError(f"Encoders of space {name!r}: {several}. Name one, or a version with --version.")
    current = steps.current_version(encoders[0])
    assert current is not None
    return current
