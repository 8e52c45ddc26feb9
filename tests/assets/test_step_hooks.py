"""Steps in Dagster: tags and retries of their ops; only what another try can mend is tried again."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from embed_assets.assets.host.step_hooks import EmbeddingStep, is_transient, run_step
from embed_assets.assets.pipeline import build_definitions
from embed_assets.errors import EmbedAssetsError, MovedError, SettingsError, SourceError
from tests.assets.running import Running
from tests.support import settings, write_notes

_GPU = {"dagster-k8s/config": {"container_config": {"resources": {"limits": {"nvidia.com/gpu": 1}}}}}


def _because_of(cause: BaseException) -> EmbedAssetsError:
    try:
        raise SourceError("it can't be listed") from cause
    except SourceError as error:
        return error


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (_because_of(ConnectionResetError("reset")), True),
        (_because_of(TimeoutError("no answer")), True),
        (_because_of(OSError(5, "input/output error")), True),
        (MovedError("another came first"), True),
        (_because_of(FileNotFoundError("no such folder")), False),
        (_because_of(PermissionError("not yours")), False),
        (SettingsError("a wrong key"), False),
        (_because_of(ValueError("no number")), False),
    ],
)
def test_only_a_network_a_disk_or_another_writer_is_tried_again(error: EmbedAssetsError, transient: bool) -> None:
    assert is_transient(error) is transient


def test_op_tags_are_on_the_steps_that_load_a_model_and_retries_on_all(words: list, tmp_path: Path) -> None:
    changed = settings(tmp_path, op_tags=_GPU, retry={"max_retries": 2, "delay_seconds": 1})
    definitions = build_definitions(changed)
    graph = definitions.resolve_asset_graph()
    ops = {each.op.name: each.op for each in graph.assets_defs if each.is_executable}
    loading = {name for name, op in ops.items() if "dagster-k8s/config" in op.tags}
    assert loading == {"words_encoder", "words_vectors", "words_index", "words_index_checks"}
    assert {op.retry_policy.max_retries for op in ops.values() if op.retry_policy} == {2}
    build = definitions.resolve_job_def("build")
    tagged = {node.name for node in build.nodes if "dagster-k8s/config" in node.definition.tags}
    assert tagged == {"encode_words"}


@pytest.mark.on_disk
def test_a_mistake_fails_at_once_whatever_the_retries(
    words: list, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    write_notes(tmp_path / "notes", 2)
    running = Running(settings(tmp_path, retry={"max_retries": 3, "delay_seconds": 60}), instance)
    (tmp_path / "notes").rename(tmp_path / "elsewhere")
    result = running.materialize("notes_manifest")
    assert not result.success
    assert not [event for event in result.all_events if event.is_step_up_for_retry]


@pytest.mark.parametrize("kind", ["manifest", "vectors"])
def test_a_function_that_yields_nothing_is_refused_where_a_result_is_needed(kind: Any) -> None:
    step = EmbeddingStep(kind=kind, name="notes", run=lambda: None)
    refused = pytest.raises(dg.Failure, match="gave NoneType for manifest of notes")
    with refused if kind == "manifest" else nullcontext():
        assert run_step(lambda context, step: step.stream(), dg.build_asset_context(), step) is None
