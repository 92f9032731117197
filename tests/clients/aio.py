"""aiokafka: topics, produce, consume, admin, groups.

aio.py BOOTSTRAP [PART...]; without parts, all of them.
"""

import asyncio
import os
import sys
import time
import traceback

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

PARTITIONS = 3
RECORDS = 3_000
DEADLINE_S = 60
# Of the part `steady`: enough that every shard of eight has some.
STEADY_PARTITIONS = 16
STEADY_S = 4
FIRST_MS = int(time.time() * 1000) - RECORDS

bootstrap = sys.argv[1]
topic = f"aiokafka-{os.getpid()}"


class Admin:
    async def __aenter__(self):
        self.client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await self.client.start()
        return self.client

    async def __aexit__(self, *_):
        await self.client.close()


def consumer(*topics, **settings):
    return AIOKafkaConsumer(*topics, bootstrap_servers=bootstrap, auto_offset_reset="earliest",
                            enable_auto_commit=False, **settings)


async def poll(reader, wanted):
    found, until = [], time.monotonic() + DEADLINE_S
    while len(found) < wanted:
        assert time.monotonic() < until, f"only {len(found)} records of {wanted}"
        for records in (await reader.getmany(timeout_ms=500)).values():
            found.extend(records)
    return found


async def topics():
    async with Admin() as admin:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
        assert topic in await admin.list_topics()
        [found] = await admin.describe_topics([topic])
        assert len(found["partitions"]) == PARTITIONS, found


async def produce():
    for index, settings in enumerate([{"enable_idempotence": True}, {"compression_type": "gzip"}]):
        sender = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5, **settings)
        await sender.start()
        sent = [
            await sender.send(topic, key=b"key %d" % number, value=b"value %d" % number,
                              partition=number % PARTITIONS, timestamp_ms=FIRST_MS + number,
                              headers=[("number", b"%d" % number)])
            for number in range(index, RECORDS, 2)
        ]
        await asyncio.wait_for(asyncio.gather(*sent), DEADLINE_S)
        await sender.stop()


async def consume():
    reader = consumer()
    await reader.start()
    reader.assign([TopicPartition(topic, partition) for partition in range(PARTITIONS)])
    await reader.seek_to_beginning()
    found = await poll(reader, RECORDS)
    numbers = sorted(int(record.value.split()[1]) for record in found)
    assert numbers == list(range(RECORDS)), "not every record once"
    for record in found:
        number = int(record.value.split()[1])
        assert record.key == b"key %d" % number, record
        assert record.timestamp == FIRST_MS + number, record
        assert record.headers == (("number", b"%d" % number),), record
    first = TopicPartition(topic, 0)
    assert (await reader.end_offsets([first]))[first] == RECORDS // PARTITIONS
    assert (await reader.offsets_for_times({first: FIRST_MS + 3}))[first].offset is not None
    await reader.stop()


async def changes():
    async with Admin() as admin:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "3600000"})
        await admin.alter_configs([resource])
        described = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        assert "3600000" in str(described), described
        await admin.create_partitions({topic: NewPartitions(PARTITIONS + 1)})


async def groups():
    group = f"{topic}-group"
    reader = consumer(topic, group_id=group)
    await reader.start()
    assert len(await poll(reader, RECORDS)) == RECORDS
    await reader.commit()
    await reader.stop()
    again = consumer(topic, group_id=group)
    await again.start()
    until = time.monotonic() + DEADLINE_S
    while not again.assignment():
        assert time.monotonic() < until, "no assignment"
        assert not await again.getmany(timeout_ms=500), "read again after a commit"
    assert await again.committed(TopicPartition(topic, 0)) == RECORDS // PARTITIONS
    await again.commit({TopicPartition(topic, 1): (7, "a note")})
    assert await again.committed(TopicPartition(topic, 1)) == 7
    await again.stop()
    async with Admin() as admin:
        assert group in str(await admin.list_consumer_groups())


async def deletion():
    async with Admin() as admin:
        await admin.delete_topics([topic])
        until = time.monotonic() + DEADLINE_S
        while topic in await admin.list_topics():
            assert time.monotonic() < until, "still listed"


async def steady():
    """Every partition in turn, one record a request, and a reader of all of them: where do the
    requests go? The broker's counters tell."""
    steady_topic = f"{topic}-steady"
    async with Admin() as admin:
        await admin.create_topics([NewTopic(steady_topic, STEADY_PARTITIONS, 1)])
    sender, reader, sent, found = AIOKafkaProducer(bootstrap_servers=bootstrap), consumer(), 0, 0
    await sender.start()
    await reader.start()
    reader.assign([TopicPartition(steady_topic, number) for number in range(STEADY_PARTITIONS)])
    await reader.seek_to_beginning()
    until = time.monotonic() + STEADY_S
    while time.monotonic() < until:
        await sender.send_and_wait(steady_topic, b"x", partition=sent % STEADY_PARTITIONS)
        sent += 1
        found += sum(map(len, (await reader.getmany()).values()))
    assert found + len(await poll(reader, sent - found)) == sent
    await sender.stop()
    await reader.stop()
    print(f"aiokafka: steady: {sent} requests")


PARTS = [topics, produce, consume, changes, groups, deletion, steady]


async def main():
    for part in PARTS:
        if sys.argv[2:] and part.__name__ not in sys.argv[2:]:
            continue
        try:
            await part()
        except BaseException:
            traceback.print_exc()
            print(f"aiokafka: FAILED: {part.__name__}", flush=True)
            os._exit(1)
        print(f"aiokafka: {part.__name__}: ok", flush=True)
    print("aiokafka: PASSED", flush=True)
    os._exit(0)


asyncio.run(main())
