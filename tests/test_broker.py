"""The local Kafka: real, gone with its parent, and clear about why it cannot start."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.broker import Cluster, LocalKafka, bootstrap, jars
from services.children import Child
from services.settings import Settings, SettingsError

PARENT = """
    import sys, time
    from pathlib import Path
    from services.broker import LocalKafka
    kafka = LocalKafka(Path(sys.argv[1]), lambda said: None)
    print(kafka._cluster.brokers[0].pid, flush=True)
    time.sleep(600)
"""


def _gone(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


async def _produce(servers: str, topic: str, values: list[bytes]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def _consume(servers: str, topic: str, count: int) -> list[bytes]:
    async with AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        return [(await consumer.getone()).value for _ in range(count)]


async def _create(servers: str, topic: str, copies: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, copies)])
    await admin.close()


@pytest.mark.kafka
async def test_what_is_written_is_read_back(kafka: str) -> None:
    await _create(kafka, "written", 1)
    await _produce(kafka, "written", [b"one", b"two"])
    assert await _consume(kafka, "written", 2) == [b"one", b"two"]


@pytest.mark.kafka
async def test_a_cluster_of_three_goes_on_without_one_and_takes_it_back(
    kafka_cluster: Callable[[int], Cluster],
) -> None:
    cluster = kafka_cluster(3)
    await _create(cluster.bootstrap, "kept", 3)
    await _produce(cluster.bootstrap, "kept", [b"before"])
    cluster.brokers[0].kill()
    await _produce(cluster.brokers[1].address, "kept", [b"without"])
    cluster.restart(cluster.brokers[0])
    await _produce(cluster.bootstrap, "kept", [b"after"])
    assert await _consume(cluster.brokers[0].address, "kept", 3) == [b"before", b"without", b"after"]


@pytest.mark.kafka
async def test_a_broker_that_was_killed_comes_back_with_its_data(kafka_cluster: Callable[[int], Cluster]) -> None:
    cluster = kafka_cluster(1)
    await _create(cluster.bootstrap, "kept", 1)
    await _produce(cluster.bootstrap, "kept", [b"before"])
    cluster.brokers[0].kill()
    cluster.restart(cluster.brokers[0])
    assert await _consume(cluster.bootstrap, "kept", 1) == [b"before"]


def _hear_interrupts() -> None:
    """What a shell starts in the background ignores SIGINT, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.kafka
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_broker_ends_with_its_parent_however_that_ends(kafka_libs: Path, tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-c", textwrap.dedent(PARENT), str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, preexec_fn=_hear_interrupts
    ) as parent:
        assert parent.stdout is not None
        broker = int(parent.stdout.readline())
        parent.send_signal(number)
        parent.wait(20)
    assert _gone(broker, 20)
    with pytest.raises(SettingsError, match=r"^TTN_KAFKA: expected the brokers' addresses"):
        bootstrap(Settings.load({"TTN_DATA_DIR": str(tmp_path)}))


@pytest.mark.kafka
def test_other_commands_find_the_broker_of_the_data_dir(kafka_libs: Path, tmp_path: Path) -> None:
    settings = Settings.load({"TTN_DATA_DIR": str(tmp_path)})
    with pytest.raises(SettingsError, match=r"^TTN_KAFKA: "):
        bootstrap(settings)
    with LocalKafka(tmp_path, print) as kafka:
        assert bootstrap(settings) == kafka.bootstrap
        with pytest.raises(SettingsError, match="another broker runs"):
            LocalKafka(tmp_path, print)
        assert bootstrap(settings) == kafka.bootstrap
    with pytest.raises(SettingsError, match=r"^TTN_KAFKA: "):
        bootstrap(settings)


@pytest.mark.kafka
def test_a_port_that_is_taken_is_one_sentence(kafka_libs: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [taken.getsockname()[1], other.getsockname()[1]]
        with pytest.raises(SettingsError, match=f"port {ports[0]} or {ports[1]} is taken"):
            Cluster(kafka_libs, tmp_path, ports=ports).start()


def test_no_java_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(SettingsError, match="Java 17 or newer is needed"):
        Cluster(tmp_path, tmp_path / "kafka").start()


def test_no_maven_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"Maven \(`mvn`\) is needed once"):
        jars(print, {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)})


def test_a_wrong_kafka_home_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^KAFKA_HOME: expected the folder"):
        jars(print, {"KAFKA_HOME": str(tmp_path)})


def test_a_data_dir_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "kafka").touch()
    with pytest.raises(SettingsError, match="Kafka cannot keep its data"):
        Cluster(tmp_path, tmp_path / "kafka" / "below").start()


def test_a_child_gives_its_exit_status_and_its_output(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = Child([sys.executable, "-c", "print('said'); raise SystemExit(7)"], log)
    assert child.wait(20) == 7
    assert log.read_text() == "said\n"


def test_a_child_that_is_killed_is_told_from_one_that_ended(tmp_path: Path) -> None:
    child = Child(["sleep", "600"], tmp_path / "log")
    assert child.poll() is None
    child.kill()
    assert child.poll() == 128 + signal.SIGKILL
    assert _gone(child.pid, 5)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux does it")
def test_a_child_ends_even_when_its_guard_is_killed(tmp_path: Path) -> None:
    child = Child(["sleep", "600"], tmp_path / "log")
    child._guard.kill()
    assert _gone(child.pid, 5)


def test_a_command_that_does_not_exist_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Child([str(tmp_path / "nothing")], tmp_path / "log")
