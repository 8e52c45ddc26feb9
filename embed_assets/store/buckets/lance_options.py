"""Lance options: fsspec's options for S3 under the names of Lance's object store."""

import os
from collections.abc import Mapping
from typing import Any

from embed_assets.errors import StoreError


def lance_options(options: Mapping[str, Any]) -> dict[str, str]:
    """Return fsspec's options for S3 (key, secret, token, profile, endpoint_url, client_kwargs) under Lance's names.

    What is not given both read by themselves: from the environment, the files of ~/.aws, or the machine's role. Of a
    `profile`, which Lance does not know, the keys are read here.
    """
    client = options.get("client_kwargs", {})
    endpoint = options.get("endpoint_url") or client.get("endpoint_url")
    named = {
        "aws_access_key_id": options.get("key"),
        "aws_secret_access_key": options.get("secret"),
        "aws_session_token": options.get("token"),
        "aws_region": client.get("region_name"),
        "aws_endpoint": endpoint,
        "aws_skip_signature": "true" if options.get("anon") else None,
    }
    if options.get("profile"):
        named = _of_profile(options["profile"]) | {key: value for key, value in named.items() if value is not None}
    reached = named["aws_endpoint"] or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if reached and reached.startswith("http://"):
        named |= {"aws_endpoint": reached, "allow_http": "true"}
    return {key: str(value) for key, value in named.items() if value is not None}


def _of_profile(name: str) -> dict[str, str | None]:
    """Return what a profile of ~/.aws says, under Lance's names. Raises StoreError where there is no such profile."""
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    try:
        session = Session(profile=name)
        found = session.get_credentials()
        keys = found.get_frozen_credentials() if found else None
        configured = session.get_scoped_config()
    except BotoCoreError as error:
        raise StoreError(f"storage_options.profile {name!r} can't be read: {error}") from error
    return {
        "aws_access_key_id": keys.access_key if keys else None,
        "aws_secret_access_key": keys.secret_key if keys else None,
        "aws_session_token": keys.token if keys else None,
        "aws_region": configured.get("region"),
        "aws_endpoint": configured.get("endpoint_url"),
    }
