#!/bin/sh
# ns.sh CMD... : run CMD in a fresh network namespace with lo up and a 10.77.0.1/24 interface (dummy where the kernel has it, else tap). Needs root.

if [ -z "$NS_DONE" ]; then NS_DONE=1 exec unshare -n --mount-proc=/proc -p -f --kill-child -m "$0" "$@"; fi
ip link set lo up
if ip link add dummy0 type dummy 2>/dev/null; then D=dummy0; else ip tuntap add dev tap77 mode tap; D=tap77; fi
ip addr add 10.77.0.1/24 dev $D; ip -6 addr add fd77::1/64 dev $D nodad 2>/dev/null; ip link set $D up
mount -t sysfs sysfs /sys 2>/dev/null
"$@"; rc=$?; exit $rc   # not exec: CMD must not be PID 1
