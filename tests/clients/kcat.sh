#!/usr/bin/env bash
# kcat (librdkafka 2.0 in Debian 12) produces and consumes 100,000 records, and everything it can
# do: keys, headers, null values, codecs, large and too large records, and reading
# from the beginning, the end, an offset and a time, and in a group.
#
#   kcat.sh BOOTSTRAP PYTHON    (PYTHON has confluent_kafka: kcat cannot create topics)
set -euo pipefail
bootstrap=$1 python=$2
here=$(dirname "$0")
tag=$$-$(date +%s)
topic=kcat-$tag
partitions=6
per_codec=20000
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "kcat: FAILED: $*" >&2
    exit 1
}

same() { # what, expected file, found file
    cmp -s "$2" "$3" && return
    diff "$2" "$3" | head -10 >&2 || true
    fail "$1 (expected $(wc -l <"$2") lines, found $(wc -l <"$3"))"
}

produce() { timeout 120 kcat -P -q -b "$bootstrap" "$@"; }

consume() { timeout 120 kcat -C -q -b "$bootstrap" "$@"; }

listed() {
    "$python" "$here/topic.py" create "$bootstrap" "$topic" "$partitions"
    timeout 30 kcat -L -b "$bootstrap" -t "$topic" >"$work/list"
    [ "$(grep -c 'leader [0-9]' "$work/list")" = "$partitions" ] || fail "-L: $(cat "$work/list")"
}

every_codec() {
    local codec from=0
    for codec in none gzip snappy lz4 zstd; do
        seq $((from + 1)) $((from + per_codec)) |
            awk -v codec=$codec '{print "k" $1 "|value " $1 " of " codec}' >"$work/in"
        awk -F'|' '{print $1 " " $2 " codec=" "'$codec'"}' "$work/in" >>"$work/expected"
        # Pieces of 64 KiB: several requests a partition, and five in flight.
        produce -t "$topic" -z $codec -K '|' -H codec=$codec -X batch.size=65536 -l "$work/in" ||
            fail "producing with $codec"
        from=$((from + per_codec))
    done
    consume -t "$topic" -o beginning -e -f '%p %o %T %k %s %h\n' >"$work/all" ||
        fail "consuming everything"
    cut -d' ' -f4- "$work/all" | sort >"$work/found"
    sort -o "$work/expected" "$work/expected"
    same "what was produced is what is consumed" "$work/expected" "$work/found"
}

ordered() {
    # Per partition: offsets 0, 1, 2 .. without a hole, keys in the order they were sent.
    awk -v now="$(date +%s)" '
        $2 != next_offset[$1]++ { print "a hole before " $0; bad = 1; exit }
        { key = substr($4, 2) + 0 }
        key <= last_key[$1] { print "out of order: " $0; bad = 1; exit }
        { last_key[$1] = key }
        $3 / 1000 < now - 600 || $3 / 1000 > now + 60 { print "timestamp: " $0; bad = 1; exit }
        END { exit bad }' "$work/all" || fail "offsets, order or timestamps"
    [ "$(cut -d' ' -f1 "$work/all" | sort -u | wc -l)" = $partitions ] || fail "not all partitions"
}

from_places() {
    local one="-t $topic -p 3 -e -f %o\n" count middle
    count=$(awk '$1 == 3' "$work/all" | wc -l)
    middle=$((count / 2))
    consume $one -o $middle >"$work/found"
    seq $middle $((count - 1)) >"$work/wanted"
    same "from an offset" "$work/wanted" "$work/found"
    consume $one -o -10 >"$work/found"
    seq $((count - 10)) $((count - 1)) >"$work/wanted"
    same "ten from the end" "$work/wanted" "$work/found"
    consume $one -o end >"$work/found"
    [ ! -s "$work/found" ] || fail "from the end: $(head -1 "$work/found")"
    from_a_time "$count"
}

from_a_time() {
    # The first offset whose time is at or after that of the record in the middle.
    local stamp first
    stamp=$(awk -v middle=$(($1 / 2)) '$1 == 3 && $2 == middle {print $3}' "$work/all")
    first=$(awk -v stamp="$stamp" '$1 == 3 && $3 >= stamp {print $2; exit}' "$work/all")
    consume -t "$topic" -p 3 -e -f '%o\n' -o s@"$stamp" >"$work/found"
    seq "$first" $(($1 - 1)) >"$work/wanted"
    same "from a time" "$work/wanted" "$work/found"
    timeout 30 kcat -Q -b "$bootstrap" -t "$topic:3:$stamp" | grep -q "offset $first" ||
        fail "-Q did not answer offset $first"
}

waiting_consumer() {
    # A consumer at the end gets what is produced after it came.
    consume -t "$topic" -p 0 -o end -c 1 -f '%k=%s\n' >"$work/tail" &
    local waiting=$! round
    for round in $(seq 1 100); do
        echo "late|news $round" | produce -t "$topic" -p 0 -K '|'
        kill -0 $waiting 2>/dev/null || break
    done
    wait $waiting || fail "the consumer at the end got nothing"
    grep -q '^late=news ' "$work/tail" || fail "at the end: $(cat "$work/tail")"
}

nulls() {
    printf 'gone|\nhere|x\n' | produce -t "$topic" -p 1 -Z -K '|'
    echo 'no key' | produce -t "$topic" -p 1
    consume -t "$topic" -p 1 -o -3 -e -f '%K %S %s\n' >"$work/found"
    printf '4 -1 \n4 1 x\n-1 6 no key\n' >"$work/wanted"
    same "null values and keys" "$work/wanted" "$work/found"
}

large() {
    head -c 900000 /dev/urandom >"$work/large"
    produce -t "$topic" -p 2 -X acks=all "$work/large" || fail "a record of 900 KB"
    consume -t "$topic" -p 2 -o -1 -e -D '' -f '%s' >"$work/back"
    cmp -s "$work/large" "$work/back" || fail "a record of 900 KB came back changed"
    head -c 2000000 /dev/urandom >"$work/huge"
    if timeout 60 kcat -P -b "$bootstrap" -t "$topic" -p 2 -X message.max.bytes=8000000 \
        "$work/huge" 2>"$work/said"; then
        fail "a record of 2 MB was taken"
    fi
    grep -qi 'message size too large' "$work/said" || fail "too large: $(cat "$work/said")"
}

every_acks() {
    local acks
    for acks in 0 1 -1; do
        seq 1 1000 | produce -t "$topic-acks$acks" -p 0 -X topic.acks=$acks || fail "acks=$acks"
        seq 1 1000 >"$work/wanted"
        # acks=0 is not answered: the records come when they come.
        consume -t "$topic-acks$acks" -p 0 -o beginning -c 1000 >"$work/found"
        same "acks=$acks" "$work/wanted" "$work/found"
    done
}

in_a_group() {
    # A group reads everything once, and what comes later from where it stopped.
    local group="kcat-group-$tag"
    grouped() {
        timeout 120 kcat -b "$bootstrap" -q -G "$group" -c "$1" -f '%p %o\n' \
            -X auto.offset.reset=earliest -X session.timeout.ms=10000 "$topic-acks1"
    }
    grouped 1000 >"$work/found" || fail "-G: the first thousand"
    seq 0 999 | sed 's/^/0 /' >"$work/wanted"
    same "a group reads from the beginning" "$work/wanted" "$work/found"
    seq 1 10 | produce -t "$topic-acks1" -p 0
    grouped 10 >"$work/found" || fail "-G: the ten that came later"
    seq 1000 1009 | sed 's/^/0 /' >"$work/wanted"
    same "a group goes on where it stopped" "$work/wanted" "$work/found"
}

for part in listed every_codec ordered from_places waiting_consumer nulls large every_acks in_a_group; do
    $part
    echo "kcat: $part: ok"
done
echo "kcat: PASSED: $(wc -l <"$work/all") records"
