"""The server as a process of its own. Prints its address, and ends on request or when its parent is gone."""

import argparse
import asyncio
import os
import signal
from pathlib import Path

from tests.support.objectserver.buckets import Bucket
from tests.support.objectserver.server import Server

LOOK = 1.0  # seconds between two looks whether the parent lives


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.objectserver")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--folder", type=Path, help="where large bodies are kept; without it in memory")
    parser.add_argument("--bucket", action="append", default=[], help="make it")
    parser.add_argument("--orphan", action="store_true", help="live on when the parent is gone")
    arguments = parser.parse_args()
    parent = os.getppid()  # before the address is printed: a parent that has read it may end at once
    if arguments.folder:
        arguments.folder.mkdir(parents=True, exist_ok=True)
    server = Server(arguments.folder)
    for name in arguments.bucket:
        server.buckets.all[name] = Bucket()
    await server.start(arguments.port)
    print(server.address, flush=True)
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    while not over.is_set() and (arguments.orphan or os.getppid() == parent):
        try:
            await asyncio.wait_for(over.wait(), LOOK)
        except TimeoutError:
            continue
    await server.stop()


if __name__ == "__main__":
    asyncio.run(main())
