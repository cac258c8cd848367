"""The stores that the settings name. Whoever needs one asks here, so that it works wherever files are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from webapp.clients.erasures import FOLDER, ErasureList, LocalErasureList
from webapp.clients.files import LargeFileStore, LocalFileStore, root_from_url
from webapp.config import Settings

if TYPE_CHECKING:
    from webapp.clients.s3 import Bucket

BATCHES: Final = "batches"
"""The area of files that are made for somebody to take home, and go after a day: no certificate's file lies there."""


def store_of(settings: Settings, *, area: str = "") -> LargeFileStore:
    """The store of issued files, or an ``area`` beside them. Raises ValueError for an address that names no store.

    Cheap enough to be asked for at each request; nothing is connected before the first file.
    """
    if _is_bucket(settings):
        from webapp.clients.s3 import S3FileStore

        return S3FileStore(_bucket(settings, area))
    return LocalFileStore(root_from_url(settings.certificate_store_url) / area)


def erasure_list_of(settings: Settings) -> ErasureList:
    """The list of erased households, beside the files. Raises ValueError as ``store_of`` does."""
    if _is_bucket(settings):
        from webapp.clients.s3 import S3ErasureList

        return S3ErasureList(_bucket(settings))
    return LocalErasureList(root_from_url(settings.certificate_store_url) / FOLDER)


def _is_bucket(settings: Settings) -> bool:
    return urlsplit(settings.certificate_store_url).scheme == "s3"


def _bucket(settings: Settings, area: str = "") -> Bucket:
    # The client of S3 is loaded only where there is a bucket: most desks keep files in a folder.
    from webapp.clients.s3 import Access, Bucket, place_from_url

    name, prefix = place_from_url(settings.certificate_store_url)
    access = Access(
        endpoint=settings.certificate_store_endpoint,
        region=settings.certificate_store_region,
        key_id=settings.certificate_store_key_id,
        secret=settings.certificate_store_secret,
    )
    return Bucket(name, "/".join(word for word in (prefix, area) if word), access)
