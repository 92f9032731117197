"""confluent_kafka subscribes: consumer groups from a current librdkafka.

groups.py BOOTSTRAP

Shown: two members share six partitions, one leaves and the other takes over, each record is read
once, committed offsets are where the next member goes on, a static member comes back without a
rebalance, and groups are listed, described and deleted.
"""

import os
import sys
import time
import traceback

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 6
RECORDS = 6_000
DEADLINE_S = 90

bootstrap = sys.argv[1]
tag = f"groups-{os.getpid()}-{int(time.time())}"
topic = tag
group = f"{tag}-group"
admin = AdminClient({"bootstrap.servers": bootstrap})


def wait_for(done, what):
    until = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < until, f"{what}: not within {DEADLINE_S} s"


def member(**settings):
    dotted = {key.replace("_", "."): value for key, value in settings.items()}
    consumer = Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "session.timeout.ms": 10_000,
        "heartbeat.interval.ms": 500,
        **dotted,
    })
    consumer.subscribe([topic])
    return consumer


def poll(consumers, found):
    for consumer in consumers:
        message = consumer.poll(0.05)
        if message is not None:
            assert message.error() is None, message.error()
            found.append((message.partition(), message.offset()))


def produce():
    sender = Producer({"bootstrap.servers": bootstrap})
    for number in range(RECORDS):
        sender.produce(topic, b"%d" % number, partition=number % PARTITIONS)
    assert sender.flush(DEADLINE_S) == 0, "not everything was acknowledged"


def committed():
    asker = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    offsets = [place.offset for place in asker.committed(places, DEADLINE_S)]
    asker.close()
    return offsets


def topic_is_created():
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(DEADLINE_S)
    produce()


def two_members_share_and_one_takes_over():
    first, second, found = member(), member(), []

    def shared():
        poll([first, second], found)
        return len(first.assignment()) == len(second.assignment()) == PARTITIONS // 2

    wait_for(shared, "three partitions for each")
    mine = {part.partition for part in first.assignment()}
    others = {part.partition for part in second.assignment()}
    assert mine | others == set(range(PARTITIONS)), (mine, others)
    state = admin.describe_consumer_groups([group])[group].result(DEADLINE_S)
    assert state.state.name == "STABLE" and len(state.members) == 2, state
    wait_for(lambda: poll([first, second], found) or len(set(found)) == RECORDS, "all records")
    first.commit(asynchronous=False)
    second.commit(asynchronous=False)
    assert committed() == [RECORDS // PARTITIONS] * PARTITIONS, committed()

    second.close()
    wait_for(lambda: poll([first], found) or len(first.assignment()) == PARTITIONS, "taking over")
    first.close()


def the_next_member_goes_on_where_the_last_one_committed():
    produce()
    consumer, found = member(), []
    wait_for(lambda: poll([consumer], found) or len(found) >= RECORDS, "the newer records")
    assert min(offset for _, offset in found) == RECORDS // PARTITIONS, min(found)
    consumer.commit(asynchronous=False)
    consumer.close()
    assert committed() == [2 * RECORDS // PARTITIONS] * PARTITIONS, committed()


def a_static_member_comes_back_without_a_rebalance():
    rebalances = []
    stays = member(group_instance_id="stays")
    stays.subscribe([topic], on_assign=lambda _, parts: rebalances.append(parts))
    goes, found = member(group_instance_id="goes"), []

    def shared():
        poll([stays, goes], found)
        return len(stays.assignment()) == len(goes.assignment()) == PARTITIONS // 2

    wait_for(shared, "three partitions for each")
    seen = len(rebalances)
    before = sorted(part.partition for part in goes.assignment())
    goes.close()
    goes = member(group_instance_id="goes")
    wait_for(lambda: poll([stays, goes], found) or goes.assignment(), "its partitions again")
    assert sorted(part.partition for part in goes.assignment()) == before
    assert len(rebalances) == seen, "the other member was disturbed"
    stays.close()
    goes.close()


def groups_are_listed_and_deleted():
    listed = admin.list_consumer_groups().result(DEADLINE_S).valid
    assert group in [each.group_id for each in listed], listed
    asked = [ConsumerGroupTopicPartitions(group)]
    found = admin.list_consumer_group_offsets(asked)[group].result(DEADLINE_S)
    assert len(found.topic_partitions) == PARTITIONS, found.topic_partitions

    def empty():
        # Static members do not leave: their sessions end.
        described = admin.describe_consumer_groups([group])[group].result(DEADLINE_S)
        return described.state.name == "EMPTY"

    wait_for(empty, "an empty group")
    admin.delete_consumer_groups([group])[group].result(DEADLINE_S)
    try:
        admin.delete_consumer_groups([group])[group].result(DEADLINE_S)
        raise AssertionError("a group was deleted twice")
    except KafkaException as refused:
        assert refused.args[0].name() == "GROUP_ID_NOT_FOUND", refused


CHECKS = [
    topic_is_created,
    two_members_share_and_one_takes_over,
    the_next_member_goes_on_where_the_last_one_committed,
    a_static_member_comes_back_without_a_rebalance,
    groups_are_listed_and_deleted,
]


def main():
    for check in CHECKS:
        try:
            check()
        except BaseException:
            traceback.print_exc()
            print(f"groups: FAILED: {check.__name__}", flush=True)
            os._exit(1)  # Callbacks and threads of the C library must not hold us back.
        print(f"groups: {check.__name__}: ok", flush=True)
    print("groups: PASSED")


main()
