"""moto's server behind one lock: by itself it looks whether a key is there and writes afterwards, so that two may win."""
# moto's server comes without types
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

import os
import sys
import threading
from collections.abc import Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

LOOK = 1.0  # seconds between two looks whether the parent lives


def main() -> None:
    app: Any = DomainDispatcherApplication(create_backend_app)
    lock = threading.Lock()

    def one_by_one(environ: Any, start_response: Any) -> Iterable[bytes]:
        with lock:
            return list(app(environ, start_response))

    threading.Thread(target=end_with_parent, daemon=True).start()
    run_simple("127.0.0.1", int(sys.argv[1]), one_by_one, threaded=True)


def end_with_parent() -> None:
    parent = os.getppid()
    over = threading.Event()
    while os.getppid() == parent:
        over.wait(LOOK)
    os._exit(0)


if __name__ == "__main__":
    main()
