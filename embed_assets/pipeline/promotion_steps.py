"""Steps of serving: promote, renew and roll back; whether a version is up to date."""

from collections.abc import Collection

from embed_assets.errors import PromotionError
from embed_assets.pipeline.context import RunContext
from embed_assets.pipeline.release_steps import ReleaseSteps
from embed_assets.quality.candidate_measurements import compared_with_another
from embed_assets.quality.checks import REQUIRED, compared_with_live, require_acceptable
from embed_assets.store.buckets.one_moment import one_moment
from embed_assets.store.serving.releases import Release
from embed_assets.store.serving.serving_pointer import Pointer, move_event
from embed_assets.store.versions import VersionRecord


class PromotionSteps:
    """Promotion, renewal and roll-back."""

    def __init__(self, context: RunContext, releases: ReleaseSteps) -> None:
        self._context = context
        self._store = context.store
        self._releases = releases

    def serve(self, record: VersionRecord, *, by: str) -> Pointer:
        """Do what an automatic run does with a checked release: renew, promote, or leave it a candidate.

        A version that is live, or a roll-back target, gets its new release named by the pointer. The
        current version is promoted, unless it is held, the space is promoted by hand, or the space is served
        by another encoder of the settings. Raises PromotionError where a blocking check did not pass.
        """
        release = self._releases.candidate(record)
        pointer = self._store.serving.pointer(release.space)
        if self._may_promote(record, pointer):
            return self.promote(record, by=by)
        if pointer.names(record.id):
            after = self._store.serving.renew(release, required=REQUIRED, by=by)
            return self._record_move("renew", pointer, after, release, by=by)
        if refusal := release.refusal(REQUIRED):
            raise PromotionError(refusal)
        return pointer

    def promote(self, record: VersionRecord, *, by: str, despite: Collection[str] = ()) -> Pointer:
        """Make the version's candidate live. Raises PromotionError where a blocking check did not pass.

        `despite` names blocking checks that may have failed: a person accepts what they found. Where another
        version serves by now than the candidate was compared with, it is compared again.
        """
        require_acceptable(despite)
        release = self._releases.candidate(record)
        before = self._store.serving.pointer(release.space)
        if compared_with_another(release, before):
            release, _ = self._releases.check(record, only={compared_with_live.name})
        keep = self._context.settings.space(release.space).keep_previous
        failed = sorted({check.name for check in release.checks if not check.passed}.intersection(despite))
        by = f"{by}, despite {', '.join(failed)}" if failed else by
        after = self._store.serving.promote(release, required=REQUIRED, by=by, keep=keep, despite=despite)
        return self._record_move("promote", before, after, by=by)

    def roll_back(self, space: str, *, by: str, to: str | None = None) -> Pointer:
        """Return to the version before, or to a named one; nothing is encoded or rebuilt."""
        before = self._store.serving.pointer(space)
        return self._record_move("roll back", before, self._store.serving.roll_back(space, by=by, to=to), by=by)

    @one_moment()
    def is_up_to_date(self, record: VersionRecord) -> bool:
        """Return whether a version's latest rows are indexed and checked, and `serve` would move no pointer."""
        table, release = self._store.vectors(record.id).open(), self._store.releases.candidate(record.id)
        if table is None or release is None or release.failures(REQUIRED) or table.version != release.table_version:
            return False
        if not self._releases.is_by_settings(release, record):
            return False
        pointer = self._store.serving.pointer(release.space)
        if self._may_promote(record, pointer):
            return False
        return not pointer.names(record.id) or any(one.identity == release.identity for one in pointer.releases)

    def manual_promotion_reason(self, record: VersionRecord, pointer: Pointer) -> str:
        """Return why only a person promotes a version that the settings mean; "" where a run does."""
        if record.version in pointer.held:
            return "it was rolled back from"
        if self._context.settings.space(pointer.space).promotion == "manual":
            return f"spaces.{pointer.space}.promotion is manual"
        live, encoders = pointer.live, self._context.settings.encoders
        if live is not None and live.encoder != record.encoder and live.encoder in encoders:
            return f"encoder {live.encoder!r} of the settings serves the space"
        return ""

    def _may_promote(self, record: VersionRecord, pointer: Pointer) -> bool:
        current = self._store.versions.current(record.encoder)
        if current is None or current.id != record.id or self.manual_promotion_reason(record, pointer):
            return False
        return not pointer.serves(record.id)

    def _record_move(
        self, kind: str, before: Pointer, after: Pointer, release: Release | None = None, *, by: str
    ) -> Pointer:
        """Add the move to the history, if this process made one."""
        if after.generation != before.generation and after.moved_by == by:
            self._store.history.add(kind, move_event(after, release))
        return after
