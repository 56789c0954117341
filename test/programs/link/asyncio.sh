#!/bin/bash
# needs: /usr/bin/python3
# A python asyncio client: twenty streams at once over both families and TLS, half-close, datagrams, a refused connection, the name host.internal.
. "$(dirname "$0")/lib.sh"
guest /usr/bin/python3 "$(dirname "$0")/asyncio-client.py" "$host4" "$host6" "$name" "$http" "$https" "$echo" "$udp" "$refused" "$KEYS/c.pem"
