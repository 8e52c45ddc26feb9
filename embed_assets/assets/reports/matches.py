"""The asset of a saved query: what matches it in what its space serves, and which matches are new since last time."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

import dagster as dg

from embed_assets.assets.automation.conditions import pointer_condition
from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.metadata_keys import ENCODER_VERSION, GONE_MATCHES, MATCHES, NEW_ITEMS, NEW_MATCHES
from embed_assets.assets.names import Names
from embed_assets.assets.reports.report_asset import report_asset
from embed_assets.assets.resources import make_steps
from embed_assets.assets.ui.previews import counts, in_markdown, measured, preview
from embed_assets.assets.ui.thumbnails import SHEET, picture_metadata, thumbnails_of
from embed_assets.errors import EmbedAssetsError, SettingsError
from embed_assets.media.hashing import text_hash
from embed_assets.pipeline.reports.match_report import Match, MatchReport
from embed_assets.pipeline.steps import Steps
from embed_assets.search.filters import parse_filter
from embed_assets.store.serving.kept_matches import matches_file

_ROWS = 20  # of each table
_COLUMNS = ("item", "percentile", "labels", "text")


def build_matches_asset(names: Names, name: str) -> dg.AssetsDefinition:
    """`<saved query>_matches`, after the serving asset of its space. Raises SettingsError for a wrong one."""
    saved = names.settings.saved_queries[name]
    _require_searchable(names, name)

    @report_asset(
        names,
        "matches",
        name,
        deps=[names.asset_key(saved.space, "serving")],
        group=names.prefixed(saved.space),
        condition=pointer_condition(names, "search when its space has moved"),
        description=f"Items of space `{saved.space}` that are nearer to a saved query than {saved.min_percentile:g} % "
        "of random pairs, and which are new since the last materialization. The data version changes with the set of "
        f"matches alone; the tag `{NEW_MATCHES}` has the number of new ones.",
    )
    def matches(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        step = MatchesStep(names, name, context)
        yield step.report()  # Dagster has stored it when the function goes on
        step.keep()

    return matches


class MatchesStep:
    """One materialization: what is new is reported first, and then kept as known.

    A run that is killed between the two reports it again: twice rather than never.
    """

    def __init__(self, names: Names, name: str, context: StepContext) -> None:
        self._names, self._name, self._context = names, name, context
        self._found: MatchReport | None = None
        self._steps: Steps | None = None

    def report(self) -> dg.MaterializeResult:
        """Search, and return what is to be reported."""
        return self._names.run(self._context, "matches", self._name, self._search)

    def keep(self) -> None:
        """Keep what was reported; nothing where a host's own function took the search's place."""
        if self._found is None or self._steps is None:
            return
        try:
            self._steps.keep_matches(self._found)
        except EmbedAssetsError as error:
            raise dg.Failure(str(error)) from error

    def _search(self) -> dg.MaterializeResult:
        steps = make_steps(self._names, self._context.resources, loads_model=True)
        found = steps.matches(self._name)
        log = self._context.log.info if found.waits_for is None else self._context.log.warning
        log(found.in_words())
        self._steps, self._found = steps, found
        return dg.MaterializeResult(
            data_version=dg.DataVersion(_set_of(found)),
            metadata=_metadata(steps, found),
            tags={NEW_MATCHES: str(len(found.new))},
        )


def _require_searchable(names: Names, name: str) -> None:
    saved = names.settings.saved_queries[name]
    if saved.space not in names.spaces:
        raise SettingsError(
            f"saved_queries.{name}.space: no encoder of the settings has the space {saved.space!r}. Spaces: "
            f"{', '.join(names.spaces)}."
        )
    try:
        if saved.filter is not None:
            parse_filter(saved.filter)
    except SettingsError as error:
        raise SettingsError(f"saved_queries.{name}.filter: {error}") from error


def _set_of(found: MatchReport) -> str:
    """Return the data version: a hash of the items that match, in whatever order."""
    return text_hash("\n".join(sorted(each.media_id for each in found.matches)))[:16]


def _metadata(steps: Steps, found: MatchReport) -> dict[str, Any]:
    percentiles = [each.percentile for each in found.matches if each.percentile is not None]
    shown = found.new or found.matches
    return {
        "in words": dg.MetadataValue.md(in_markdown(found.in_words())),
        **counts({MATCHES: len(found.matches), NEW_MATCHES: len(found.new), GONE_MATCHES: len(found.gone)}),
        **measured(found),
        "first report": found.first,
        "there may be more": found.more,
        "compared with": found.compared_with or "nothing: all matches are the first ones",
        **({ENCODER_VERSION: found.version} if found.version else {}),
        **({"new matches": _table(found.new)} if found.new else {}),
        **({"nearest matches": _table(found.matches)} if found.matches else {}),
        **({"gone": preview(map(vars, found.gone[:_ROWS]), ("name", "since"))} if found.gone else {}),
        **_pictures(steps, shown),
        **(
            {
                "highest percentile": percentiles[0],
                "median percentile": median(percentiles),
                "lowest percentile": percentiles[-1],
            }
            if percentiles
            else {}
        ),
        NEW_ITEMS: dg.MetadataValue.json([_item(each) for each in found.new]),
        "kept in": matches_file(found.name),
    }


def _table(matches: Sequence[Match]) -> dg.TableMetadataValue:
    return preview([vars(each) | {"item": each.name} for each in matches[:_ROWS]], _COLUMNS)


def _item(each: Match) -> dict[str, Any]:
    return {name: getattr(each, name) for name in ("media_id", "source", "key", "uri", "percentile")}


def _pictures(steps: Steps, matches: Sequence[Match]) -> dict[str, Any]:
    """Show thumbnails of the nearest pictures among matches, nearest first; no entry where there are none."""
    wanted = [each.media_id for each in matches if each.modality == "image"][:SHEET]
    return picture_metadata(list(thumbnails_of(steps.context, wanted).values()))
