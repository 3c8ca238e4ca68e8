"""A worker process: opens one embedded database and answers its server, one call at a time.

    python -P -m servers.database.worker.child

The first frame is an `Opening`; each further one a call, or a stop for the call that runs. It leaves when its input
ends, whatever it is doing, so that it never outlives its server.
"""

from __future__ import annotations

import os
import queue
import sys
import threading

from servers.database.errors import DatabaseError, Refused, TooLarge
from servers.database.worker import frames
from servers.database.worker.session import Opening, Session

CALLS = ("query", "explain", "execute", "find", "describe", "sample")


def opened(opening: Opening) -> Session:
    """Return the session for an opening. The engine is imported only here: a worker needs one of them."""
    if opening.dialect == "sqlite":
        from servers.database.sqlite.session import SqliteSession

        return SqliteSession(opening.path, writable=opening.writable)
    from servers.database.duckdb.session import DuckSession

    return DuckSession(opening.path, memory=opening.memory)


def bound_memory(limit: int) -> None:
    """Limit the address space, and write no core file. Not possible on Windows."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def answer(session: Session, request: frames.Request) -> bytes:
    """Return the reply to one call: what it gave, or the code and text of its error."""
    act, *arguments = request
    try:
        if act not in CALLS:
            raise Refused(f"A worker has no call {act!r}.")
        return frames.reply({"done": getattr(session, act)(*arguments)})
    except DatabaseError as error:
        return frames.reply({"code": error.code, "text": str(error)})
    except (MemoryError, RecursionError):
        error = TooLarge("The statement needs more memory than it may use. Select fewer or shorter values.")
        return frames.reply({"code": error.code, "text": str(error)})


def listen(session: Session, calls: queue.SimpleQueue[frames.Request]) -> None:
    """Read what the server sends: calls go to the queue, a stop goes to the engine, the end ends the process."""
    while (payload := frames.read(sys.stdin.buffer)) is not None:
        request = frames.requested(payload)
        if request[0] == frames.STOP:
            session.interrupt()
        else:
            calls.put(request)
    os._exit(0)


def main() -> None:
    """Serve until the input ends."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever an engine prints goes to the log, never between the frames
    first = frames.read(sys.stdin.buffer)
    if first is None:
        return
    (opening,) = frames.requested(first)
    bound_memory(opening.memory)
    try:
        session = opened(opening)
    except DatabaseError as error:
        frames.write(out, frames.reply({"code": error.code, "text": str(error)}))
        return
    frames.write(out, frames.reply({"done": None}))
    calls: queue.SimpleQueue[frames.Request] = queue.SimpleQueue()
    threading.Thread(target=listen, args=(session, calls), daemon=True).start()
    while True:
        frames.write(out, answer(session, calls.get()))


if __name__ == "__main__":
    main()
