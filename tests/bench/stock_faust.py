"""The same job in Faust's documented style, as a newcomer would write it: Record, Table and `await send`.

Run as a process: `python -m tests.bench.stock_faust BOOTSTRAP SOURCE OUT GROUP FOLDER`.
"""

import sys
from typing import Any

import faust
from faust.worker import Worker


class Event(faust.Record, serializer="json"):
    """What comes in."""

    event_id: str
    traveler_id: str
    event_type: str
    ts: float
    airport: str
    status: str
    seq: int
    payload: dict[str, Any]


class State(faust.Record, serializer="json"):
    """What is kept of a traveler."""

    status: str
    seq: int
    ts: float
    count: int


def main() -> None:
    """Run until told to stop."""
    bootstrap, source, out, group, folder = sys.argv[1:6]
    app = faust.App(
        group,
        broker=f"kafka://{bootstrap}",
        store="rocksdb://",
        datadir=folder,
        topic_partitions=4,
        web_enabled=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
    )
    written = app.topic(out, value_type=Event)
    table = app.Table("travelers", partitions=4, options={"driver": "rocksdict"})

    @app.agent(app.topic(source, value_type=Event))
    async def unify(events: Any) -> None:
        async for event in events:
            old = table.get(event.traveler_id)
            count = 1 if old is None else old["count"] + 1
            table[event.traveler_id] = State(event.status, event.seq, event.ts, count).asdict()
            await written.send(key=event.traveler_id, value=event)

    Worker(app, loglevel="ERROR").execute_from_commandline()


if __name__ == "__main__":
    main()
