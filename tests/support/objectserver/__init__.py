"""An object store on loopback with the parts of S3 and GCS that we use; it injects faults on request.

    python -m tests.support.objectserver --port 9000 --bucket vectors

One thread takes one request after the other, so a conditional write is atomic by construction; bodies are held in
memory, or in a folder when large. In a test, `with Running() as server:` runs it in a thread. `Admin(address)` tells it
what shall go wrong, from any process. Signatures are not checked, and it listens on 127.0.0.1 alone.
"""

from tests.support.objectserver.admin import Admin
from tests.support.objectserver.faults import Fault, Requests, Settings
from tests.support.objectserver.server import Running, Server, environment

__all__ = ["Admin", "Fault", "Requests", "Running", "Server", "Settings", "environment"]
