"""/uploads: files for later queries."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from embed_assets.errors import SettingsError
from embed_assets.service.documents import UploadDocument
from embed_assets.service.routes.dependencies import Asking, Served, answer, form_files, problems, require_kind

router = APIRouter(tags=["search"])
_FORM = "multipart/form-data"
_FILE = {"type": "string", "format": "binary"}
_SCHEMA = {"type": "object", "required": ["file"], "properties": {"file": _FILE}}
_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {_FORM: {"schema": _SCHEMA}}}}


@router.post(
    "/uploads", response_model=UploadDocument, openapi_extra=_BODY, responses=problems(400, 413, 415, 422, 503)
)
async def upload(request: Request, service: Served, caller: Asking) -> Response:
    """Keep a file in memory for later queries; they name it by its hash."""
    require_kind(request, _FORM)
    _, files = await form_files(request, most=1)
    if "file" not in files or not files["file"]:
        raise SettingsError("The field `file` is missing: a file that is not empty.")
    data = files["file"]
    return answer({"upload": service.uploads.put(caller.name, data), "bytes": len(data)})
