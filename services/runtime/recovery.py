"""Faust's recovery with our restore in it: offsets that nobody else can move, then stores, then records."""

from typing import Any

from faust.tables.manager import TableManager as UpstreamTableManager
from faust.tables.recovery import Recovery as UpstreamRecovery


class Recovery(UpstreamRecovery):
    """Makes the partitions ready before upstream lets records flow."""

    async def _resume_streams(self, generation_id: int = 0) -> None:
        """Upstream's way for an app without Faust tables, which is what ours is; stores come first."""
        await self._wait(self._ready())
        await super()._resume_streams(generation_id)

    async def _ready(self) -> None:
        app: Any = self.app
        await app.consumer.read_committed_offsets()
        await app.owned.restore()


class TableManager(UpstreamTableManager):
    """Holds no tables: a store is fed by its own restore and by its actor alone."""

    @property
    def recovery(self) -> Any:
        """The recovery service."""
        if self._recovery is None:
            self._recovery = Recovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_start(self) -> None:
        """As upstream, without its wait of a second for tables that we do not have."""
        await self._update_channels()
        await self.recovery.start()
