"""Open a store by its URL: the only file that knows all stores. Each is imported when it is used."""

from pathlib import Path

from tasks.stores.base import Store, StoreError


def open_store(url: str) -> Store:
    """The store at a folder, file://, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX. Sends no request and creates nothing.

    Raises:
        StoreError: this version has no such store, or its library is not installed.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme == "file":
        from tasks.stores.folder import FolderStore  # noqa: PLC0415 - each store only where it is used

        return FolderStore(Path(rest if separator else url))
    bucket, _, prefix = rest.partition("/")
    if scheme in ("s3", "gs") and not bucket:
        raise StoreError(f"{url!r} names no bucket", hint=f"write {scheme}://BUCKET/PREFIX")
    try:
        if scheme == "s3":
            from tasks.stores.s3 import S3Store  # noqa: PLC0415

            return S3Store(bucket, prefix)
        if scheme == "gs":
            from tasks.stores.gcs import GcsStore  # noqa: PLC0415

            return GcsStore(bucket, prefix)
    except ImportError as error:
        library = {"s3": "boto3", "gs": "google-cloud-storage"}[scheme]
        raise StoreError(
            f"{scheme}:// needs {library}, which is not installed here ({error})",
            hint=f"pip install {library}",
        ) from error
    raise StoreError(
        f"no store for {scheme}://", hint="give a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX"
    )
