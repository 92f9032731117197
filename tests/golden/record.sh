#!/usr/bin/env bash
# Makes tests/golden/frames.txt anew: real clients against Apache Kafka 4.1.1 through `record.py`.
#
#   tests/golden/record.sh OUT             needs `tests/run packages build` before
#   tests/golden/record.sh OUT CLIENT...   only these; of others OUT keeps what it has
#
# The frames change with every run (ids, times); the fixtures are made again when clients change.
set -uo pipefail
cd "$(dirname "$0")/../.."

OUT=$1
shift
ONLY=" $* "
CACHE=${THALWEG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/thalweg}
TARGET=${CARGO_TARGET_DIR:-$PWD/target}
LOADGEN=${LOADGEN:-$TARGET/trial/loadgen}
FRANZ=${FRANZ:-$TARGET/tests/go/franz}
JARS=$CACHE/kafka-tools-4.1.1
PYTHON=$CACHE/venv/bin/python
SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/thalweg-golden.XXXXXX")
KAFKA=
trap '[ -z "$KAFKA" ] || kill "$KAFKA"; rm -rf --one-file-system "$SCRATCH"' EXIT

free_port() {
    "$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

PROXY=$(free_port)
"$LOADGEN" kafka start --data-dir "$SCRATCH/kafka" --heap 512m --node-id 1000 \
    --set advertised.listeners=PLAINTEXT://127.0.0.1:"$PROXY" --set message.max.bytes=1048588 \
    --set super.users=User:ANONYMOUS \
    --set authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer \
    >"$SCRATCH/kafka.out" 2>"$SCRATCH/kafka.log" &
KAFKA=$!
until BROKER=$(awk '/^ready/ { print $2 }' "$SCRATCH/kafka.out" 2>/dev/null) && [ -n "$BROKER" ]; do
    kill -0 "$KAFKA" 2>/dev/null || { tail -n 20 "$SCRATCH/kafka.log"; exit 1; }
    sleep 0.1
done

# Whom, then the command; {} becomes the proxy's address.
record() {
    local client=$1 proxy
    shift
    [[ $ONLY = "  " || $ONLY = *" $client "* ]] || return 0
    "$PYTHON" tests/golden/record.py "$PROXY" "$BROKER" "$client" "$SCRATCH/frames" &
    proxy=$!
    until (exec 3<>"/dev/tcp/127.0.0.1/$PROXY") 2>/dev/null; do sleep 0.05; done
    # A client that is not content with Kafka has been recorded all the same.
    timeout 300 "${@//\{\}/127.0.0.1:$PROXY}" >"$SCRATCH/$client.out" 2>&1 ||
        { echo "$client ended with $?:"; tail -n 5 "$SCRATCH/$client.out"; }
    kill -TERM "$proxy"
    wait "$proxy"
}

javac -cp "$JARS/*" -d "$SCRATCH/java" tests/clients/java/*.java tests/golden/*.java || exit 1
JAVA=(java -Xmx256m -XX:TieredStopAtLevel=1 -cp "$SCRATCH/java:$JARS/*")
record kcat tests/clients/kcat.sh {} "$PYTHON"
record confluent-kafka "$PYTHON" tests/clients/confluent.py {}
record confluent-groups "$PYTHON" tests/clients/groups.py {}
record kafka-python "$PYTHON" tests/clients/kafka_python.py {} topics produce consume changes \
    groups deletion
record aiokafka "$PYTHON" tests/clients/aio.py {} topics produce consume changes groups deletion
record java "${JAVA[@]}" Client {} topics configs produce consume places changes groups rebalance \
    deletion
record apache-tools "${JAVA[@]}" Tools {} topics described console performance offsets cluster \
    verifiable-producer configs partitions records log-dirs latency groups \
    consumer-performance verifiable-consumer deletion

record franz-go "$FRANZ" {} topics produce consume older changes groups deletion
record java-versions "${JAVA[@]}" Asks {}

# What was there of clients that were not asked now.
if [ "$ONLY" != "  " ]; then
    awk -v only="$ONLY" 'index(only, " " $1 " ") == 0' "$OUT" >>"$SCRATCH/frames"
fi
sort -k2,2n -k3,3n -k4,4 -k1,1 "$SCRATCH/frames" >"$OUT"
wc "$OUT"
