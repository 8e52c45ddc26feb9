"""Tags for Kubernetes, checked by dagster-k8s itself: no cluster is needed, and none is asked for."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from embed_assets.assets.pipeline import build_definitions
from embed_assets.assets.runs.kubernetes_tags import check_kubernetes_tags
from embed_assets.errors import SettingsError
from embed_assets.load_settings import load_settings
from tests.support import REPOSITORY, settings

pytestmark = pytest.mark.slow  # its client of Kubernetes takes two seconds to import

EXAMPLE = REPOSITORY / "examples" / "deploy" / "kubernetes.yaml"
GPU = {"resources": {"limits": {"nvidia.com/gpu": 1}}}


@pytest.fixture(autouse=True)
def dagster_k8s() -> None:
    pytest.importorskip("dagster_k8s", reason="dagster-k8s is not installed: make setup installs the group dev")


def test_the_examples_tags_are_what_pods_are_made_of() -> None:
    from dagster_k8s import k8s_job_executor
    from dagster_k8s.job import get_user_defined_k8s_config

    from embed_assets.assets.runs.executor import executor_of

    found = load_settings(EXAMPLE)
    check_kubernetes_tags(found.op_tags)
    made = get_user_defined_k8s_config({"dagster-k8s/config": json.dumps(found.op_tags["dagster-k8s/config"])})
    assert made.container_config["resources"]["limits"]["nvidia.com/gpu"] == "1"
    (volume,) = made.pod_spec_config["volumes"]
    (mount,) = made.container_config["volume_mounts"]
    assert mount["name"] == volume["name"]
    homes = [each["value"] for each in made.container_config["env"]]
    assert all(home.startswith(mount["mount_path"]) for home in homes)
    assert executor_of(found) is k8s_job_executor


@pytest.mark.parametrize(
    ("tag", "named"),
    [
        ({"pod_spec_config": {"nodeselectr": {"gpu": "true"}}}, "V1PodSpec: {'nodeselectr'}"),
        ({"container_config": {"resources": {"limts": {"nvidia.com/gpu": 1}}}}, "V1ResourceRequirements: {'limts'}"),
        ({"pod_spec_config": {"tolerations": {"key": "gpu"}}}, "tolerations[0]"),
        ({"podSpecConfig": {}}, 'unexpected config entry "podSpecConfig"'),
        ("nvidia", "Expecting value"),
    ],
)
def test_a_wrong_tag_is_refused_by_its_name(words: list, tmp_path: Path, tag: Any, named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build_definitions(settings(tmp_path, op_tags={"dagster-k8s/config": tag}))
    assert str(caught.value).startswith("op_tags, dagster-k8s/config: ")
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "snake_case" in str(caught.value)


@pytest.mark.parametrize("tags", [{}, {"team": "search"}, {"dagster-k8s/config": {"container_config": GPU}}])
def test_other_tags_pass(words: list, tmp_path: Path, tags: dict[str, Any]) -> None:
    build_definitions(settings(tmp_path, op_tags=tags))


def _snake(value: dict[str, Any]) -> dict[str, Any]:
    """Helm's values in Kubernetes' spelling as the run launcher gets them: names of its own sections in snake_case."""
    return {re.sub("([A-Z])", r"_\1", key).lower(): found for key, found in value.items()}


def test_helms_values_name_the_pods_of_runs_as_dagster_k8s_does() -> None:
    from dagster_k8s.job import get_user_defined_k8s_config

    values = yaml.safe_load((EXAMPLE.parent / "values.yaml").read_text(encoding="utf-8"))
    runs = _snake(values["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"])
    made = get_user_defined_k8s_config({"dagster-k8s/config": json.dumps(runs)})
    assert made.container_config["resources"]["limits"] == {"memory": "2Gi"}
    assert made.job_spec_config["ttl_seconds_after_finished"] == 3600
    (own,) = values["dagster-user-deployments"]["deployments"]
    (variable,) = own["env"]
    (mount,) = own["volumeMounts"]
    assert variable["value"].startswith(mount["mountPath"])
    assert values["postgresql"]["postgresqlScheme"] == "postgresql+psycopg2"
    assert own["image"] == values["dagsterWebserver"]["image"] == values["dagsterDaemon"]["image"]
