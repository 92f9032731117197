#!/bin/sh
# The disk that holds the data directory.
#
# Changes  the I/O scheduler of one disk to `none`, until the next start; switches the weekly fstrim
#          on (fstrim.timer); nothing about mount options or the disk's write cache. What was there
#          before is noted under /var/lib/thalweg-tuning.
# Why      a journal writes long runs, two at a time: there is nothing to sort, and an NVMe disk or
#          a hypervisor sorts for itself. A disk that is never told what was deleted gets slower.
#          Online discard (mount option `discard`) tells it by a burst of commands for each freed
#          segment, between two flushes; fstrim does it when it is quiet. If the file system is
#          mounted with `discard`, take that out yourself: this does not.
#          The write cache stays as it is: the broker flushes it, and `write through` on a disk
#          whose cache is volatile switches the flushes off, and with them durability.
# Undo     ./nvme.sh DISK undo   (the scheduler that was there, and no timer if there was none)
# Gained   scheduler: nothing that can be told from noise. Durable writes, O_DIRECT and O_DSYNC, 12
#          alternations of 0.7 s with the order turned round each time, while other programs used
#          the disk: mq-deadline took, by the median of the ratios, 0.90 times (4 KiB), 1.17 (64
#          KiB), 1.20 (256 KiB) and 1.14 times (1 MiB) as long as none, and single ratios went from
#          0.05 to 21. Measure on a quiet machine before you believe in it.
#          Discard: not measured; the disk is shared.
#
# usage: ./nvme.sh DISK [undo]     e.g. ./nvme.sh nvme0n1
set -eu

disk=${1:-}
queue=/sys/block/$disk/queue
if [ -z "$disk" ] || [ ! -d "$queue" ]; then
    echo "usage: $0 DISK [undo]; lsblk -d lists them" >&2
    exit 2
fi
notes=/var/lib/thalweg-tuning
scheduler_before=$notes/$disk.scheduler
timer_is_ours=$notes/$disk.timer

case "${2:-}" in
    undo)
        if [ -f "$scheduler_before" ]; then
            cat "$scheduler_before" >"$queue/scheduler"
            rm "$scheduler_before"
        else
            echo "no note of a scheduler before: it stays" >&2
        fi
        if [ -f "$timer_is_ours" ]; then
            systemctl disable --now fstrim.timer
            rm "$timer_is_ours"
        fi
        ;;
    '')
        mkdir -p "$notes"
        # The one in brackets is in use. A second run must not note what the first has set.
        if [ ! -f "$scheduler_before" ]; then
            sed 's/.*\[\(.*\)\].*/\1/' "$queue/scheduler" >"$scheduler_before"
        fi
        echo none >"$queue/scheduler"
        if ! systemctl is-enabled --quiet fstrim.timer 2>/dev/null; then
            # Where systemd is not the first process, run fstrim by other means.
            if systemctl enable --now fstrim.timer 2>/dev/null; then
                touch "$timer_is_ours"
            else
                echo "no systemd: run fstrim weekly" >&2
            fi
        fi
        ;;
    *) echo "usage: $0 DISK [undo]" >&2 && exit 2 ;;
esac
cat "$queue/scheduler"
