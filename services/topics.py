"""`ttn topics`: what the cluster has against what deploy/topics.yaml says; creates what is missing, changes nothing.

`check` is for workers: they refuse to start on a topic that is missing or has another number of partitions, because
the partition of a key hangs on that number.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

import click
import msgspec
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from services import logs
from services.broker import bootstrap
from services.settings import Settings, SettingsError
from streams.topics import EVERY

DECLARED: Final = Path(__file__).parents[1] / "deploy" / "topics.yaml"
_DAY: Final = 86_400_000
_COPIES: Final = 3


class Topic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one topic is kept; `limit` in bytes. The fields are explained at the head of deploy/topics.yaml."""

    name: str
    about: str
    partitions: Literal["ours", "upstream"]
    cleanup: Literal["delete", "compact"]
    retention: str
    limit: int
    gone: str = ""

    def options(self, copies: int) -> dict[str, str]:
        """Kafka's own settings for this topic with this many copies.

        What is to be gone within a time has a third of it to wait for a new segment, a third for the empty record that
        begins it (services.transit), and a third for the cleaner. A deletion is kept for a day, for workers that are
        away.
        """
        days = re.fullmatch(r"([0-9]+) days", self.retention)
        made = {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(int(days[1]) * _DAY) if days else "-1",
            "max.message.bytes": str(self.limit),
            "min.insync.replicas": str(max(1, copies - 1)),
        }
        if minutes := re.fullmatch(r"([0-9]+) minutes", self.gone):
            third = str(int(minutes[1]) * 60_000 // 3)
            made |= {"segment.ms": third, "max.compaction.lag.ms": third, "min.cleanable.dirty.ratio": "0.01"}
            made["delete.retention.ms"] = str(_DAY)
        return made


class Difference(msgspec.Struct, frozen=True):
    """Something in which the cluster is not as declared. `wrong` stops workers; `missing` can be created."""

    topic: str
    says: str
    missing: bool = False
    wrong: bool = False

    def __str__(self) -> str:
        return f"{self.topic}: {self.says}"


class Present(msgspec.Struct, frozen=True):
    """A topic as the cluster has it."""

    partitions: int
    options: dict[str, str] = {}


def declared() -> tuple[Topic, ...]:
    """All topics of deploy/topics.yaml, in its order."""
    return msgspec.yaml.decode(DECLARED.read_bytes(), type=tuple[Topic, ...])


def differences(present: dict[str, Present], partitions: int, copies: int) -> list[Difference]:
    """How the topics of a cluster differ from what is declared, for this TTN_PARTITIONS."""
    found: list[Difference] = []
    for topic in declared():
        has = present.get(topic.name)
        if has is None:
            found.append(Difference(topic.name, f"is missing ({partitions} partitions, {topic.cleanup})", missing=True))
            continue
        if topic.partitions == "ours" and has.partitions != partitions:
            says = f"has {has.partitions} partitions, and TTN_PARTITIONS is {partitions}"
            found.append(Difference(topic.name, says, wrong=True))
        for name, value in topic.options(copies).items():
            if has.options.get(name, value) != value:
                found.append(Difference(topic.name, f"{name} is {has.options[name]}, and {value} is declared"))
    return found


async def plan(settings: Settings) -> list[Difference]:
    """How the cluster differs from what is declared. Raises SettingsError where it cannot be reached."""
    async with _admin(settings) as admin:
        return await _compare(admin, settings)


async def apply(settings: Settings) -> list[Difference]:
    """Create what is missing, and return what else differs, untouched.

    Raises SettingsError, with nothing created, where a topic has another number of partitions.
    """
    async with _admin(settings) as admin:
        found = await _compare(admin, settings)
        _refuse(each for each in found if each.wrong)
        copies = await _copies(admin)
        missing = {each.topic for each in found if each.missing}
        new = [
            NewTopic(t.name, settings.partitions, copies, topic_configs=t.options(copies))
            for t in declared()
            if t.name in missing
        ]
        if new:
            answer = await admin.create_topics(new)
            for name, code, *_ in answer.topic_errors:
                if code and for_code(code) is not TopicAlreadyExistsError:
                    raise SettingsError(f"The topic {name} could not be created: {for_code(code).__name__}.")
        return [each for each in found if not each.missing]


async def partitions(settings: Settings, topic: str) -> int:
    """How many partitions a topic has. Raises SettingsError where it is missing."""
    async with _admin(settings) as admin:
        present = await _present(admin)
    if topic not in present:
        _refuse([Difference(topic, "is missing", missing=True)])
    return present[topic].partitions


async def check(settings: Settings, names: Collection[str] = EVERY) -> None:
    """Return where these topics are there with the right number of partitions.

    Raises SettingsError with the name of the first that is not.
    """
    async with _admin(settings) as admin:
        present = await _present(admin)
    found = differences(present, settings.partitions, 1)
    _refuse(each for each in found if each.topic in names and (each.wrong or each.missing))


def _refuse(found: Iterable[Difference]) -> None:
    for each in found:
        if each.missing:
            raise SettingsError(f"The topic {each.topic} is missing; `ttn topics apply` creates it.")
        raise SettingsError(f"TTN_PARTITIONS: expected the number with which the topics were made; {each}.")


async def _compare(admin: AIOKafkaAdminClient, settings: Settings) -> list[Difference]:
    present = await _present(admin)
    ours = [topic.name for topic in declared() if topic.name in present]
    if ours:
        for name, options in (await _options(admin, ours)).items():
            present[name] = Present(present[name].partitions, options)
    return differences(present, settings.partitions, await _copies(admin))


async def _present(admin: AIOKafkaAdminClient) -> dict[str, Present]:
    return {each["topic"]: Present(len(each["partitions"])) for each in await admin.describe_topics()}


async def _options(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }


async def _copies(admin: AIOKafkaAdminClient) -> int:
    cluster = await admin.describe_cluster()
    return min(_COPIES, len(cluster["brokers"]))


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    servers = bootstrap(settings)
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, **settings.security.client_options())
    try:
        await admin.start()
    except KafkaError:
        await admin.close()
        raise SettingsError(f"TTN_KAFKA: expected brokers that can be reached, and {servers} cannot.") from None
    try:
        yield admin
    finally:
        await admin.close()


@click.group()
def command() -> None:
    """Compare the topics of the cluster with what is declared, or create the missing ones."""
    logs.quiet("topics")


@command.command("plan", short_help="Print how the cluster differs.")
def plan_command() -> None:
    """Print how the cluster differs from what is declared; changes nothing."""
    found = asyncio.run(plan(Settings.load()))
    for each in found:
        click.echo(each)
    click.echo(f"{len(declared())} topics declared, {len(found)} {'difference' if len(found) == 1 else 'differences'}.")


@command.command("apply", short_help="Create the missing topics.")
def apply_command() -> None:
    """Create the missing topics. Refuses where a topic has another number of partitions."""
    left = asyncio.run(apply(Settings.load()))
    for each in left:
        click.echo(f"{each}; left as it is")
    click.echo(f"All {len(declared())} topics are there.")
