"""The S3 API, as `tasks.stores.s3` and boto3's uploads use it and Amazon's documents describe it."""

import hashlib
import re
import xml.etree.ElementTree as ET
from email.utils import format_datetime
from urllib.parse import quote
from xml.sax.saxutils import escape

from tests.support.objectserver.buckets import Blob, Bucket, Buckets, Object, joined
from tests.support.objectserver.faults import Settings
from tests.support.objectserver.wire import Reply, Request, span

SMALLEST = 5 * 2**20  # bytes of a part that is not the last
MESSAGES = {
    "NoSuchBucket": "The specified bucket does not exist",
    "NoSuchKey": "The specified key does not exist.",
    "PreconditionFailed": "At least one of the pre-conditions you specified did not hold",
}


def place(request: Request) -> tuple[str, str]:
    """Bucket and key."""
    bucket, *rest = request.parts
    return bucket, "/".join(rest)


def kind(request: Request) -> str:
    """The kind of a request, in one word."""
    _, key = place(request)
    query, method = request.query, request.method
    if not key:
        return {"GET": "list", "HEAD": "bucket", "PUT": "make", "DELETE": "unmake"}.get(method, "other")
    if "uploads" in query:
        return "start"
    if "uploadId" in query:
        return {"PUT": "part", "POST": "complete", "DELETE": "abort"}.get(method, "other")
    if method == "PUT":
        return "create" if "if-none-match" in request.headers else "put"
    return {"GET": "get", "HEAD": "head", "DELETE": "delete"}.get(method, "other")


def problem(status: int, code: str, request: Request, **headers: str) -> Reply:
    if request.method == "HEAD":
        return Reply(status, headers)
    text = escape(MESSAGES.get(code, code))
    region = headers.get("x-amz-bucket-region", "")
    body = f"<Error><Code>{code}</Code><Message>{text}</Message>" + (
        f"<Region>{region}</Region>" if region else ""
    )
    return Reply(status, {"Content-Type": "application/xml"} | headers, f"{HEADER}{body}</Error>".encode())


HEADER = '<?xml version="1.0" encoding="UTF-8"?>\n'


def answer(request: Request, buckets: Buckets, settings: Settings) -> Reply:  # noqa: PLR0911 - one for each kind
    """Carry out a request."""
    bucket, key = place(request)
    what = kind(request)
    signed = re.search(r"Credential=[^/]+/\d+/([^/]+)/", request.headers.get("authorization", ""))
    if settings.region and signed and signed[1] != settings.region:
        told = {"x-amz-bucket-region": settings.region} if settings.tell_region else {}
        return problem(301, "PermanentRedirect", request, **told)
    if what == "make":
        buckets.all.setdefault(bucket, Bucket())
        return Reply(200, {"Location": f"/{bucket}"})
    if bucket not in buckets.all:
        return problem(404, "NoSuchBucket", request)
    if what == "bucket":
        return Reply(200, {"x-amz-bucket-region": settings.region or "us-east-1"})
    if what == "list":
        return listing(request, buckets, bucket, settings)
    if what in ("get", "head"):
        return reading(request, buckets.all[bucket].objects.get(key), settings)
    if what in ("create", "put"):
        return writing(request, buckets, bucket, key, request.body, None, settings)
    if what == "delete":
        buckets.delete(bucket, key)
        return Reply(204)
    return uploading(request, what, buckets, bucket, key, settings)


def writing(
    request: Request,
    buckets: Buckets,
    bucket: str,
    key: str,
    blob: Blob,
    etag: str | None,
    settings: Settings,
) -> Reply:
    there = buckets.all[bucket].objects.get(key)
    if "if-none-match" in request.headers and settings.conditions != "ignore":
        if settings.conditions == "refuse":
            return problem(501, "NotImplemented", request)
        if there is not None:
            if settings.conditions == "lie":
                buckets.write(bucket, key, blob, etag)
            return problem(412, "PreconditionFailed", request)
    made = buckets.write(bucket, key, blob, etag)
    return Reply(200, {"ETag": f'"{made.etag}"'})


def reading(request: Request, found: Object | None, settings: Settings) -> Reply:
    if found is None:
        return problem(404, "NoSuchKey", request)
    wanted = request.headers.get("if-match")
    if wanted and settings.conditions != "ignore" and wanted.strip('"') != found.etag:
        return problem(412, "PreconditionFailed", request)
    headers = {
        "ETag": f'"{found.etag}"',
        "Last-Modified": format_datetime(found.modified, usegmt=True),
        "Content-Type": "binary/octet-stream",
    }
    size = found.blob.size
    try:
        part = span(request.headers.get("range"), size) if settings.ranges else None
    except ValueError:
        return problem(416, "InvalidRange", request)
    if request.method == "HEAD":
        return Reply(200, headers, length=size)
    if part is None:
        return Reply(200, headers, found.blob)
    headers["Content-Range"] = f"bytes {part[0]}-{part[1] - 1}/{size}"
    return Reply(206, headers, found.blob, *part)


def listing(request: Request, buckets: Buckets, bucket: str, settings: Settings) -> Reply:
    query = request.query
    start = query.get("continuation-token") or query.get("start-after", "")
    count = min(1_000, int(query.get("max-keys", "1000")))
    here = buckets.all[bucket]
    names, more = here.page(query.get("prefix", ""), start, after=bool(start), count=count)
    if settings.late:
        names, more = [], False
    lines = "".join(
        f"<Contents><Key>{quote(name)}</Key><LastModified>{found.modified:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
        f"<ETag>&quot;{found.etag}&quot;</ETag><Size>{found.blob.size}</Size></Contents>"
        for name, found in ((name, here.objects[name]) for name in names)
    )
    token = f"<NextContinuationToken>{escape(names[-1])}</NextContinuationToken>" if more else ""
    if settings.endless:
        names, more = here.page(query.get("prefix", ""), "", after=False, count=min(count, 1))
        more, token = True, "<NextContinuationToken>again</NextContinuationToken>"
    body = (
        f"{HEADER}<ListBucketResult><Name>{bucket}</Name><EncodingType>url</EncodingType>"
        f"<KeyCount>{len(names)}</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>{token}{lines}"
        "</ListBucketResult>"
    )
    return Reply(200, {"Content-Type": "application/xml"}, body.encode())


def uploading(  # noqa: PLR0911
    request: Request, what: str, buckets: Buckets, bucket: str, key: str, settings: Settings
) -> Reply:
    """An object in parts."""
    if what == "start":
        name = buckets.begin(bucket, key)
        body = f"{HEADER}<InitiateMultipartUploadResult><UploadId>{name}</UploadId></InitiateMultipartUploadResult>"
        return Reply(200, {"Content-Type": "application/xml"}, body.encode())
    name = request.query.get("uploadId", "")
    upload = buckets.uploads.get(name)
    if upload is None or (upload.bucket, upload.key) != (bucket, key):
        return problem(404, "NoSuchUpload", request)
    if what == "part":
        upload.parts[int(request.query["partNumber"])] = request.body
        return Reply(200, {"ETag": f'"{request.body.md5.hex()}"'})
    if what == "abort":
        del buckets.uploads[name]
        return Reply(204)
    root = ET.fromstring(bytes(request.body))
    asked = [
        (int(part.findtext("{*}PartNumber", "0")), part.findtext("{*}ETag", "").strip('"'))
        for part in root.iter()
        if part.tag.endswith("}Part") or part.tag == "Part"
    ]
    parts = [upload.parts.get(number) for number, _ in asked]
    blobs = [part for part, (_, etag) in zip(parts, asked, strict=True) if part and part.md5.hex() == etag]
    if not blobs or len(blobs) < len(asked) or asked != sorted(asked):
        return problem(400, "InvalidPart", request)
    if any(blob.size < SMALLEST for blob in blobs[:-1]):
        return problem(400, "EntityTooSmall", request)
    etag = f"{hashlib.md5(b''.join(blob.md5 for blob in blobs)).hexdigest()}-{len(blobs)}"
    reply = writing(request, buckets, bucket, key, joined(blobs), etag, settings)
    if reply.status == 200:
        del buckets.uploads[name]
        body = f"{HEADER}<CompleteMultipartUploadResult><ETag>&quot;{etag}&quot;</ETag></CompleteMultipartUploadResult>"
        return Reply(200, {"Content-Type": "application/xml"}, body.encode())
    return reply
