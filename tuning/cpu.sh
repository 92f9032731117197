#!/bin/sh
# Processor frequency and sleep.
#
# Changes  the frequency governor of every processor to `performance`, and, with "no-sleep" as
#          argument, forbids sleep states that take longer than 10 us to leave.
# Why      an idle broker sleeps between requests. The first request after a pause then meets a
#          processor that is slow, or still waking: latency is worst when load is least.
# Undo     ./cpu.sh undo   (schedutil, and every sleep state again)
# Gained   not measured: the reference machine is virtual and has no cpufreq. Measure yours with
#          `loadgen run --preset one-in-flight` before and after. It costs power.
set -eu

governor=performance
sleep_us_max=
case "${1:-}" in
    undo) governor=schedutil ;;
    no-sleep) sleep_us_max=10 ;;
    '') ;;
    *) echo "usage: $0 [no-sleep|undo]" >&2 && exit 2 ;;
esac

found=no
for file in /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor; do
    [ -w "$file" ] || continue
    echo "$governor" >"$file"
    found=yes
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
