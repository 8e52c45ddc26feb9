"""What `op_tags` says of pods on Kubernetes, held against dagster-k8s's own models when definitions load."""

import json
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from embed_assets.errors import SettingsError

_TAG = "dagster-k8s/config"


def check_kubernetes_tags(op_tags: Mapping[str, Any]) -> None:
    """Raise SettingsError where the tag is not what dagster-k8s makes pods of; else it shows when a step starts.

    Nothing is checked without that tag, or where dagster-k8s is not installed. It needs no cluster.
    """
    if _TAG not in op_tags or find_spec("dagster_k8s") is None:
        return
    from dagster_k8s.job import get_user_defined_k8s_config  # 1.5 CPU s, for its client of Kubernetes

    value = op_tags[_TAG]
    try:
        get_user_defined_k8s_config({_TAG: value if isinstance(value, str) else json.dumps(value)})
    except Exception as error:  # it raises plain Exception as well
        found = " ".join(str(error).split()).removeprefix(f"Error in tags for {_TAG} ").removeprefix("Error 1: ")
        raise SettingsError(
            f"op_tags, {_TAG}: {found.rstrip('.')}. Keys are those of Kubernetes in snake_case, below "
            "container_config, pod_spec_config, pod_template_spec_metadata, job_spec_config or job_metadata."
        ) from error
