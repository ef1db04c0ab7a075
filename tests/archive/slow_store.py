"""A store with slow uploads, as a process: ``python slow_store.py SECONDS`` prints its port."""

import asyncio
import os
import sys

counts = {"stored": 0, "now": 0, "most": 0}
stored: set[bytes] = set()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    while head := await reader.readuntil(b"\r\n\r\n"):
        request = head.split(b"\r\n", 1)[0]
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)
        body = b""
        if request.startswith(b"PUT"):
            counts["now"] += 1
            counts["most"] = max(counts["most"], counts["now"])
            await asyncio.sleep(delay_s)
            counts["now"] -= 1
            stored.add(request)
        else:
            body = f"{len(stored)} {counts['most']}".encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


async def main() -> None:
    delay_s = float(sys.argv[1])

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer, delay_s)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
