"""Object stores: memory, a folder, S3 and GCS, each behind the five calls of `base.Store`.

Imports: `clock`, `errors`. boto3 and google-cloud-storage are imported by their store alone, when it is opened.

base: the interface, its errors, `create_once` (idempotent create) and key checks.
open: opens a store by its URL; the only file that knows all stores.
memory: a dict, for tests within one process.
folder: a folder of this machine or a network share.
s3: S3 and services with its API, through boto3.
s3_errors: translates errors of boto3.
gcs: Google Cloud Storage, through google-cloud-storage.
gcs_errors: translates errors of google-cloud-storage.
bucket_calls: calls of an SDK to one bucket, bounded, translated and retried.
seekable_reader: a stream with a position, whose bytes a subclass gives.
range_reader: an object as a seekable stream of range requests.
retry: retries with exponential backoff and jitter, and the store's clock.
"""
