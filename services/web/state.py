"""The page that says whether news gets through: counts and ages of the stages, and nothing of any person."""

from datetime import datetime, timedelta
from typing import Final

from aiohttp import web

from services.web.html import headers, pages
from services.web.progress import Progress, Watcher

_SLOW: Final = timedelta(minutes=2)
"""An oldest record that waits longer than this is no longer a moment's work."""

_WORK: Final = {
    "intake": "Checks the events of the programs",
    "records": "Keeps each enrollment",
    "travelers": "Keeps each traveler's view and decides what to say",
    "addresses": "Sends texts and emails",
}
_HEADERS: Final = headers("img-src data:")


class State:
    """The handler over one watcher."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        templates = pages()
        templates.filters["age"] = _age
        self._page = templates.get_template("state.html")

    async def show(self, _: web.Request) -> web.Response:
        """The page; 503 while Kafka does not answer, so that a monitor can ask it too."""
        progress = await self._watcher.look()
        text = self._page.render(progress=progress, verdict=verdict(progress), work=_WORK)
        status = 200 if progress.stages is not None else 503
        return web.Response(text=text, status=status, content_type="text/html", headers=_HEADERS)


def verdict(progress: Progress) -> str:
    """What it comes to: unknown, late, busy or well."""
    if progress.stages is None:
        return "unknown"
    oldest = [stage.oldest for stage in progress.stages if stage.oldest is not None]
    if any(moment < progress.at - _SLOW for moment in oldest):
        return "late"
    return "busy" if oldest else "well"


def _age(moment: datetime, now: datetime) -> str:
    """How long ago, as one would say it."""
    seconds = max(0, int((now - moment).total_seconds()))
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"
