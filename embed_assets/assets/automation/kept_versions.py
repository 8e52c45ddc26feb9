"""What a run without a partition serves: every kept version of a space, each by the settings' rules."""

from collections.abc import Iterable

from embed_assets.errors import MovedError, PromotionError
from embed_assets.pipeline.steps import Steps
from embed_assets.store.serving.serving_pointer import Pointer


def serve_kept(steps: Steps, space: str, encoders: Iterable[str], *, by: str) -> Pointer:
    """Renew the releases that the pointer names, then promote what may be; skip versions without checks.

    A version that a check holds back stays a candidate, and does not hold back the others. Raises MovedError
    where another move came first.
    """
    # Current versions come last.
    for record in [record for encoder in encoders for record in reversed(steps.active_versions(encoder))]:
        candidate = steps.store.releases.candidate(record.id)
        if candidate is None or not candidate.checks:
            continue
        try:
            steps.serve(record, by=by)
        except MovedError:
            raise
        except PromotionError:
            continue
    return steps.store.serving.pointer(space)
