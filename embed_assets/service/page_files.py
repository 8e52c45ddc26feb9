"""The page's files: static, in the folder `page`, under a policy that lets them load from this service alone."""

from pathlib import Path
from typing import Any

from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from embed_assets.service.access.response_headers import PAGE_POLICY

FOLDER = Path(__file__).parent / "page"


def page_paths() -> set[str]:
    """Return the paths at which the page's files are served, which need no key."""
    files = {f"/{file.relative_to(FOLDER).as_posix()}" for file in FOLDER.rglob("*") if file.is_file()}
    return {"/", *files} if files else set()


class PageFiles(StaticFiles):
    """Static files with the page's policy."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        """Return a file with the policy; a browser asks each time whether it has changed."""
        response = super().file_response(*arguments, **options)
        response.headers["Content-Security-Policy"] = PAGE_POLICY
        response.headers["Cache-Control"] = "no-cache"
        return response
