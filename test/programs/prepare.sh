#!/bin/bash
# prepare.sh DIR: makes the data of the scripts here: files, a self-signed certificate, ssh keys, an empty database cluster. Safe to run again.
# prepare.sh --packages: installs the Debian packages of the programs that they run (needs root).
set -e -u
if [ "${1:-}" = --packages ]; then
  export DEBIAN_FRONTEND=noninteractive
  packages=(bc bind9-dnsutils bind9-host curl dnsmasq git iperf3 iproute2 iputils-ping libwww-perl lsof memcached net-tools netcat-openbsd nginx-light openssh-client
    openssh-server openssl perl postgresql postgresql-client python3 python3-requests redis-server redis-tools rsync socat tcpdump util-linux wrk)
  missing=(); for p in "${packages[@]}"; do dpkg -s "$p" >/dev/null 2>&1 || missing+=("$p"); done
  if [ ${#missing[@]} -gt 0 ]; then apt-get update -qq; apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; fi
  exit 0
fi
d=${1:?where to put the data}; mkdir -p "$d/keys"; chmod 755 "$d" "$d/keys"
[ -f "$d/10m.bin" ] || head -c 10485760 /dev/urandom > "$d/10m.bin"
[ -f "$d/1m.bin" ] || head -c 1048576 /dev/urandom > "$d/1m.bin"
: > "$d/empty"; printf 'a small text file for the scripts here\n%.0s' 1 2 3 > "$d/small.txt"
cd "$d/keys"
[ -f c.pem ] || openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=localhost \
  -addext 'subjectAltName=DNS:localhost,DNS:host.internal,IP:127.0.0.1,IP:::1,IP:10.0.2.2,IP:fd00::2' -keyout k.pem -out c.pem 2>/dev/null
cat k.pem c.pem > kc.pem; chmod 644 c.pem; chmod 600 k.pem kc.pem
if command -v ssh-keygen >/dev/null; then
  for key in id host; do [ -f $key ] || ssh-keygen -q -t ed25519 -N '' -f $key; chmod 600 $key; done
fi
initdb=$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -n 1)
if [ -n "$initdb" ] && [ ! -e "$d/db/ready" ]; then
  rm -rf "$d/db"; mkdir "$d/db"; as=()
  if [ "$(id -u)" = 0 ]; then chown postgres "$d/db"; as=(setpriv --reuid=postgres --regid=postgres --clear-groups); fi   # it refuses to run as root
  cd "$d/db"; "${as[@]}" "$initdb" -D "$d/db" -A trust -U postgres --no-sync > /dev/null
  printf 'host all all %s trust\n' 0.0.0.0/0 ::/0 >> "$d/db/pg_hba.conf"; : > "$d/db/ready"
fi
