"""What a run's config says: refused by the launchpad where Dagster has a type for it, else before anything is read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._config import Shape

from embed_assets.assets.names import grid_range
from embed_assets.assets.pipeline import build_definitions
from embed_assets.settings import ComputeSettings, PipelineSettings
from tests.assets.running import QUIET, Running
from tests.support import settings, write_notes


@pytest.fixture
def embedded(words: list, tmp_path: Path, instance: dg.DagsterInstance) -> Running:
    """A pipeline whose notes are embedded: there is nothing to do."""
    write_notes(tmp_path / "notes", 3)
    running = Running(settings(tmp_path), instance)
    assert running.embed().success
    return running


def _why(running: Running, *, only: str | None = None, **config: Any) -> str:
    """Why a run of the embed job, or of one of its assets, fails with a config of the resource `encoders`."""
    job = running.definitions.resolve_job_def("words_embed")
    version = running.steps.active_versions("words")[0].version
    result = job.execute_in_process(
        instance=running.instance,
        run_config={**QUIET, "resources": {"encoders": {"config": config}}},
        asset_selection=[dg.AssetKey(only)] if only else None,
        tags=grid_range(version, 4),
        raise_on_error=False,
    )
    failed = next(event for event in result.all_events if event.is_step_failure).step_failure_data.error
    assert failed is not None
    cause = failed.cause or failed
    return cause.message.strip().removeprefix("embed_assets.errors.SettingsError: ")


@pytest.mark.parametrize("config", [{"dtype": "flot16"}, {"readers": "two"}, {"devise": "cpu"}, {"offline": "yes"}])
def test_the_launchpad_refuses_what_dagster_has_types_for(words: list, tmp_path: Path, config: dict[str, Any]) -> None:
    job = build_definitions(settings(tmp_path)).resolve_job_def("words_embed")
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(job, {"resources": {"encoders": {"config": config}}})
    assert dg.validate_run_config(job, {"resources": {"encoders": {"config": {"dtype": "float16"}}}})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"readers": 0}, "Resource 'encoders', readers: 0 is refused: Input should be greater than or equal to 1."),
        (
            {"flush_seconds": -1.0},
            "Resource 'encoders', flush_seconds: -1.0 is refused: Input should be greater than 0.",
        ),
        ({"budget": "2 days"}, "Resource 'encoders', budget: Budget '2 days' can't be read. Write seconds"),
        (
            {"device": "gpu"},
            "Resource 'encoders', device: Unknown device 'gpu'. Use auto, cpu, cuda, cuda:<number> or mps.",
        ),
    ],
)
def test_what_it_has_no_types_for_is_refused_in_our_words_before_anything_is_read(
    embedded: Running, words: list, tmp_path: Path, config: dict[str, Any], message: str
) -> None:
    (tmp_path / "notes" / "more.txt").write_text("amber anchor")
    before = embedded.steps.manifest.version
    assert _why(embedded, only="notes_manifest", **config).startswith(message)
    assert embedded.steps.manifest.version == before


def test_a_device_that_is_absent_is_refused_where_nothing_is_to_be_encoded(embedded: Running) -> None:
    why = _why(embedded, only="words_vectors", device="cuda:9")
    assert why.startswith("Resource 'encoders', device: Device 'cuda:9' is missing: torch ")
    assert "Set device to auto or cpu" in why


def test_another_dtype_than_the_versions_is_refused_with_both(embedded: Running) -> None:
    version = embedded.steps.active_versions("words")[0].version
    of = {"words_vectors": f"version {version}", "words_encoder": "compute.dtype of the settings"}
    for asset, what in of.items():
        assert _why(embedded, only=asset, dtype="bfloat16") == (
            f"Resource 'encoders', dtype: bfloat16 is refused: {what} is float32, and dtype is part of an encoder "
            "version. Leave it out of the run's config, or set compute.dtype in the settings, which makes another "
            "version."
        )


def _fields(job: dg.JobDefinition) -> Iterator[tuple[str, Any]]:
    """Config fields of a job's resources and ops of ours, with their paths."""
    shape = job.run_config_schema.config_type
    assert isinstance(shape, Shape)
    for name in ("resources", "ops"):
        for key, section in getattr(shape.fields.get(name), "config_type", Shape({})).fields.items():
            config = section.config_type.fields.get("config")
            for field, each in getattr(config and config.config_type, "fields", {}).items():
                if key != "io_manager":
                    yield f"{key}.{field}", each


def test_every_field_of_a_runs_config_says_what_it_means(words: list, tmp_path: Path) -> None:
    definitions = build_definitions(settings(tmp_path))
    found: dict[str, Any] = {}
    for job in ("words_embed", "words_rollback", "retire", "maintain"):
        found |= dict(_fields(definitions.resolve_job_def(job)))
    assert {"encoders.device", "store.uri", "words_rollback_op.to", "retire_op.version", "maintain_op.seconds"} <= set(
        found
    )
    assert [name for name, field in found.items() if not field.description] == []
    for name, field in ComputeSettings.model_fields.items():
        assert found[f"encoders.{name}"].description == field.description
        if field.default_factory is None:  # a section's: its own fields have defaults
            assert found[f"encoders.{name}"].default_value == field.default
    assert found["store.uri"].description == PipelineSettings.model_fields["store"].description


def test_no_time_for_maintenance_is_refused_in_words(embedded: Running) -> None:
    result = embedded.definitions.resolve_job_def("maintain").execute_in_process(
        instance=embedded.instance,
        run_config={**QUIET, "ops": {"maintain_op": {"config": {"seconds": 0.0}}}},
        raise_on_error=False,
    )
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert "seconds: 0 is refused: give more than 0." in str(failed.step_failure_data.user_failure_data)
