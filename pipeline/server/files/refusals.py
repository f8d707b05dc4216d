"""What requests about recordings and texts are refused for, and the status of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from http import HTTPStatus

from ...errors import RefusedError
from ...protocols import shown
from ..gate.access import Access

CLOSED_REQUEST = 499  # what others call it, too: nobody reads the answer
_STATUS = {
    "unauthorized": HTTPStatus.UNAUTHORIZED,
    "unknown_job": HTTPStatus.NOT_FOUND,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "too_many_jobs": HTTPStatus.SERVICE_UNAVAILABLE,
    "disk_full": HTTPStatus.INSUFFICIENT_STORAGE,
    "internal": HTTPStatus.INTERNAL_SERVER_ERROR,
}


def status_of(error: RefusedError) -> HTTPStatus:
    return _STATUS.get(error.code, HTTPStatus.BAD_REQUEST)


def check_publisher(access: Access, headers: Mapping[str, str]) -> None:
    """Raises RefusedError for who may not publish: a recording costs work, and is private."""
    if "publish" not in access.rights(headers):
        raise RefusedError("unauthorized", "a token is needed that allows to publish")


def check_language(language: str | None, known: Collection[str]) -> str | None:
    """The language that is spoken: the only one that can be heard, where none is named.

    Raises RefusedError for one that cannot be heard.
    """
    if language is None:
        return next(iter(known)) if len(known) == 1 else None
    if language not in known:
        raise RefusedError(
            "unsupported_language",
            f"what is spoken in {shown(language)} cannot be heard here, only "
            f"{', '.join(sorted(known))}",
        )
    return language
