"""The JSON API of GCS, as google-cloud-storage uses it and Google's documents describe it."""

import base64
import json
import re
from datetime import datetime
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import quote

from tests.support.objectserver.buckets import Blob, Bucket, Buckets, Object, Upload, joined
from tests.support.objectserver.faults import Settings
from tests.support.objectserver.wire import Reply, Request, span

ROOTS = re.compile(r"^/(?:upload/|download/|resumable/upload/)?storage/v1/b(?:/|$)")
MESSAGES = {404: "Not Found", 412: "At least one of the pre-conditions you specified did not hold."}


def speaks(request: Request) -> bool:
    return ROOTS.match(request.path) is not None


def place(request: Request) -> tuple[str, str]:
    """Bucket and key; of a write the key is in the query or in its metadata."""
    parts = request.parts
    parts = parts[parts.index("b") + 1 :]
    bucket = parts[0] if parts else ""
    key = parts[2] if len(parts) > 2 else request.query.get("name", "")
    if not key and request.method == "POST" and "uploadType" in request.query:
        key = str(_described(request).get("name", ""))
    return bucket, key


def kind(request: Request) -> str:
    """The kind of a request, in one word."""
    parts = request.parts
    parts = parts[parts.index("b") + 1 :]
    if "uploadType" in request.query:
        return _writes(request)
    if len(parts) < 2:
        return {"GET": "bucket", "POST": "make"}.get(request.method, "other")
    if len(parts) == 2:
        return "list" if request.method == "GET" else "other"
    if request.method == "DELETE":
        return "delete"
    return "get" if request.query.get("alt") == "media" else "head"


def _writes(request: Request) -> str:
    query = request.query
    if "upload_id" not in query:
        if query["uploadType"] == "resumable":
            return "start"
        return "create" if query.get("ifGenerationMatch") == "0" else "put"
    if request.method == "DELETE":
        return "abort"
    _, _, total = request.headers.get("content-range", "").partition("/")
    end = re.match(r"bytes \d+-(\d+)/", request.headers.get("content-range", ""))
    return "complete" if end and total != "*" and int(end[1]) + 1 == int(total) else "part"


def problem(status: int, reason: str, _: Request, message: str = "") -> Reply:
    message = message or MESSAGES.get(status, reason)
    error = {"code": status, "message": message, "errors": [{"message": message, "reason": reason}]}
    return Reply(status, {"Content-Type": "application/json"}, json.dumps({"error": error}).encode())


def answer(request: Request, buckets: Buckets, settings: Settings) -> Reply:  # noqa: PLR0911 - one for each kind
    """Carry out a request."""
    what = kind(request)
    bucket, key = place(request)
    if what == "make":
        name = str(json.loads(bytes(request.body))["name"])
        buckets.all.setdefault(name, Bucket())
        return _json({"kind": "storage#bucket", "name": name, "id": name})
    if bucket not in buckets.all:
        return problem(404, "notFound", request, "The specified bucket does not exist.")
    if what == "bucket":
        return _json({"kind": "storage#bucket", "name": bucket, "id": bucket, "location": "US"})
    if what == "list":
        return listing(request, buckets.all[bucket], bucket, settings)
    if what in ("get", "head"):
        return reading(request, buckets.all[bucket].objects.get(key), bucket, key, settings)
    if what == "delete":
        return Reply(204) if buckets.delete(bucket, key) else problem(404, "notFound", request)
    if what in ("create", "put"):
        match = request.query.get("ifGenerationMatch")
        return writing(request, buckets, bucket, key, _content(request), match, settings)
    return uploading(request, what, buckets, bucket, key, settings)


def writing(
    request: Request,
    buckets: Buckets,
    bucket: str,
    key: str,
    blob: Blob,
    match: str | None,
    settings: Settings,
) -> Reply:
    if match is not None and settings.conditions == "refuse":
        return problem(501, "notImplemented", request)
    if match is not None and settings.conditions != "ignore" and match != _generation(buckets, bucket, key):
        if settings.conditions == "lie":
            buckets.write(bucket, key, blob)
        return problem(412, "conditionNotMet", request)
    return _json(_resource(bucket, key, buckets.write(bucket, key, blob)))


def reading(request: Request, found: Object | None, bucket: str, key: str, settings: Settings) -> Reply:
    wanted = request.query.get("generation")
    if found is None or (wanted and wanted != str(found.generation)):
        return problem(404, "notFound", request, f"No such object: {bucket}/{key}")
    match = request.query.get("ifGenerationMatch")
    if match and settings.conditions != "ignore" and match != str(found.generation):
        return problem(412, "conditionNotMet", request)
    if request.query.get("alt") != "media":
        return _json(_resource(bucket, key, found))
    blob, headers = found.blob, {
        "Content-Type": "application/octet-stream",
        "X-Goog-Generation": str(found.generation),
        "X-Goog-Hash": f"crc32c={found.blob.crc32c},md5={base64.b64encode(found.blob.md5).decode()}",
        "X-Goog-Stored-Content-Length": str(found.blob.size),
        "ETag": found.etag,
    }  # fmt: skip
    try:
        part = span(request.headers.get("range"), blob.size) if settings.ranges else None
    except ValueError:
        return problem(416, "requestedRangeNotSatisfiable", request)
    if part is None:
        return Reply(200, headers, blob)
    headers["Content-Range"] = f"bytes {part[0]}-{part[1] - 1}/{blob.size}"
    return Reply(206, headers, blob, *part)


def listing(request: Request, here: Bucket, bucket: str, settings: Settings) -> Reply:
    query = request.query
    token = query.get("pageToken", "")
    start = base64.b64decode(token).decode() if token else query.get("startOffset", "")
    count = min(1_000, int(query.get("maxResults", "1000")))
    names, more = here.page(query.get("prefix", ""), start, after=bool(token), count=count)
    if settings.late:
        names, more = [], False
    body: dict[str, Any] = {"kind": "storage#objects"}
    if names:
        body["items"] = [_resource(bucket, name, here.objects[name]) for name in names]
    if more:
        body["nextPageToken"] = base64.b64encode(names[-1].encode()).decode()
    return _json(body)


def uploading(
    request: Request, what: str, buckets: Buckets, bucket: str, key: str, settings: Settings
) -> Reply:
    """A resumable upload: its start, its chunks in order, and its state."""
    match = request.query.get("ifGenerationMatch")
    if what == "start":
        heeded = match is not None and settings.conditions in ("heed", "lie")
        if heeded and match != _generation(buckets, bucket, key):
            return problem(412, "conditionNotMet", request)
        name = buckets.begin(bucket, key, match)
        host = request.headers.get("host", "")
        at = f"http://{host}/upload/storage/v1/b/{quote(bucket, safe='')}/o?uploadType=resumable&upload_id={name}"
        return Reply(200, {"Location": at})
    name = request.query.get("upload_id", "")
    upload = buckets.uploads.get(name)
    if upload is None or upload.bucket != bucket:
        return problem(404, "notFound", request)
    if what == "abort":
        del buckets.uploads[name]
        return Reply(499)
    held = sum(blob.size for blob in upload.parts.values())
    sent = re.match(r"bytes (\d+)-(\d+)/(\d+|\*)$", request.headers.get("content-range", ""))
    if sent and int(sent[1]) == held:
        upload.parts[held] = request.body
        held += request.body.size
    whole = request.headers.get("content-range", "").rpartition("/")[2]
    if whole == str(held):
        return _finished(request, buckets, name, upload, settings)
    return Reply(308, {"Range": f"bytes=0-{held - 1}"} if held else {})


def _finished(request: Request, buckets: Buckets, name: str, upload: Upload, settings: Settings) -> Reply:
    blob = joined([upload.parts[at] for at in sorted(upload.parts)])
    del buckets.uploads[name]
    return writing(request, buckets, upload.bucket, upload.key, blob, upload.generation_match, settings)


def _generation(buckets: Buckets, bucket: str, key: str) -> str:
    found = buckets.all[bucket].objects.get(key)
    return str(found.generation) if found else "0"


def _resource(bucket: str, key: str, found: Object) -> dict[str, Any]:
    return {
        "kind": "storage#object",
        "id": f"{bucket}/{key}/{found.generation}",
        "name": key,
        "bucket": bucket,
        "generation": str(found.generation),
        "metageneration": "1",
        "size": str(found.blob.size),
        "md5Hash": base64.b64encode(found.blob.md5).decode(),
        "crc32c": found.blob.crc32c,
        "etag": found.etag,
        "timeCreated": _time(found.modified),
        "updated": _time(found.modified),
    }


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _json(body: dict[str, Any]) -> Reply:
    return Reply(200, {"Content-Type": "application/json; charset=UTF-8"}, json.dumps(body).encode())


def _described(request: Request) -> dict[str, Any]:
    """The metadata that a write sends along."""
    if request.query.get("uploadType") == "multipart":
        return json.loads(_pieces(request)[0])
    body = bytes(request.body)
    return json.loads(body) if body else {}


def _content(request: Request) -> Blob:
    if request.query.get("uploadType") != "multipart":
        return request.body
    content = _pieces(request)[1]
    return Blob(((content, len(content)),))


def _pieces(request: Request) -> list[bytes]:
    """Of a multipart/related body: the metadata and the bytes. Cut by hand, as no parser leaves line ends alone."""
    kind_of = BytesParser(policy=HTTP).parsebytes(
        f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
    )
    mark = b"--" + str(kind_of.get_boundary()).encode()
    body = bytes(request.body)
    found: list[bytes] = []
    at = body.index(mark)
    while not body.startswith(b"--", at + len(mark)):
        start = body.index(b"\r\n\r\n", at) + 4
        at = body.index(b"\r\n" + mark, start)
        found.append(body[start:at])
        at += 2
    return found
