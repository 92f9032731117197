#!/bin/sh
# TCP, for many clients and for links with delay.
#
# Changes  net.core.somaxconn, net.ipv4.tcp_max_syn_backlog: connections that may wait to be taken;
#          the upper ends of net.ipv4.tcp_rmem and tcp_wmem: memory of one connection, grown on use;
#          net.ipv4.tcp_slow_start_after_idle: a connection keeps its pace over a pause.
# Why      10,000 clients that come back at once after a restart do not fit into 4,096 places. A
#          fetch over a link of 10 Gbit/s and 20 ms has 25 MB under way; 4 MiB are a sixth of that.
#          Producers pause between bursts, and would begin each one slowly.
# Undo     ./network.sh undo   (the defaults of Linux 6)
# Gained   not measured: over loopback, which is what there is here, neither delay nor loss exists,
#          and buffers of 4 MiB are never full.
set -eu

case "${1:-}" in
    undo)
        sysctl -w net.core.somaxconn=4096
        sysctl -w net.ipv4.tcp_max_syn_backlog=1024
        sysctl -w net.ipv4.tcp_rmem="4096 131072 6291456"
        sysctl -w net.ipv4.tcp_wmem="4096 16384 4194304"
        sysctl -w net.ipv4.tcp_slow_start_after_idle=1
        ;;
    '')
        sysctl -w net.core.somaxconn=16384
        sysctl -w net.ipv4.tcp_max_syn_backlog=16384
        sysctl -w net.ipv4.tcp_rmem="4096 131072 33554432"
        sysctl -w net.ipv4.tcp_wmem="4096 16384 33554432"
        sysctl -w net.ipv4.tcp_slow_start_after_idle=0
        ;;
    *) echo "usage: $0 [undo]" >&2 && exit 2 ;;
esac
