"""promote, rollback, retire, maintain and history, as a person calls them."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click.testing
import pytest

from embed_assets.pipeline.steps import Steps
from embed_assets.store.saved_settings import save_settings
from embed_assets.store.serving.releases import CheckVerdict
from embed_assets.store.versions import VersionId
from tests.kept import Kept
from tests.support import note, pipeline, refresh_and_embed, write_notes, write_weights

Command = Callable[..., click.testing.Result]


@pytest.fixture
def swap(words: list[Any], plugin_folder: Path) -> Iterator[Callable[[int], None]]:
    """Writes other weights in the place of the encoder's own."""
    yield lambda seed: write_weights(plugin_folder / "weights", seed=seed) and None
    write_weights(plugin_folder / "weights")


def candidate(steps: Steps) -> str:
    """Embed, index and check the current version; promote nothing."""
    refresh_and_embed(steps)
    record = steps.resolve("words").record
    steps.index(record)
    steps.check(record)
    return record.version


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def steps(tmp_path: Path, command: Command, swap: Callable[[int], None]) -> Steps:
    """A store that was made of twelve notes."""
    write_notes(tmp_path / "notes", 12)
    made = pipeline(tmp_path, spaces={"words": {"promotion": "manual"}})
    save_settings(made.store, made.settings)
    return made


@pytest.fixture
def two(steps: Steps, swap: Callable[[int], None], kept: Kept) -> tuple[str, str]:
    """Two versions; the first one is live, the second a candidate."""

    def make() -> tuple[str, str]:
        first = candidate(steps)
        steps.promote(steps.version(VersionId("words", first)), by="test")
        swap(7)
        return first, candidate(steps)

    versions = kept.once("two", make)
    swap(7)
    return versions


def printed(result: click.testing.Result) -> str:
    """Standard output as one line; of a command that succeeded."""
    assert result.exit_code == 0, result.output
    return re.sub(r"[\d.]+ (ms|s)\b", r"N \1", " ".join(result.stdout.split()))


def live(steps: Steps) -> str:
    release = steps.store.serving.pointer("words").live
    assert release is not None
    return release.encoder_version


def test_a_candidate_is_promoted_rolled_back_and_promoted_again(command: Command, steps: Steps, two) -> None:
    first, second = two
    moved = printed(command("promote", "words", "--store", "store"))
    assert f"Space words serves words {second} at table version" in moved
    assert "now, generation 2, moved in N ms." in moved
    assert moved.endswith(f"Back to words {first}: embed-assets rollback words --store store")
    assert f"serves words {first}" in printed(command("rollback", "words", "--store", "store"))
    assert live(steps) == first
    assert steps.store.serving.pointer("words").held == (second,)
    hit = json.loads(command("search", note(3), "--store", "store", "-k", "1", "--json").stdout)
    assert hit["hits"][0]["key"] == "note-003.txt"
    document = json.loads(command("promote", "words", "--version", second[:6], "--store", "store", "--json").stdout)
    assert document["live"]["version"] == second
    assert document["earlier"][0]["version"] == first
    assert document["generation"] == 4
    assert document["moved"]
    assert document["held"] == []
    assert document["by"].endswith("embed-assets promote")
    assert "serves words" in (again := printed(command("promote", "words", "--store", "store")))
    assert "already" in again


def test_rollback_goes_to_a_version_that_is_named(command: Command, steps: Steps, two) -> None:
    first, _ = two
    command("promote", "words", "--store", "store")
    wrong = command("rollback", "words", "--to", "ffff", "--store", "store")
    assert wrong.exit_code == 1
    assert f"can't go back to version 'ffff'; it can to: words {first}." in wrong.output
    printed(command("rollback", "words", "--to", first[:5], "--store", "store"))
    assert live(steps) == first


def test_a_failed_check_holds_promotion_by_hand_back(command: Command, steps: Steps, two) -> None:
    releases = steps.store.releases
    release = releases.candidate(VersionId("words", two[1]))
    assert release is not None
    checks = (*release.checks, CheckVerdict(name="accounts", passed=False, blocking=True, summary="2 items torn"))
    releases.put(type(release)(**{**vars(release), "checks": checks}))
    result = command("promote", "words", "--store", "store")
    assert result.exit_code == 1
    assert "is not promoted to space 'words': accounts: 2 items torn" in result.output
    assert live(steps) == two[0]


@pytest.mark.slow
def test_retire_drops_what_nothing_needs_and_refuses_the_rest(command: Command, steps: Steps, two, swap) -> None:
    first, second = two
    printed(command("promote", "words", "--store", "store"))
    for version, reason in ((second, "is what its settings mean now"), (first, "can go back to version")):
        refused = command("retire", "words", version, "--store", "store")
        assert refused.exit_code == 1
        assert reason in refused.output
    assert "Nothing to retire" in printed(command("retire", "--all-unused", "--store", "store"))
    swap(8)
    third = candidate(steps)
    steps.promote(steps.version(VersionId("words", third)), by="test")
    assert printed(command("retire", "words", first[:6], "--store", "store")).startswith(
        f"Retired words {first}: 12 vectors and 1 releases dropped."
    )
    assert VersionId("words", first).table not in steps.store.table_names()
    swap(9)
    steps.promote(steps.version(VersionId("words", candidate(steps))), by="test")
    retired = json.loads(command("retire", "--all-unused", "--store", "store", "--json").stdout)
    assert [one["version"] for one in retired] == [second]
    assert live(steps) not in (first, second, third)


def test_retire_takes_the_partition_key_back(command: Command, steps: Steps, two) -> None:
    import dagster as dg

    from embed_assets.assets.encoder import register_version
    from embed_assets.assets.names import Names, known_versions
    from embed_assets.cli.shared.dagster_home import dagster_home

    first, second = two
    names = Names(steps.settings, {})
    printed(command("promote", "words", "--store", "store"))
    steps.roll_back("words", by="test")
    home = dagster_home(steps.settings)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        for version in (first, second, "123456789abc"):
            register_version(instance, names, "words", version)
        steps.store.open_or_create("words__123456789abc", steps.store.open(VersionId("words", first).table).schema)
        printed(command("retire", "words", "123456789abc", "--store", "store"))
        assert known_versions(names, "words", instance) == [first, second]
        register_version(instance, names, "words", "0123456789ab")  # of a retirement that was killed at its end
        assert "has no version '0123456789ab'" in command("retire", "words", "0123456789ab", "--store", "store").output
        assert known_versions(names, "words", instance) == [first, second]


def test_maintain_says_what_it_did_and_what_it_left(command: Command, steps: Steps, two) -> None:
    table = steps.store.open(VersionId("words", two[0]).table)
    for number in range(30):
        table.delete(f"key = 'absent-{number}'")
    notes = steps.store.open("manifest").version
    assert "Left: " in printed(command("maintain", "--seconds", "0", "--store", "store"))
    assert steps.store.open("manifest").version == notes
    done = printed(command("maintain", "--store", "store"))
    assert done.endswith("Next: embed-assets status --store store")
    figures = json.loads(command("maintain", "--store", "store", "--json").stdout)
    assert figures["left"] == []
    assert figures["skipped"] == {}
    assert figures["changed"] == []
    assert live(steps) == two[0]


def test_history_is_a_table_of_what_happened_with_figures(command: Command, steps: Steps, two) -> None:
    command("promote", "words", "--store", "store")
    command("rollback", "words", "--store", "store")
    command("maintain", "--store", "store")
    shown = printed(command("history", "--store", "store"))
    for kind in ("refresh", "embed", "index", "check", "promote", "roll back", "maintain"):
        assert kind in shown
    events = json.loads(command("history", "--json", "--limit", "100", "--store", "store").stdout)
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    back = json.loads(command("history", "--kind", "rollback", "--json", "--store", "store").stdout)
    assert [(event["version"], event["generation"]) for event in back] == [(two[0], 3)]
    assert back[0]["checks"]["accounts"]["passed"]
    assert "No event of kind 'retire' yet." in printed(command("history", "--kind", "retire", "--store", "store"))
    assert len(json.loads(command("history", "--limit", "2", "--json", "--store", "store").stdout)) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("promote", "nothing"), "neither a space nor an encoder 'nothing'"),
        (("promote", "words", "--version", "zz"), "No version begins with 'zz'. Known: words "),
        (("rollback", "words"), "has no previous release to roll back to"),
        (("rollback", "nothing"), "Space 'nothing' has no previous release"),
        (("retire",), "Name an ENCODER and a VERSION, or give --all-unused"),
        (("retire", "words", "abc", "--all-unused"), "not both"),
        (("retire", "words", "zz"), "Encoder 'words' has no version 'zz'. Its versions: "),
    ],
)
def test_a_mistake_gets_one_clear_message(
    command: Command, steps: Steps, arguments: tuple[str, ...], message: str
) -> None:
    candidate(steps)
    result = command(*arguments, "--store", "store")
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("name", ["promote", "rollback", "retire", "maintain"])
def test_a_store_that_is_not_there_is_named(command: Command, name: str) -> None:
    result = command(name, *(["x"] if name in ("promote", "rollback") else []), "--store", "absent")
    assert result.exit_code == 1
    assert "There is no store at 'absent' yet" in result.output


def test_moves_by_hand_show_on_the_serving_asset(command: Command, steps: Steps, two) -> None:
    import dagster as dg

    from embed_assets.cli.shared.dagster_home import dagster_home

    home = dagster_home(steps.settings)
    shown = []
    for arguments in (("promote", "words"), ("rollback", "words")):
        printed(command(*arguments, "--store", "store"))
        with dg.DagsterInstance.from_config(str(home)) as instance:
            event = instance.get_latest_materialization_event(dg.AssetKey("words_serving"))
        assert event is not None and event.asset_materialization is not None
        shown.append(event.asset_materialization.metadata["live"].value)
        live = steps.store.serving.pointer("words").live
        assert live is not None and shown[-1] == live.key
        assert (event.asset_materialization.tags or {})["dagster/data_version"] == live.key
    assert len(set(shown)) == 2


def test_a_move_without_a_dagster_home_makes_none(command: Command, steps: Steps, two, tmp_path: Path) -> None:
    printed(command("promote", "words", "--store", "store"))
    assert not (tmp_path / "dagster").exists()


def test_history_shows_what_was_spent_and_of_which_encoder(command: Command, steps: Steps, two) -> None:
    shown = printed(command("history", "--store", "store", "--kind", "embed", "--encoder", "words"))
    assert (
        re.search(r"segments encoded 12, tokens \d+", shown.replace("│", " ").replace("  ", " ")) or "tokens" in shown
    )
    assert "No event" in printed(command("history", "--store", "store", "--kind", "rollback"))
    assert json.loads(command("history", "--store", "store", "--encoder", "others", "--json").stdout) == []
