#!/bin/bash
# needs: curl openssl /usr/bin/python3 ip unshare ping
# Links of the operator's own: a tap in a network namespace of this script, both ways over IPv4 and IPv6; and a pair of sandboxes joined by a socket pair.
. "$(dirname "$0")/lib.sh"
[ -n "$RUN" ] || { echo "without a sandbox there is no link"; exit 0; }
if [ "$(id -u)" != 0 ]; then echo "not root: left out"; exit 0; fi
if [ -z "${IN_NAMESPACE:-}" ]; then IN_NAMESPACE=1 exec unshare -n "$0" "$@"; fi
pids=(); trap 'kill "${pids[@]}" 2>/dev/null; wait' EXIT
up() { for _ in $(seq 100); do curl -s -o /dev/null --max-time 2 "$1" && return; sleep 0.1; done; echo "nobody answers at $1"; return 1; }
mkdir "$W/srv"; octets 20000000 > "$W/srv/f"; want=$(sum < "$W/srv/f")
serve=(/usr/bin/python3 -m http.server -b :: -d "$W/srv")

ip link set lo up
ip tuntap add dev tap9 mode tap; ip addr add 10.0.5.1/24 dev tap9; ip -6 addr add fd00:5::1/64 dev tap9 nodad; ip link set tap9 up
ip addr add 203.0.113.1/32 dev lo   # behind the router, as seen by the guest
run=($RUN --link tap:tap9 --ip 10.0.5.2/24 --ip fd00:5::2/64 --gateway 10.0.5.1 --)
"${serve[@]}" 8000 2>/dev/null & pids+=($!)
up http://127.0.0.1:8000/
"${run[@]}" sh -c '
for host in 10.0.5.1 "[fd00:5::1]" 203.0.113.1; do curl -sSf "http://$host:8000/f" | sha256sum; done
for host in 10.0.5.1 fd00:5::1; do ping -c 2 -i 0.2 -W 5 -s 4000 $host; done
curl -s http://10.0.5.1:9/; echo $?' > "$W/o"
eq "$(grep -c "^$want" "$W/o")" 3; eq "$(grep -c '2 received' "$W/o")" 2; eq "$(tail -n 1 "$W/o")" 7
"${run[@]}" "${serve[@]}" 8001 2>/dev/null & pids+=($!)
up http://10.0.5.2:8001/
for host in 10.0.5.2 '[fd00:5::2]'; do curl -sSf -o "$W/o" "http://$host:8001/f"; eq "$(sum < "$W/o")" "$want"; done
rc=0; "${run[@]}" true 2> "$W/busy" || rc=$?; eq $rc 125; grep -q EBUSY "$W/busy"
rc=0; $RUN --link tap:none0 --ip 10.0.5.2/24 -- true 2> "$W/none" || rc=$?; eq $rc 125; grep -q 'ip tuntap add dev none0' "$W/none"
rc=0; $RUN --link fd:44 --ip 10.0.5.2/24 -- true 2> "$W/none" || rc=$?; eq $rc 125; grep -q 'is no link' "$W/none"
kill "${pids[1]}"; wait "${pids[1]}" || true

/usr/bin/python3 - "$W/o" "$W/srv" $RUN --link <<'P'
import socket,subprocess,sys,time
out,srv,run=sys.argv[1],sys.argv[2],sys.argv[3:]
a,b=socket.socketpair(socket.AF_UNIX,socket.SOCK_SEQPACKET)
def side(s,n,*cmd): return subprocess.Popen([*run,f"fd:{s.fileno()}","--ip",f"10.0.6.{n}/24","--ip",f"fd00:6::{n}/64","--",*cmd],pass_fds=[s.fileno()],stderr=subprocess.DEVNULL)
server=side(a,1,"/usr/bin/python3","-m","http.server","-b","::","-d",srv,"8000")
time.sleep(1.5)
client=side(b,2,"curl","-sSf","--retry","5","--retry-connrefused","-o",out,"http://10.0.6.1:8000/f","-o",out+"6","http://[fd00:6::1]:8000/f")
a.close(); b.close()
rc=client.wait(40); server.kill(); server.wait(); sys.exit(rc)
P
eq "$(sum < "$W/o")" "$want"; eq "$(sum < "$W/o6")" "$want"
