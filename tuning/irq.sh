#!/bin/sh
# Interrupts of the network card.
#
# Changes  the processors that serve the interrupts of one network card: those given, and no
#          others. Stop irqbalance first, or it moves them back.
# Why      the broker pins one thread to each of its cores. An interrupt on such a core takes its
#          time from the shard that lives there, and from that one only: partitions of one shard
#          then lag behind the rest. Leave the card's interrupts a core that `--cores` does not use;
#          with all cores in use, spread them evenly, one queue to a core.
# Undo     systemctl start irqbalance, or give all processors: ./irq.sh eth0 0-63
# Gained   not measured: the reference machine has no network card with interrupts of its own, and
#          2 cores leave none to spare.
#
# usage: ./irq.sh INTERFACE CPUS     e.g. ./irq.sh eth0 0-1
set -eu

[ $# = 2 ] || { echo "usage: $0 INTERFACE CPUS" >&2 && exit 2; }
interface=$1
cpus=$2
[ -d "/sys/class/net/$interface" ] || { echo "no interface $interface" >&2 && exit 1; }

moved=0
for irq in "/sys/class/net/$interface/device/msi_irqs"/*; do
    [ -e "$irq" ] || continue
    echo "$cpus" >"/proc/irq/${irq##*/}/smp_affinity_list"
    moved=$((moved + 1))
done
echo "$moved interrupts of $interface on processors $cpus"
