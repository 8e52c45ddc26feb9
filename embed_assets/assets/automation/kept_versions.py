"""What an automatic run without a partition serves: every kept version of a space, each by the settings' rules."""

import logging
from collections.abc import Iterable

from embed_assets.errors import PromotionError
from embed_assets.pipeline.steps import Steps
from embed_assets.store.serving.serving_pointer import Pointer

_log = logging.getLogger(__name__)


def serve_kept(steps: Steps, encoders: Iterable[str], *, by: str) -> Pointer:
    """Renew the releases that the pointer names, then promote what may be; skip versions without checks.

    One version that a check holds back does not hold back the others. Raises PromotionError where it held back
    all, or where none was checked.
    """
    pointer: Pointer | None = None
    problems = []
    # Current versions come last.
    records = [record for encoder in encoders for record in reversed(steps.active_versions(encoder))]
    for record in records:
        candidate = steps.store.releases.candidate(record.id)
        if candidate is None or not candidate.checks:
            continue
        try:
            pointer = steps.serve(record, by=by)
        except PromotionError as error:
            problems.append(str(error))
    if pointer is None:
        raise PromotionError("\n".join(problems) or "No kept version of the space is indexed and checked yet.")
    for problem in problems:
        _log.warning(problem)
    return pointer
