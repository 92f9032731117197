"""Creates or deletes a topic with confluent_kafka.

topic.py create BOOTSTRAP NAME PARTITIONS [CONFIG=VALUE...]
topic.py delete BOOTSTRAP NAME
"""

import sys
import time

from confluent_kafka.admin import AdminClient, NewTopic

DEADLINE_S = 30


def create(admin, name, partitions, config):
    topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=config)
    admin.create_topics([topic], operation_timeout=DEADLINE_S)[name].result(DEADLINE_S)
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        found = admin.list_topics(timeout=DEADLINE_S).topics.get(name)
        if found and len(found.partitions) == partitions:
            if all(part.leader >= 0 for part in found.partitions.values()):
                return
    sys.exit(f"topic {name} has no leaders after {DEADLINE_S} s")


def main():
    verb, bootstrap, name, *rest = sys.argv[1:]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    if verb == "create":
        create(admin, name, int(rest[0]), dict(pair.split("=", 1) for pair in rest[1:]))
    elif verb == "delete":
        admin.delete_topics([name], operation_timeout=DEADLINE_S)[name].result(DEADLINE_S)
    else:
        sys.exit(__doc__)


main()
