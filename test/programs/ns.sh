#!/bin/sh
# ns.sh CMD... : run CMD in a fresh network namespace with lo up and a 10.77.0.1/24 interface (dummy where the kernel has it, else tap). A plain user gets it by way of a user namespace, and CMD
# runs as that user, who gains nothing by set-uid programs (no_new_privs), with every port and ping sockets, as a guest of the sandbox does.

if [ -z "$NS_DONE" ]; then
  export NS_DONE=1 NS_UID="$(id -u)" NS_GID="$(id -g)"
  own=; [ "$NS_UID" = 0 ] || own='--user --map-root-user'
  # shellcheck disable=SC2086
  exec unshare $own -n --mount-proc=/proc -p -f --kill-child -m "$0" "$@"
fi
ip link set lo up
if ip link add dummy0 type dummy 2>/dev/null; then D=dummy0; else ip tuntap add dev tap77 mode tap; D=tap77; fi
ip addr add 10.77.0.1/24 dev $D; ip -6 addr add fd77::1/64 dev $D nodad 2>/dev/null; ip link set $D up
mount -t sysfs sysfs /sys 2>/dev/null
if [ "$NS_UID" != 0 ]; then
  echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start; echo 0 0 > /proc/sys/net/ipv4/ping_group_range
  set -- setpriv --no-new-privs unshare --user --map-user="$NS_UID" --map-group="$NS_GID" "$@"
fi
"$@"; rc=$?; exit $rc   # not exec: CMD must not be PID 1
