"""The status page: whether news gets through, for anybody to read, with nothing of anybody in it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from services import topics as creation
from services.settings import Settings
from services.web.progress import Progress, Stage, Watcher
from services.web.server import WebServer
from services.web.state import _age, verdict
from streams import PIPELINE, topics
from tests.chromium import chromium
from tests.edge.test_web import KEYS, Held

NOW = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)


class Seen(Watcher):
    """Sees what the test says."""

    def __init__(self) -> None:
        self.progress = _progress()

    async def look(self) -> Progress:
        return self.progress


def _progress(waiting: int = 0, seconds: float = 0) -> Progress:
    oldest = NOW - timedelta(seconds=seconds) if waiting else None
    late = Stage(name="addresses", waiting=waiting, oldest=oldest)
    return Progress(at=NOW, stages=(*(Stage(name=name) for name in PIPELINE[:-1]), late))


def _settings(folder: Path, **more: str) -> Settings:
    return Settings.load({"TTN_DATA_DIR": str(folder), "TTN_WEB_LISTEN": "127.0.0.1:0", **more})


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[tuple[Seen, str]]:
    seen = Seen()
    server = WebServer(_settings(tmp_path), KEYS, Held(), watcher=seen)
    yield seen, await server.start()
    await server.stop()


@pytest.mark.parametrize(
    ("progress", "what"),
    [
        (_progress(), "well"),
        (_progress(12, 5), "busy"),
        (_progress(12, 121), "late"),
        (Progress(at=NOW, stages=None), "unknown"),
    ],
)
async def test_the_page_says_in_one_sentence_what_it_comes_to(
    site: tuple[Seen, str], progress: Progress, what: str
) -> None:
    seen, url = site
    seen.progress = progress
    assert verdict(progress) == what
    async with aiohttp.ClientSession() as session, session.get(url + "/status") as response:
        page = await response.text()
        assert response.status == (503 if what == "unknown" else 200)
        assert response.headers["Cache-Control"] == "no-store"
    assert f'class="verdict {what}"' in page


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 seconds"), (1, "1 second"), (61, "1 minute"), (7300, "2 hours"), (90_000, "1 day")]
)
def test_an_age_is_said_as_people_say_it(seconds: int, said: str) -> None:
    assert _age(NOW - timedelta(seconds=seconds), NOW) == said


@pytest.mark.browser
async def test_the_page_is_whole_without_script_and_in_the_dark(site: tuple[Seen, str], tmp_path: Path) -> None:
    seen, url = site
    seen.progress = _progress(12_345, 150)
    async with chromium(tmp_path / "chromium") as tab:
        await tab.call("Emulation.setScriptExecutionDisabled", value=True)
        await tab.call("Page.navigate", url=url + "/status")
        await tab.call("Emulation.setScriptExecutionDisabled", value=False)
        await tab.wait_for("document.querySelector('.verdict')?.innerText.startsWith('Late.')")
        row = "document.querySelector('tbody tr:last-child')"
        assert await tab.run(f"{row}.cells[1].innerText") == "12,345"
        assert await tab.run(f"{row}.cells[2].innerText") == "2 minutes"
        assert await tab.run("document.querySelectorAll('tbody th[scope=row]').length") == len(PIPELINE)
        assert await tab.run("document.querySelectorAll('h1').length") == 1
        for scheme in ("light", "dark"):
            await tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            contrast = await tab.run(_CONTRAST)
            assert contrast >= 4.5, scheme
        await tab.call("Emulation.setDeviceMetricsOverride", width=360, height=800, deviceScaleFactor=1, mobile=True)
        assert await tab.run("document.documentElement.scrollWidth") <= 360
        assert len(await tab.screenshot()) > 5_000


_CONTRAST = """(() => {
  const channel = (c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const light = (color) => {
    const [r, g, b] = color.match(/[0-9.]+/g).map(Number);
    return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const ratios = [...document.querySelectorAll("main *")].map((item) => {
    const ink = light(getComputedStyle(item).color);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  });
  return Math.min(...ratios);
})()"""


async def test_without_kafka_it_says_so(tmp_path: Path) -> None:
    assert (await Watcher(_settings(tmp_path)).look()).stages is None
    nobody = _settings(tmp_path, TTN_KAFKA="127.0.0.1:9")
    assert (await Watcher(nobody).look()).stages is None


@pytest.mark.kafka
async def test_what_a_stage_has_not_read_waits_since_it_was_written(kafka: str, tmp_path: Path) -> None:
    settings = _settings(tmp_path, TTN_KAFKA=kafka, TTN_PARTITIONS="4")
    await creation.apply(settings)
    group, inbox = "ttn-addresses", topics.inbox("addresses")
    reader = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=group, enable_auto_commit=False)
    await reader.start()
    places = [TopicPartition(inbox, number) for number in range(4)]
    reader.assign(places)
    await reader.commit(await reader.end_offsets(places))
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id="test-state")
    await producer.start()
    try:
        assert await _of("addresses", settings) == (0, None)
        began = datetime.now(UTC) - timedelta(seconds=1)
        async with producer.transaction():
            for _ in range(3):
                await producer.send_and_wait(inbox, b"x", partition=1)
        async with asyncio.timeout(20):
            # A broker finishes a transaction a moment after it has said so.
            while (seen := await _of("addresses", settings))[0] < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        _, oldest = seen
        assert oldest is not None
        assert began <= oldest <= datetime.now(UTC)
        await reader.commit({places[1]: (await reader.end_offsets([places[1]]))[places[1]] - 1})
        assert await _of("addresses", settings) == (0, None), "the marker of a transaction is nothing that waits"
    finally:
        await reader.stop()
        await producer.stop()


async def _of(name: str, settings: Settings) -> tuple[int, datetime | None]:
    stages = (await Watcher(settings).look()).stages
    assert stages is not None
    [stage] = [stage for stage in stages if stage.name == name]
    return stage.waiting, stage.oldest
