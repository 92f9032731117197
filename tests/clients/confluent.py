"""confluent_kafka (a current librdkafka) produces and consumes 100,000 records.

confluent.py BOOTSTRAP

Shown: keys, headers, null keys and values, every codec, timestamps of the sender's choice, the
idempotent producer, acks 0, 1 and all, records of 900 KB, too large ones, reading from the
beginning, the end, an offset and a time, and topics made, listed, described, configured, enlarged,
cut at their beginning and deleted.
Partitions are assigned by hand: no group takes part.
"""

import os
import sys
import time
import traceback

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin import NewPartitions, NewTopic, OffsetSpec

PARTITIONS = 6
PER_CODEC = 20_000
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
DEADLINE_S = 120
#: The first record's timestamp; each later one is a millisecond on.
FIRST_MS = int(time.time() * 1000) - 3_600_000

bootstrap = sys.argv[1]
topic = f"confluent-{os.getpid()}-{int(time.time())}"
#: Partition -> offset -> (key, value, headers, timestamp), as the broker acknowledged them.
acknowledged = {partition: {} for partition in range(PARTITIONS)}


def wait_for(done, what):
    until = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < until, f"{what}: not within {DEADLINE_S} s"


def producer(**settings):
    dotted = {key.replace("_", "."): value for key, value in settings.items()}
    return Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, **dotted})


def consumer(**settings):
    dotted = {key.replace("_", "."): value for key, value in settings.items()}
    return Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": "unused",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        **dotted,
    })


def record(number, codec):
    key = None if number % 10 == 7 else b"key %d" % (number // 3)
    value = None if number % 100 == 13 else b"value %d of %s" % (number, codec.encode())
    headers = None
    if number % 5 == 0:
        headers = [("number", b"%d" % number), ("empty", b""), ("none", None), ("number", b"again")]
    return key, value, headers, FIRST_MS + number


def topic_is_created():
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(DEADLINE_S)
    wait_for(lambda: topic in admin.list_topics(timeout=DEADLINE_S).topics, "topic listed")
    found = admin.list_topics(topic, timeout=DEADLINE_S).topics[topic]
    assert sorted(found.partitions) == list(range(PARTITIONS)), found.partitions
    try:
        admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(DEADLINE_S)
        raise AssertionError("a topic was created twice")
    except KafkaException as refused:
        assert refused.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS, refused


def every_codec_is_acknowledged():
    for index, codec in enumerate(CODECS):
        # The idempotent producer for every second codec: sequences go with it.
        sender = producer(compression_type=codec, enable_idempotence=index % 2 == 0,
                          queue_buffering_max_messages=2 * PER_CODEC)
        for number in range(index * PER_CODEC, (index + 1) * PER_CODEC):
            expected = record(number, codec)
            key, value, headers, stamp = expected

            def delivered(error, message, expected=expected):
                assert error is None, error
                placed = acknowledged[message.partition()]
                assert message.offset() not in placed, f"offset {message.offset()} twice"
                placed[message.offset()] = expected

            sender.produce(topic, value, key, partition=number % PARTITIONS,
                           headers=headers, timestamp=stamp, on_delivery=delivered)
            sender.poll(0)
        assert sender.flush(DEADLINE_S) == 0, f"{codec}: not all were acknowledged"
    assert sum(map(len, acknowledged.values())) == PER_CODEC * len(CODECS)


def read(assignment, limit=None):
    """Consumes until the end of every assigned partition, or so many records."""
    reader, found, ended = consumer(), [], set()
    reader.assign(assignment)
    until = time.monotonic() + DEADLINE_S
    while len(ended) < len(assignment) and (limit is None or len(found) < limit):
        assert time.monotonic() < until, f"reading: {len(found)} records, ended {ended}"
        for message in reader.consume(1000, timeout=1.0):
            if message.error() is None:
                found.append(message)
            else:
                assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                ended.add(message.partition())
    reader.close()
    return found[:limit]


def same(message, expected):
    key, value, headers, stamp = expected
    place = f"partition {message.partition()} offset {message.offset()}"
    assert message.key() == key, f"{place}: key {message.key()}, not {key}"
    assert message.value() == value, f"{place}: value {message.value()}, not {value}"
    assert message.headers() == headers, f"{place}: headers {message.headers()}, not {headers}"
    assert message.timestamp()[1] == stamp, f"{place}: time {message.timestamp()}, not {stamp}"


def all_is_read_from_the_beginning():
    found = read([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(PARTITIONS)])
    following = {partition: 0 for partition in range(PARTITIONS)}
    for message in found:
        partition = message.partition()
        assert message.offset() == following[partition], f"expected {following[partition]}"
        following[partition] += 1
        same(message, acknowledged[partition][message.offset()])
    assert len(found) == PER_CODEC * len(CODECS), f"{len(found)} records"


def reading_begins_at_an_offset_the_end_and_a_time():
    last = len(acknowledged[4]) - 1
    found = read([TopicPartition(topic, 4, last - 99)])
    assert [message.offset() for message in found] == list(range(last - 99, last + 1))
    assert read([TopicPartition(topic, 4, OFFSET_END)]) == []
    reader = consumer()
    low, high = reader.get_watermark_offsets(TopicPartition(topic, 4), timeout=DEADLINE_S)
    assert (low, high) == (0, last + 1), (low, high)
    for offset in (0, 1, last // 2, last):
        stamp = acknowledged[4][offset][3]
        # PARTITIONS ms lie between two records of a partition: a time between them, too.
        for asked in (stamp, stamp - 1):
            [answer] = reader.offsets_for_times([TopicPartition(topic, 4, asked)], DEADLINE_S)
            assert answer.offset == offset, f"time {asked}: {answer.offset}, not {offset}"
    asked = TopicPartition(topic, 4, acknowledged[4][last - 9][3])
    [answer] = reader.offsets_for_times([asked], DEADLINE_S)
    found = [message.offset() for message in read([answer])]
    assert found == list(range(last - 9, last + 1)), found
    [late] = reader.offsets_for_times([TopicPartition(topic, 4, FIRST_MS * 2)], DEADLINE_S)
    assert late.offset in (-1, last + 1), late.offset
    reader.close()


def an_offset_out_of_range_is_said():
    reader = consumer(auto_offset_reset="error")
    reader.assign([TopicPartition(topic, 0, 10_000_000)])
    said = reader.poll(DEADLINE_S)
    assert said is not None and said.error(), said
    assert said.error().code() in (KafkaError._AUTO_OFFSET_RESET,
                                   KafkaError.OFFSET_OUT_OF_RANGE), said.error()
    reader.close()


def sent(sender, value, **settings):
    outcome = []
    sender.produce(topic, value, on_delivery=lambda *result: outcome.append(result), **settings)
    wait_for(lambda: sender.poll(0.1) or outcome, "an answer")
    return outcome[0]


def large_records_pass_and_too_large_ones_are_refused():
    large = os.urandom(900_000)
    for codec in CODECS:
        error, message = sent(producer(compression_type=codec), large, partition=1)
        assert error is None, f"{codec}: {error}"
        [found] = read([TopicPartition(topic, 1, message.offset())], limit=1)
        assert found.value() == large, f"{codec}: a large record came back changed"
    for codec in ("none", "lz4"):
        sender = producer(message_max_bytes=8_000_000, compression_type=codec)
        error, _ = sent(sender, os.urandom(2_000_000), partition=1)
        assert error is not None, "a record of 2 MB was taken"
        assert error.code() == KafkaError.MSG_SIZE_TOO_LARGE, error


def every_acks_is_kept():
    for acks in ("1", "all", "0"):
        sender = producer(acks=acks)
        error, message = sent(sender, b"acks " + acks.encode(), partition=2)
        assert error is None, f"acks={acks}: {error}"
    reader = consumer()
    expected = len(acknowledged[2]) + 3

    def arrived():
        return reader.get_watermark_offsets(TopicPartition(topic, 2), DEADLINE_S)[1] == expected

    wait_for(arrived, "the record with acks=0")
    reader.close()
    found = read([TopicPartition(topic, 2, len(acknowledged[2]))])
    assert [message.value() for message in found] == [b"acks 1", b"acks all", b"acks 0"]


def a_waiting_consumer_is_woken():
    reader = consumer(fetch_wait_max_ms=6_000, enable_partition_eof=True)
    reader.assign([TopicPartition(topic, 5, OFFSET_END)])
    message = reader.poll(DEADLINE_S)
    assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
    error, _ = sent(producer(linger_ms=0), b"wake up", partition=5)
    assert error is None, error
    began = time.monotonic()
    message = reader.poll(DEADLINE_S)
    assert message is not None and message.value() == b"wake up", message
    assert time.monotonic() - began < 3, "the record did not wake the waiting fetch"
    reader.close()


def a_deleted_topic_is_gone():
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.delete_topics([topic])[topic].result(DEADLINE_S)
    wait_for(lambda: topic not in admin.list_topics(timeout=DEADLINE_S).topics, "topic gone")


def every_shard_is_a_broker_behind_one_port():
    # librdkafka describes a cluster by its Metadata, which lists shards.
    admin = AdminClient({"bootstrap.servers": bootstrap})
    nodes = admin.describe_cluster().result(DEADLINE_S).nodes
    assert len({node.id for node in nodes}) == len(nodes), nodes
    assert len({(node.host, node.port) for node in nodes}) == 1, nodes


def configs_partitions_and_records_are_administered():
    admin = AdminClient({"bootstrap.servers": bootstrap})
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)

    def retention_after(operation, value=None):
        entry = ConfigEntry("retention.ms", value, incremental_operation=operation)
        changed = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
        admin.incremental_alter_configs([changed])[resource].result(DEADLINE_S)
        described = admin.describe_configs([resource])[resource].result(DEADLINE_S)
        return described["retention.ms"]

    assert retention_after(AlterConfigOpType.SET, "7200000").value == "7200000"
    assert retention_after(AlterConfigOpType.DELETE, "").is_default
    refused(lambda: retention_after(AlterConfigOpType.SET, "-7"), KafkaError.INVALID_CONFIG)

    def enlarged(partitions):
        grown = NewPartitions(topic, partitions)
        admin.create_partitions([grown])[topic].result(DEADLINE_S)
        return len(admin.list_topics(topic, timeout=DEADLINE_S).topics[topic].partitions)

    assert enlarged(PARTITIONS + 1) == PARTITIONS + 1
    refused(lambda: enlarged(1), KafkaError.INVALID_PARTITIONS)
    place = TopicPartition(topic, 0, 10)
    assert admin.delete_records([place])[place].result(DEADLINE_S).low_watermark == 10
    [earliest] = admin.list_offsets({TopicPartition(topic, 0): OffsetSpec.earliest()}).values()
    assert earliest.result(DEADLINE_S).offset == 10


def refused(asked, code):
    try:
        asked()
    except KafkaException as error:
        assert error.args[0].code() == code, error
    else:
        raise AssertionError(f"not refused: {code}")


CHECKS = [
    topic_is_created,
    every_codec_is_acknowledged,
    all_is_read_from_the_beginning,
    reading_begins_at_an_offset_the_end_and_a_time,
    an_offset_out_of_range_is_said,
    large_records_pass_and_too_large_ones_are_refused,
    every_acks_is_kept,
    a_waiting_consumer_is_woken,
    every_shard_is_a_broker_behind_one_port,
    configs_partitions_and_records_are_administered,
    a_deleted_topic_is_gone,
]


def main():
    for check in CHECKS:
        try:
            check()
        except BaseException:
            traceback.print_exc()
            print(f"confluent: FAILED: {check.__name__}", flush=True)
            os._exit(1)  # Callbacks and threads of the C library must not hold us back.
        print(f"confluent: {check.__name__}: ok", flush=True)
    print(f"confluent: PASSED: {PER_CODEC * len(CODECS)} records")


main()
