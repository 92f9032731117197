"""librdkafka, old or new, asks every partition in turn: where do the requests go?

librdkafka.py BOOTSTRAP kcat|confluent

One record a request and a reader of all partitions, for a few seconds; the broker's counters tell
the rest. A broker that changes its name under a client, as old versions see it when several ids
share a host and port, is a failure here.
"""

import os
import subprocess
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 16
STEADY_S = 4
DEADLINE_S = 60
# It reads its input in blocks of so many bytes.
KCAT_LINE = "x" * 1_023 + "\n"

bootstrap, client = sys.argv[1:]
topic = f"{client}-steady-{os.getpid()}"


def renames(lines):
    """What librdkafka says of a broker whose name or id became another one's."""
    told = [line for line in lines if "changed from" in line.lower()]
    # The bootstrap broker learns its id once; the coordinator is a name for another broker.
    usual = ("bootstrap", "groupcoordinator")
    return [line for line in told if not any(word in line.lower() for word in usual)]


class Log:
    def __init__(self):
        self.lines = []

    def log(self, _level, text, *words):
        self.lines.append(text % words if words else text)


def confluent():
    logs = Log()
    settings = {"bootstrap.servers": bootstrap, "debug": "broker", "logger": logs}
    sender = Producer({**settings, "linger.ms": 0})
    reader = Consumer({**settings, "group.id": topic, "auto.offset.reset": "earliest",
                       "enable.auto.commit": False})
    reader.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    sent = found = 0
    until = time.monotonic() + STEADY_S
    while time.monotonic() < until:
        sender.produce(topic, b"x", partition=sent % PARTITIONS)
        assert sender.flush(DEADLINE_S) == 0
        sent += 1
        found += len(reader.consume(1_000, 0))
    until = time.monotonic() + DEADLINE_S
    while found < sent:
        assert time.monotonic() < until, f"{found} of {sent} records"
        found += len(reader.consume(1_000, 0.1))
    assert found == sent, (found, sent)
    reader.close()
    return sent, logs.lines


def kcat():
    everything = subprocess.run(["kcat", "-L", "-b", bootstrap], check=True, timeout=DEADLINE_S,
                                capture_output=True, text=True).stdout
    assert f" {os.environ.get('BROKERS', 1)} brokers:" in everything, everything
    plain = ["kcat", "-b", bootstrap, "-t", topic, "-d", "broker"]
    # Read as a file, so that the pipe can not fill up.
    with open(os.path.join(os.environ.get("TMPDIR", "/tmp"), topic), "w+") as told:
        reader = subprocess.Popen([*plain, "-C", "-o", "beginning", "-q", "-u"],
                                  stdout=subprocess.PIPE, stderr=told, text=True)
        sender = subprocess.Popen([*plain, "-P", "-p", "-1", "-X", "linger.ms=0"],
                                  stdin=subprocess.PIPE, stderr=told, text=True)
        os.unlink(told.name)
        try:
            sent = 0
            until = time.monotonic() + STEADY_S
            while time.monotonic() < until:
                sender.stdin.write(KCAT_LINE)
                sender.stdin.flush()
                sent += 1
                # Each record is there before the next leaves: one request each.
                assert reader.stdout.readline() == KCAT_LINE
            sender.stdin.close()
            assert sender.wait(DEADLINE_S) == 0
        finally:
            for each in reader, sender:
                each.kill()
                each.wait()
        told.seek(0)
        return sent, told.readlines()


def main():
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(DEADLINE_S)
    sent, lines = {"confluent": confluent, "kcat": kcat}[client]()
    assert len(lines) > 10, "the client said nothing of its brokers"
    assert not renames(lines), "\n".join(renames(lines)[:20])
    print(f"{client}: steady: {sent} requests")


main()
