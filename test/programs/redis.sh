#!/bin/bash
# needs: redis-server redis-cli redis-benchmark
. "$(dirname "$0")/lib.sh"
bg redis-server --port 6399 --bind 127.0.0.1 ::1 --unixsocket $W/r.sock --dir $W --save '' --appendonly no; wait_port 127.0.0.1 6399
R="redis-cli -p 6399"; eq "$($R set a 1)" OK; eq "$($R incr a)" 2; eq "$(redis-cli -s $W/r.sock get a)" 2; eq "$(redis-cli -h ::1 -p 6399 get a)" 2
redis-benchmark -p 6399 -q -n 2000 -c 20 -t ping,set,get,lpush,mset
redis-benchmark -p 6399 -q -n 10000 -c 20 -P 16 -t set,get
redis-benchmark -s $W/r.sock -q -n 2000 -c 10 -t set,get
( timeout 5 $R subscribe ch > $W/sub || true ) & S=$!; sleep 1; eq "$($R publish ch hello)" 1; sleep 0.3; grepq hello $W/sub
head -c 5000000 /dev/zero | tr '\0' x | $R -x set big > /dev/null; eq "$($R strlen big)" 5000000; $R --pipe < <(for i in $(seq 2000); do printf 'SET k%d v%d\r\n' $i $i; done) | grepq 'errors: 0'
$R shutdown nosave || true
