#!/bin/sh
# Processor frequency and sleep.
#
# Changes  the frequency governor of every processor to `performance`, and, with "no-sleep" as
#          argument, forbids sleep states that take longer than 10 us to leave.
# Why      an idle broker sleeps between requests. The first request after a pause then meets a
#          processor that is slow, or still waking: latency is worst when load is least.
# Undo     ./cpu.sh undo   (schedutil, or powersave where the driver has no schedutil, as
#          intel_pstate in active mode; and every sleep state again)
# Gained   not measured: the reference machine is virtual and has no cpufreq. Measure yours with
#          `loadgen run --preset one-in-flight` before and after. It costs power.
set -eu

governor=performance
sleep_us_max=
case "${1:-}" in
    undo) governor='schedutil powersave' ;;
    no-sleep) sleep_us_max=10 ;;
    '') ;;
    *) echo "usage: $0 [no-sleep|undo]" >&2 && exit 2 ;;
esac

# The first of the wanted governors that a processor has; nothing if it has none.
first_available() {
    for wanted in $governor; do
        for there in $(cat "$1"); do
            if [ "$wanted" = "$there" ]; then
                echo "$wanted"
                return
            fi
        done
    done
}

found=no
for file in /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor; do
    [ -w "$file" ] || continue
    found=yes
    chosen=$(first_available "${file%/*}/scaling_available_governors")
    # One processor that refuses must not keep the others, and the sleep states, from their turn.
    if [ -z "$chosen" ] || ! echo "$chosen" >"$file"; then
        echo "$file: no $governor here, it stays $(cat "$file")" >&2
    fi
done
[ "$found" = yes ] || echo "no frequencies to set here (a virtual machine, or not root)" >&2

for state in /sys/devices/system/cpu/cpu[0-9]*/cpuidle/state[0-9]*; do
    [ -w "$state/disable" ] || continue
    disable=0
    if [ -n "$sleep_us_max" ] && [ "$(cat "$state/latency")" -gt "$sleep_us_max" ]; then
        disable=1
    fi
    echo "$disable" >"$state/disable"
done
