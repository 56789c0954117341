/** Control messages that bring parts of the header: fed with packets as a link would bring them, which loopback does not. */
import test from 'ava';
import { CmsgWalker, CmsgWriter } from '../../src/abi/cmsg.ts';
import * as IN from '../../src/abi/in.ts';
import { PacketPool } from '../../src/netstack/packet.ts';
import { asksOfHeaders, putIpOptions, putIpv6Headers, putOldIpv6Headers } from '../../src/socket/control/headers.ts';
import { OptionState } from '../../src/socket/options/target.ts';
import { packet4, packet6 } from '../support/stacks.ts';

const pool = new PacketPool({ large: 1, small: 4 });
/** A received packet: `l3` on its IP header, `l4` and `at` behind all headers. */
function received(octets: readonly number[], headers: number) {
  const packet = pool.alloc(octets.length);
  if (packet === undefined) throw new Error('no buffer');
  packet.bytes.set(octets, packet.at);
  packet.l3 = packet.at;
  packet.l4 = packet.at += headers;
  packet.end = packet.l3 + octets.length;
  return packet;
}
/** Type and octets of each message. */
function written(put: (writer: CmsgWriter) => void): [number, number[]][] {
  const bytes = new Uint8Array(512);
  const writer = new CmsgWriter().begin(bytes, bytes.length);
  put(writer);
  const walker = new CmsgWalker().begin(bytes, writer.length);
  const out: [number, number[]][] = [];
  while (walker.next()) out.push([walker.type, [...bytes.subarray(walker.data, walker.data + walker.dataLength)]]);
  return out;
}

test('IP_RECVOPTS brings the options as they came, IP_RETOPTS what an answer would carry', (t) => {
  const route = [7, 7, 8, 10, 0, 0, 1];
  const options = [1, ...route, 148, 4, 0, 0];
  const packet = received(packet4({ protocol: 17, options }, [1, 2, 3, 4]), 20 + options.length);
  const state = new OptionState();
  t.false(asksOfHeaders(state));
  t.deepEqual(
    written((w) => putIpOptions(w, packet, state)),
    [],
  );
  state.receiveOptions = state.returnOptions = true;
  t.true(asksOfHeaders(state));
  t.deepEqual(
    written((w) => putIpOptions(w, packet, state)),
    [
      [IN.IP_RECVOPTS, options],
      [IN.IP_RETOPTS, [...route, 0]],
    ],
  );
  const plain = received(packet4({ protocol: 17 }, [1]), 20);
  t.deepEqual(
    written((w) => putIpOptions(w, plain, state)),
    [],
    'nothing where there are none',
  );
  const cut = received(packet4({ protocol: 17, options: [7, 40, 4, 0] }, [1]), 24);
  t.deepEqual(
    written((w) => putIpOptions(w, cut, state))[1],
    [IN.IP_RETOPTS, []],
    'an option beyond the header is none',
  );
  for (const p of [packet, plain, cut]) p.release();
});

test('IPv6 extension headers in their order, by the names of both RFCs', (t) => {
  const hop = [43, 0, 1, 4, 0, 0, 0, 0];
  const routing = [60, 0, 0, 0, 0, 0, 0, 0];
  const destination = [17, 0, 1, 4, 0, 0, 0, 0];
  const octets = packet6({ next: 0 }, [...hop, ...routing, ...destination, 9, 9]);
  octets[1] = 0x01;
  octets[2] = 0x23;
  const packet = received(octets, 40 + 24);
  const state = new OptionState();
  state.receiveHopOptions = state.receiveDestinationOptions = state.receiveRouting = state.receiveFlowInfo = true;
  t.deepEqual(
    written((w) => putIpv6Headers(w, packet, state)),
    [
      [IN.IPV6_FLOWINFO, [0, 1, 0x23, 0]],
      [IN.IPV6_HOPOPTS, hop],
      [IN.IPV6_RTHDR, routing],
      [IN.IPV6_DSTOPTS, destination],
    ],
  );
  t.deepEqual(
    written((w) => putOldIpv6Headers(w, packet, state)),
    [],
  );
  state.oldHopOptions = state.oldDestinationOptions = state.oldRouting = true;
  t.deepEqual(
    written((w) => putOldIpv6Headers(w, packet, state)),
    [
      [IN.IPV6_2292HOPOPTS, hop],
      [IN.IPV6_2292RTHDR, routing],
      [IN.IPV6_2292DSTOPTS, destination],
    ],
  );
  packet.release();
});
