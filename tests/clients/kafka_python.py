"""kafka-python: topics, produce, consume, admin, groups.

kafka_python.py BOOTSTRAP [PART...]; without parts, all of them.
"""

import os
import sys
import time
import traceback

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import TopicAlreadyExistsError
from kafka.structs import OffsetAndMetadata

PARTITIONS = 3
RECORDS = 3_000
DEADLINE_S = 60
# Of the part `steady`: enough that every shard of eight has some.
STEADY_PARTITIONS = 16
STEADY_S = 4
FIRST_MS = int(time.time() * 1000) - RECORDS

bootstrap = sys.argv[1]
topic = f"kafka-python-{os.getpid()}"
admin = KafkaAdminClient(bootstrap_servers=bootstrap)


def consumer(**settings):
    return KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest",
                         enable_auto_commit=False, **settings)


def poll(reader, wanted):
    """So many records; more at once, if they come at once."""
    found, until = [], time.monotonic() + DEADLINE_S
    while len(found) < wanted:
        assert time.monotonic() < until, f"only {len(found)} records of {wanted}"
        for records in reader.poll(timeout_ms=500).values():
            found.extend(records)
    return found


def topics():
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    try:
        admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
        raise AssertionError("a topic was created twice")
    except TopicAlreadyExistsError:
        pass
    assert topic in admin.list_topics()
    [found] = admin.describe_topics([topic])
    assert len(found["partitions"]) == PARTITIONS, found


def produce():
    for index, codec in enumerate([None, "gzip"]):
        sender = KafkaProducer(bootstrap_servers=bootstrap, compression_type=codec, acks="all",
                               linger_ms=5)
        sent = [
            sender.send(topic, key=b"key %d" % number, value=b"value %d" % number,
                        partition=number % PARTITIONS, timestamp_ms=FIRST_MS + number,
                        headers=[("number", b"%d" % number)])
            for number in range(index, RECORDS, 2)
        ]
        for future in sent:
            future.get(DEADLINE_S)
        sender.close()


def consume():
    reader = consumer()
    reader.assign([TopicPartition(topic, partition) for partition in range(PARTITIONS)])
    reader.seek_to_beginning()
    found = poll(reader, RECORDS)
    numbers = sorted(int(record.value.split()[1]) for record in found)
    assert numbers == list(range(RECORDS)), "not every record once"
    for record in found:
        number = int(record.value.split()[1])
        assert record.key == b"key %d" % number, record
        assert record.timestamp == FIRST_MS + number, record
        assert record.headers == [("number", b"%d" % number)], record
    first = TopicPartition(topic, 0)
    assert reader.end_offsets([first])[first] == RECORDS // PARTITIONS
    assert reader.offsets_for_times({first: FIRST_MS + 3})[first].offset is not None
    reader.close()


def changes():
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "3600000"})
    admin.alter_configs([resource])
    described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    assert "3600000" in str(described), described
    admin.create_partitions({topic: NewPartitions(PARTITIONS + 1)})


def groups():
    group = f"{topic}-group"
    reader = consumer(group_id=group)
    reader.subscribe([topic])
    assert len(poll(reader, RECORDS)) == RECORDS
    reader.commit()
    assert reader.committed(TopicPartition(topic, 0)) == RECORDS // PARTITIONS
    reader.close()
    assert str(RECORDS // PARTITIONS) in str(admin.list_group_offsets(group))
    again = consumer(group_id=group)
    again.subscribe([topic])
    until = time.monotonic() + DEADLINE_S
    while not again.assignment():
        assert time.monotonic() < until, "no assignment"
        assert not again.poll(timeout_ms=500), "read again after a commit"
    note = OffsetAndMetadata(7, "a note", -1)
    again.commit({TopicPartition(topic, 1): note})
    assert again.committed(TopicPartition(topic, 1)) == 7
    again.close()
    admin.delete_groups([group])


def deletion():
    admin.delete_topics([topic])
    until = time.monotonic() + DEADLINE_S
    while topic in admin.list_topics():
        assert time.monotonic() < until, "still listed"


def steady():
    """Every partition in turn, one record a request, and a reader of all of them: where do the
    requests go? The broker's counters tell."""
    steady_topic = f"{topic}-steady"
    admin.create_topics([NewTopic(steady_topic, STEADY_PARTITIONS, 1)])
    sender, reader, sent, found = KafkaProducer(bootstrap_servers=bootstrap), consumer(), 0, 0
    reader.assign([TopicPartition(steady_topic, number) for number in range(STEADY_PARTITIONS)])
    until = time.monotonic() + STEADY_S
    while time.monotonic() < until:
        sender.send(steady_topic, b"x", partition=sent % STEADY_PARTITIONS).get(DEADLINE_S)
        sent += 1
        found += sum(map(len, reader.poll(timeout_ms=0).values()))
    assert found + len(poll(reader, sent - found)) == sent
    print(f"kafka-python: steady: {sent} requests")


PARTS = [topics, produce, consume, changes, groups, deletion, steady]


def main():
    for part in PARTS:
        if sys.argv[2:] and part.__name__ not in sys.argv[2:]:
            continue
        try:
            part()
        except BaseException:
            traceback.print_exc()
            print(f"kafka-python: FAILED: {part.__name__}", flush=True)
            os._exit(1)  # Its threads must not hold us back.
        print(f"kafka-python: {part.__name__}: ok", flush=True)
    print("kafka-python: PASSED", flush=True)
    os._exit(0)


main()
