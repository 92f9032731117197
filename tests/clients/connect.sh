#!/usr/bin/env bash
# Kafka Connect, standalone, with Apache's own connectors: a file goes into a topic line by line
# and comes out of it into another file, also what is added while both run.
#
#   connect.sh BOOTSTRAP JARS    (JARS is a folder with connect-runtime and connect-file)
set -uo pipefail

bootstrap=$1 jars=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/thalweg-connect.XXXXXX")
worker=
trap 'exit 130' INT TERM
trap '[ -z "$worker" ] || kill -9 "$worker" 2>/dev/null; rm -rf "$work"' EXIT

lines() { seq "$1" "$2" | sed 's/.*/line & of the file/'; }

copied() { # how many lines
    local tries=0
    until [ "$(wc -l <"$work/out")" -ge "$1" ]; do
        kill -0 "$worker" 2>/dev/null || { failed "the worker ended"; return 1; }
        [ $((tries += 1)) -lt 900 ] || { failed "not $1 lines after 90 s"; return 1; }
        sleep 0.1
    done
}

failed() {
    echo "connect: FAILED: $1; $(wc -l <"$work/out") lines came out"
    tail -n 30 "$work/log"
}

cat >"$work/worker.properties" <<END
bootstrap.servers=$bootstrap
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
offset.storage.file.filename=$work/offsets
offset.flush.interval.ms=1000
listeners=http://127.0.0.1:0
plugin.discovery=service_load
plugin.path=$jars
END
cat >"$work/source.properties" <<END
name=source
connector.class=org.apache.kafka.connect.file.FileStreamSourceConnector
tasks.max=1
file=$work/in
topic=connect-$$
END
cat >"$work/sink.properties" <<END
name=sink
connector.class=org.apache.kafka.connect.file.FileStreamSinkConnector
tasks.max=1
file=$work/out
topics=connect-$$
END

lines 1 1000 >"$work/in"
: >"$work/out"
java -Xmx256m -XX:TieredStopAtLevel=1 -cp "$jars/*" \
    org.apache.kafka.connect.cli.ConnectStandalone \
    "$work/worker.properties" "$work/source.properties" "$work/sink.properties" \
    >"$work/log" 2>&1 &
worker=$!
copied 1000 || exit 1
lines 1001 2000 >>"$work/in"
copied 2000 || exit 1
if ! cmp "$work/in" "$work/out"; then
    failed "the files differ"
    exit 1
fi
kill "$worker"
timeout 30 tail --pid="$worker" -f /dev/null || { failed "it does not stop"; exit 1; }
worker=
echo "connect: PASSED: 2000 lines"
