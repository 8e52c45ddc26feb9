"""The OpenAPI document against the service: no request gets a 500, or an answer that is not documented."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from embed_assets.pipeline.steps import Steps
from tests.service.conftest import KEYS, WRITER, app_of, media_ids

# Some rules of a query can't be written as a schema: a part is one thing, a filter names columns that there are.
_EXCLUDED = [positive_data_acceptance]
_NAME = "http://testserver"  # by which schemathesis calls an app


@pytest.mark.slow
@pytest.mark.parametrize("keys", [{}, KEYS], ids=["open", "keys"])
def test_no_request_breaks_the_service(own_store: Steps, keys: dict[str, Any]) -> None:
    app = app_of(own_store, api_keys=keys, url=_NAME)
    key = {"X-API-Key": WRITER}
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers=key)
    item = media_ids(own_store)["dogs/note-001.txt"]

    def check(case: Any) -> None:
        if case.path_parameters and "media_id" in case.path_parameters and hash(str(case.query)) % 2:
            case.path_parameters["media_id"] = item
        case.call_and_validate(headers=key if keys else {}, excluded_checks=_EXCLUDED)

    operations: Any = schema.get_all_operations()
    health_checks: Any = list(HealthCheck)
    for operation in (each.ok() for each in operations):
        limited = settings(max_examples=25, deadline=None, database=None, suppress_health_check=health_checks)
        limited(given(case=operation.as_strategy())(check))()
