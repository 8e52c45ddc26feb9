"""Automation conditions: when Dagster asks for an asset by itself, and the sensor that evaluates them.

They look at states, not at events: what is missing or older than its media stays wanted until it was
materialized, whatever happened between two looks. A run that failed is not repeated until there is something
new for it. Conditions see Dagster's event log only; the reconcile sensor compares with the store itself.
"""

from datetime import timedelta
from zoneinfo import available_timezones

import dagster as dg
from dagster._utils.schedules import is_valid_cron_string

from embed_assets.assets.names import AUTOMATIC, Names
from embed_assets.errors import SettingsError
from embed_assets.settings import AutomationSettings

_Condition = dg.AutomationCondition


def listing_condition(names: Names, source: str | None = None) -> dg.AutomationCondition | None:
    """Build the condition of manifests and encoders: each tick of `automation.cron`, and once where they are missing.

    They are looked at, too, once their settings are others than before.

    Of a source with an asset also when that is newer than the manifest; of one that is the asset's value, which no
    tick can change, only then, and once the asset is there.
    """
    automation = names.settings.automation
    if not automation.enabled:
        return None
    _require_times(automation)
    ticked = _Condition.cron_tick_passed(automation.cron, automation.timezone).since(_Condition.newly_requested())
    missing = _Condition.missing() & ~_Condition.execution_failed()
    handled = _Condition.newly_requested() | _Condition.newly_updated()
    due = ticked | missing | _Condition.code_version_changed().since(handled)
    settings = names.settings.sources[source] if source else None
    if settings is not None and settings.asset:
        newer = _Condition.any_deps_match(_Condition.newly_updated())
        failed = _Condition.execution_failed() & ~newer.since(_Condition.newly_requested())
        fed = newer.since(_Condition.newly_updated()) & ~failed & ~_Condition.any_deps_in_progress()
        due = fed | (missing & ~_Condition.any_deps_missing()) if settings.kind == "value" else due | fed
    return (due & ~_Condition.in_progress()).with_label("look again")


def vectors_condition(names: Names, encoder: str) -> dg.AutomationCondition | None:
    """Build the condition of vectors: a shard of a version has none, or a manifest is newer.

    A manifest that was listed again with the same rows has the same data version, and asks for nothing. A
    new encoder version shows as partitions that are missing; the encoder asset itself is not looked at.
    """
    if not names.settings.automation.enabled:
        return None
    resolved = dg.AssetSelection.assets(names.asset_key(encoder, "encoder"))
    updated = _Condition.newly_updated()
    changed = _Condition.any_deps_match(_Condition.data_version_changed()).ignore(resolved)
    listed_since = _Condition.any_deps_match(updated).ignore(resolved).since(updated)
    # A change and vectors between two looks: only the timestamps of `newly_updated` say which came first.
    stale = changed.since(updated & ~(changed & listed_since))
    changed_since_request = changed.since(_Condition.newly_requested())
    return _when_upstream_idle("embed when stale", _Condition.missing() | stale, retry_when=changed_since_request)


def index_condition(names: Names) -> dg.AutomationCondition | None:
    """Build the condition of an index: all shards of its version have vectors, and some are newer than the index."""
    if not names.settings.automation.enabled:
        return None
    newer = _Condition.any_deps_match(_Condition.newly_updated())
    due = _Condition.missing() | newer.since(_Condition.newly_updated())
    retry_when = newer.since(_Condition.newly_requested())
    return _when_upstream_idle("index when all shards are in", due, retry_when=retry_when)


def serving_condition(names: Names) -> dg.AutomationCondition | None:
    """Build the condition of a space: an index is newer than the pointer, or its checks ran since.

    Where a check fails it is materialized, too: that says which candidate waits and why, and moves nothing.
    """
    if not names.settings.automation.enabled:
        return None
    checked = _Condition.any_checks_match(_Condition.newly_updated(), blocking_only=True)
    newer = _Condition.any_deps_match(_Condition.newly_updated() | checked)
    indexed = _Condition.any_deps_match(~_Condition.missing())
    failed = _Condition.execution_failed() & ~newer.since(_Condition.newly_requested())
    return (
        ((_Condition.missing() & indexed) | newer.since(_Condition.newly_updated()))
        & ~failed
        & ~_Condition.in_progress()
        & ~_Condition.any_deps_in_progress()
    ).with_label("serve what is checked")


def pointer_condition(names: Names, label: str) -> dg.AutomationCondition | None:
    """Build the condition of a saved query or a sink: its space's pointer is newer, or its settings are others."""
    if not names.settings.automation.enabled:
        return None
    newer = _Condition.any_deps_match(_Condition.newly_updated())
    changed = _Condition.code_version_changed()
    requested, handled = _Condition.newly_requested(), _Condition.newly_requested() | _Condition.newly_updated()
    due = _Condition.missing() | newer.since(_Condition.newly_updated()) | changed.since(handled)
    retry_when = newer.since(requested) | changed.since(requested)
    return _when_upstream_idle(label, due, retry_when=retry_when)


def dashboard_condition(names: Names) -> dg.AutomationCondition | None:
    """Build the condition of the dashboard: a pointer's asset is newer."""
    if not names.settings.automation.enabled:
        return None
    newer = _Condition.any_deps_match(_Condition.newly_updated())
    return (
        newer.since(_Condition.newly_updated()) & ~_Condition.in_progress() & ~_Condition.any_deps_in_progress()
    ).with_label("show what serves")


def _require_times(automation: AutomationSettings) -> None:
    """Raise SettingsError where Dagster would not understand when to look: its own message names no setting."""
    if not is_valid_cron_string(automation.cron):
        raise SettingsError(f"automation.cron: {automation.cron!r} is not a valid cron expression, e.g. '0 * * * *'.")
    if automation.timezone not in available_timezones():
        raise SettingsError(
            f"automation.timezone: {automation.timezone!r} is not a time zone, e.g. 'Europe/Berlin' or 'UTC'."
        )


def _when_upstream_idle(
    label: str, condition: dg.AutomationCondition, *, retry_when: dg.AutomationCondition
) -> dg.AutomationCondition:
    """Require that everything upstream exists and is idle; after a failure also `retry_when`."""
    return (
        condition
        & (~_Condition.execution_failed() | retry_when)
        & ~_Condition.in_progress()
        & ~_Condition.any_deps_missing()
        & ~_Condition.any_deps_in_progress()
    ).with_label(label)


def freshness_policy(names: Names) -> dg.FreshnessPolicy | None:
    """Build the freshness policy of a space: materialized within `automation.fresh_within_hours`."""
    hours = names.settings.automation.fresh_within_hours
    return None if hours is None else dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=hours))


def build_automation_sensor(names: Names) -> dg.AutomationConditionSensorDefinition | None:
    """Build the sensor that evaluates the assets' conditions; None where automation is off."""
    automation = names.settings.automation
    if not automation.enabled:
        return None
    status = dg.DefaultSensorStatus.RUNNING if automation.running else dg.DefaultSensorStatus.STOPPED
    return dg.AutomationConditionSensorDefinition(
        names.prefixed("automation"),
        target=dg.AssetSelection.assets(*names.keys),
        default_status=status,
        run_tags=AUTOMATIC,
        description="Ask for what is missing or older than its media: vectors, then indices, then pointers.",
    )
