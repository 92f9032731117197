"""Every command that talks to a broker, against two brokers: the same words from both.

usage: commands.py THALWEG OURS REFERENCE   (two addresses; the reference is Apache Kafka)

What may differ is taken out first: addresses, ids of topics, brokers and members, times. Of errors
the code counts, not the broker's own words. All configs are compared, by name, value, source and
flags; where they differ, config_differences.py says why.
"""
import json
import re
import subprocess
import sys
import time

import config_differences

THALWEG = sys.argv[1]

# Arguments, standard input, and the exit code if it is not 0.
COMMANDS = [
    ("topic create orders --partitions 3 --config retention.ms=7200000", ""),
    ("topic create orders --partitions 3", "", 1),
    ("topic create bad/name", "", 1),
    ("topic create wrong --config no.such.config=1", "", 1),
    ("topic create wrong --config retention.ms=soon", "", 1),
    ("topic create many --replication-factor 5", "", 1),
    ("topic create once --replication-factor 1 --partitions 2", ""),
    ("topic delete once", ""),
    ("topic list", ""),
    ("topic list --output json", ""),
    ("topic describe orders", ""),
    ("topic describe orders --output json", ""),
    ("topic describe absent", "", 1),
    ("produce orders --key-separator : --header trace=7", "a:1\nb:2\nc:3\nd:4\n"),
    ("produce orders --partition 1 --acks 1", "plain\n"),
    ("produce orders --compression gzip --partition 0", "gzip\n"),
    ("produce orders --compression snappy --partition 0", "snappy\n"),
    ("produce orders --compression lz4 --partition 0", "lz4\n"),
    ("produce orders --compression zstd --partition 0", "zstd\n"),
    ("consume orders --from-beginning --until-end --partition 0 --format json", ""),
    ("produce orders --partition 2 --output json", "counted\n"),
    ("consume orders --from-beginning --until-end --partition 2 --output json", ""),
    ("consume orders --from-beginning --until-end --partition 1", ""),
    ("consume orders --offset 1 --partition 0 --max-messages 2", ""),
    ("consume orders --offset 99 --partition 0", "", 1),
    ("consume orders --at 0 --partition 0 --until-end", ""),
    ("consume orders --at 2099-01-01T00:00:00Z --until-end", ""),
    ("consume orders --partition 9 --from-beginning", "", 1),
    ("topic describe", ""),
    ("topic delete orders", ""),
    ("topic delete orders", "", 1),
    ("topic create orders --output json", ""),
    ("topic delete orders --output json", ""),
    ("topic create loose", ""),
    ("produce loose --acks 0", "one\ntwo\n"),
    ("produce loose --acks 0 --output json", "three\n"),
    # Nobody tells when they are there: a consumer waits for them.
    ("consume loose --from-beginning --max-messages 3", ""),
    ("topic delete loose", ""),
]
ADMIN = [
    ("topic create stock --partitions 2", ""),
    ("topic alter stock --partitions 4 --config segment.ms=70000", ""),
    ("topic alter stock --partitions 1", "", 1),
    ("topic alter stock", "", 2),
    ("topic describe stock --output json", ""),
    ("config describe --topic stock --output json", ""),
    ("config set --topic stock retention.ms=60000 max.message.bytes=2000", ""),
    ("config set --topic stock retention.ms=never", "", 1),
    ("config set --topic absent retention.ms=60000", "", 1),
    ("config describe --topic stock --output json", ""),
    ("config unset --topic stock retention.ms --output json", ""),
    ("config describe --topic stock --all --output json", ""),
    ("config describe --topic stock", ""),
    ("config set --topic stock retention.ms=50000 --output json", ""),
    ("topic alter stock --unset retention.ms --output json", ""),
    ("topic delete stock", ""),
    # {id} is the broker's own.
    ("config set --broker-id {id} log.retention.ms=7000000 message.max.bytes=3000000", ""),
    ("config describe --broker-id {id} --all --output json", ""),
    ("config describe --broker-id {id}", ""),
    ("config set --broker-id {id} num.partitions=3", "", 1),
    ("config set --broker-id {id} log.retention.ms=soon", "", 1),
    ("config set --broker-id 77 log.retention.ms=1", "", 1),
    ("config unset --broker-id {id} log.retention.ms --output json", ""),
    ("config unset --broker-id {id} message.max.bytes", ""),
    ("config unset --broker-id {id} message.max.bytes", ""),
    ("config describe --broker-id 77", "", 1),
]
GROUP = [
    ("topic create ledger --partitions 2", ""),
    ("produce ledger --partition 0", "one\ntwo\nthree\n"),
    ("produce ledger --partition 1", "four\n"),
    ("consume ledger --group audit --from-beginning --max-messages 1", ""),
    ("consume ledger --group audit --from-beginning --until-end", ""),
    ("consume ledger --group audit --from-beginning --until-end", ""),
    ("group list", ""),
    ("group list --output json", ""),
    ("group describe audit", ""),
    ("group describe audit --output json", ""),
    ("group describe absent", "", 1),
    ("group reset-offsets audit --topic ledger --to-earliest", ""),
    ("group reset-offsets audit --topic ledger:0 --shift-by -2 --execute", ""),
    ("group reset-offsets audit --topic ledger --to-offset 99 --execute --output json", ""),
    ("group reset-offsets audit --topic ledger --to-datetime 0 --execute", ""),
    ("consume ledger --group audit --until-end", ""),
    ("group reset-offsets audit --topic ledger --to-latest --execute", ""),
    ("group reset-offsets audit --topic ledger:1 --to-current --output json", ""),
    ("group reset-offsets audit --topic ledger:7 --to-latest", "", 1),
    ("group delete audit", ""),
    ("group delete audit", "", 1),
    ("group delete audit --output json", "", 1),
    ("topic delete ledger", ""),
]

# Places of members and of what they happened to read first are not fixed by any protocol.
UNORDERED = ("consume",)


def run(address, command, text):
    words = [THALWEG, *command.split(), "--bootstrap-server", address]
    done = subprocess.run(words, input=text.encode(), capture_output=True, timeout=120)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def without(value):
    """JSON without what differs between any two brokers."""
    if isinstance(value, dict):
        varies = {"id", "leader", "replicas", "in_sync", "timestamp", "leader_epoch"}
        return {key: without(one) for key, one in value.items() if key not in varies}
    if isinstance(value, list):
        return [without(one) for one in value]
    return value


def plain(command, text):
    text = re.sub(r"[A-Za-z0-9.\-\[\]:]+:\d{4,5}\b", "ADDRESS", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", text)
    text = re.sub(r"\bbroker \d+", "broker ID", text)
    text = re.sub(r"(?<=; there are )[\d, ]+", "IDS", text)
    if "topic describe" in command and "json" not in command:
        # partition, leader, epoch, replicas, in sync
        text = re.sub(r"(?m)^( +\d+) +\d+ +\d+ +[\d,]+ +[\d,]+$", r"\1", text)
        text = re.sub(r"(?m)^ +partition +leader.*$", "", text)
    if command.startswith("config describe") and "json" not in command:
        # What was set elsewhere differs, and with it the columns' widths.
        rows = [line.split() for line in text.splitlines()]
        return [row for row in rows if row[2:] in (["topic"], ["broker"])]
    if command.startswith("config describe") and text.startswith("["):
        # What each was started with differs; with --all that is looked at more closely.
        shown = ("topic", "broker")
        configs = json.loads(text)
        return [one for one in configs if "--all" in command or one["source"] in shown]
    lines = []
    for line in text.splitlines():
        if line.startswith(("{", "[")):
            line = json.dumps(without(json.loads(line)), sort_keys=True)
        lines.append(re.sub(r"(\([0-9]+\)): .*$", r"\1", line).rstrip())
    if command.startswith(UNORDERED):
        lines.sort()
    return lines


def only(one, other):
    """A command's code, output and errors, without the lines that the other broker had, too."""
    parts = [[it for it in own if it not in its] for own, its in zip(one[1:], other[1:])]
    return one[0], *parts


def members(address, group):
    code, out, _ = run(address, f"group describe {group} --output json", "")
    return len(json.loads(out)["members"]) if code == 0 else 0


def share(address):
    """Two members of a group read a topic between them: every record once, half of them each."""
    assert run(address, "topic create shared --partitions 2", "")[0] == 0
    words = [THALWEG, *"consume shared --group pair --from-beginning --max-messages 20".split()]
    words += ["--bootstrap-server", address]
    readers = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        until = time.monotonic() + 60
        while members(address, "pair") < 2:
            assert time.monotonic() < until, "two members after 60 s"
            time.sleep(0.1)
        for partition in range(2):
            lines = "".join(f"{partition}-{number}\n" for number in range(20))
            run(address, f"produce shared --partition {partition}", lines)
        read = [reader.communicate(timeout=60)[0].splitlines() for reader in readers]
    finally:
        for reader in readers:
            reader.kill()
    run(address, "topic delete shared", "")
    run(address, "group delete pair", "")
    return [reader.returncode for reader in readers], sorted(read[0] + read[1])


def in_force(command, found, ask):
    """Kafka answers a change before it is in force: what it shows once it is, for 10 s at most."""
    until = time.monotonic() + 10
    while not same(command, found) and time.monotonic() < until:
        time.sleep(0.1)
        found[1] = ask()
    return found[1]


def same(command, found):
    if "--all" not in command:
        return found[0] == found[1]
    return not config_differences.unlisted(kind_of(command), found[0][1], found[1][1])


def kind_of(command):
    return "broker" if "--broker-id" in command else "topic"


def tail(address):
    """A consumer without --from-beginning: only what comes, in its order, and so many."""
    assert run(address, "topic create tail", "")[0] == 0
    assert run(address, "produce tail", "old\n")[0] == 0
    words = [THALWEG, *"consume tail --max-messages 3 --bootstrap-server".split(), address]
    reader = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    until, sent = time.monotonic() + 60, 0
    try:
        # Where it began nobody is told: records come until it has enough.
        while reader.poll() is None:
            assert time.monotonic() < until, "three records after 60 s"
            run(address, "produce tail", f"{sent}\n")
            sent += 1
        read = reader.communicate()[0].splitlines()
    finally:
        reader.kill()
    run(address, "topic delete tail", "")
    first = int(read[0]) if read and read[0].isdigit() else -1
    return reader.returncode, [int(one) - first if one.isdigit() else one for one in read]


def broker_id(address):
    """One that the refusal of another, which is not there, names."""
    refusal = run(address, "config describe --broker-id 77", "")[2]
    return re.search(r"there are (\d+)", refusal)[1]


def main():
    ours, reference = sys.argv[2], sys.argv[3]
    commands = COMMANDS + ADMIN + GROUP
    differences = 0
    ids = {address: broker_id(address) for address in (ours, reference)}
    for command, text, *code in commands:
        expected = code[0] if code else 0

        def ask(address):
            code, out, errors = run(address, command.replace("{id}", ids[address]), text)
            return [code, plain(command, out), plain(command, errors)]

        found = [ask(ours), ask(reference)]
        if command.startswith("config describe"):
            found[1] = in_force(command, found, lambda: ask(reference))
        if command.startswith("config describe") and "--all" in command:
            shown = [one.pop(1) for one in found]
            unlisted = config_differences.unlisted(kind_of(command), *shown)
            if unlisted:
                differences += 1
                print(f"DIFFERS: thalweg {command}", *unlisted, sep="\n  ")
        if found[0] != found[1] or found[0][0] != expected:
            differences += 1
            ours_only, theirs_only = only(*found), only(*reversed(found))
            print(f"DIFFERS: thalweg {command}\n  ours:      {ours_only}")
            print(f"  reference: {theirs_only}")
    found = [share(address) for address in (ours, reference)]
    if found[0] != found[1] or found[0][0] != [0, 0] or len(set(found[0][1])) != 40:
        differences += 1
        print(f"DIFFERS: two members of one group\n  {found[0]}\n  {found[1]}")
    found = [tail(address) for address in (ours, reference)]
    if found != [(0, [0, 1, 2])] * 2:
        differences += 1
        print(f"DIFFERS: a consumer of what comes\n  {found[0]}\n  {found[1]}")
    print(f"{len(commands) + 2} commands, {differences} with other words from the two brokers")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
