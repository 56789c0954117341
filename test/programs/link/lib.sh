# Sourced by the scripts of this folder, whose clients run as guests and whose peer, server.mjs, runs on the host. link/run.sh starts that peer and sets
# $DIRECTORY, the ports $http $https $echo $udp $refused, the addresses $host4 $host6 under which the guest finds the host's loopback, and $SIZE.
set -e -u -o pipefail
W=$(mktemp -d "$DIRECTORY/$(basename "$0" .sh).XXXXXX")
# guest CMD...: runs CMD in the sandbox with the peer's ports open, or as it is where $SANDSOCK is empty
guest() {
  if [ -z "$RUN" ]; then "$@"; return; fi
  $RUN --host-port $http --host-port $https --host-port $echo --host-port $udp --host-port $refused -- "$@"
}
eq() { [ "$1" = "$2" ] || { echo "expected '$2', got '$1'"; return 1; }; }
sum() { sha256sum | cut -d' ' -f1; }
# octets N: the stream that server.mjs serves under /bytes/N
octets() { head -c "$1" /dev/zero | openssl enc -aes-128-ctr -K 00000000000000000000000000000000 -iv 00000000000000000000000000000000 -nosalt; }
