"""Metadata of a serving asset: what is live, which versions wait and why, how a person moves the pointer."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import dagster as dg

from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.names import Names, known_versions
from embed_assets.assets.ui.previews import preview
from embed_assets.pipeline.space_versions import SpaceVersion
from embed_assets.store.serving.releases import Release
from embed_assets.store.serving.serving_pointer import Pointer

_PLOTTED = ("recall_at_10", "ndcg_at_10")  # figures of the checks that Dagster draws over time
_COLUMNS = ("encoder", "version", "state", "rows", "since")  # a wider table is cut at the page's edge


def serving_metadata(
    names: Names, pointer: Pointer, versions: Sequence[SpaceVersion], *, service: str | None = None
) -> dict[str, Any]:
    """Build the metadata of a pointer and of the versions of its space; `service`: the public address of the search."""
    waiting = [version for version in versions if version.waits_for]
    metadata: dict[str, Any] = {
        "live": pointer.live.key if pointer.live else "none",
        "previous": pointer.rollback_targets[0].key if pointer.rollback_targets else "none",
        "held": ", ".join(pointer.held) or "none",
        "waiting": _waiting(names, pointer, waiting),
        "candidates held back": sum(version.held_back for version in versions),
        "generation": pointer.generation,
        "moved by": pointer.moved_by,
        "moved at": pointer.moved_at,
    }
    if versions:
        metadata["versions"] = preview([asdict(each) | {"since": each.since[:16]} for each in versions], _COLUMNS)
    if pointer.live:
        metadata |= _live(pointer.live)
        metadata |= {"search": dg.MetadataValue.url(service)} if service else {}
    if moves := _moves(names, pointer, versions):
        metadata["how to move it"] = dg.MetadataValue.md(moves)
    return metadata


def log_version_states(context: StepContext, names: Names, versions: Sequence[SpaceVersion]) -> None:
    """Observe the state of each version on its partition of the index: a partition has no state of its own."""
    registered = {encoder: known_versions(names, encoder, context.instance) for encoder in names.spaces_of}
    for version in versions:
        if version.version in registered.get(version.encoder, ()):
            observed = {name: str(value) for name, value in asdict(version).items() if value and name != "failures"}
            key = names.asset_key(version.encoder, "index")
            context.log_event(dg.AssetObservation(key, partition=version.version, metadata=observed))


def _waiting(names: Names, pointer: Pointer, waiting: Sequence[SpaceVersion]) -> str:
    lines = [
        f"{version.encoder} {version.version} ({version.state}) waits for {version.waits_for}" for version in waiting
    ]
    if not pointer.live and not any(each.release for each in waiting):
        build, first_build = names.prefixed("build"), names.prefixed("first_build")
        lines.append(f"nothing is built yet: the sensor {first_build} launches the job {build}, or launch it yourself")
    return "; ".join(lines) or "nothing"


def _live(live: Release) -> dict[str, Any]:
    rows = [
        {"check": check.name, "passed": check.passed, "blocking": check.blocking, "figures": check.summary}
        for check in live.checks
    ]
    metadata: dict[str, Any] = {
        "encoder": live.encoder,
        "encoder version": live.encoder_version,
        "dagster/row_count": live.rows,
        "checks": preview(rows, ("check", "passed", "blocking", "figures")),
    }
    for check in live.checks:
        metadata |= {f"{check.name} {name}": check.figures[name] for name in _PLOTTED if name in check.figures}
    return metadata


def _moves(names: Names, pointer: Pointer, versions: Sequence[SpaceVersion]) -> str:
    """Say which job with which config promotes each candidate, and goes back to each earlier version."""
    moves = []
    for version in versions:
        if version.state in ("candidate", "rolled back from") and version.release:
            job = names.prefixed(f"{version.encoder}_promote")
            moves.append(
                f"- Promote: launch `{job}` for partition `{version.version}`{_despite(names, pointer, version)}"
            )
    job = names.prefixed(f"{pointer.space}_rollback")
    for release in pointer.rollback_targets:
        config = f"`ops: {{{job}_op: {{config: {{to: {release.encoder_version}}}}}}}`"
        moves.append(f"- Roll back: launch `{job}` with {config}")
    return "\n".join(moves)


def _despite(names: Names, pointer: Pointer, version: SpaceVersion) -> str:
    failed = [failure.partition(":")[0] for failure in version.failures]
    if not failed:
        return ""
    op = names.asset_key(pointer.space, "serving").to_python_identifier()
    return f"; to accept what its checks found, with `ops: {{{op}: {{config: {{despite: [{', '.join(failed)}]}}}}}}`"
