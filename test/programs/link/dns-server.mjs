/** A resolver for dns.sh: dns-server.mjs ADDRESS answers on port 53 of ADDRESS over UDP and TCP and ends with its standard input. */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import packet from 'dns-packet';

const records = {
  'a.test A': [{ type: 'A', data: '10.1.2.3' }],
  'a.test AAAA': [{ type: 'AAAA', data: 'fd00::7' }],
  'mixed.case.test A': [{ type: 'A', data: '10.1.2.4' }],
  'long.test TXT': [{ type: 'TXT', data: ['x'.repeat(200), 'y'.repeat(200), 'z'.repeat(200)] }],
};

function answer(query, limit) {
  const [question] = query.questions;
  const answers = (records[`${question.name.toLowerCase()} ${question.type}`] ?? []).map((record) => ({
    name: question.name,
    ttl: 5,
    ...record,
  }));
  const reply = {
    type: 'response',
    id: query.id,
    questions: [question],
    flags: packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE,
  };
  if (answers.length === 0) reply.flags |= 3; // NXDOMAIN
  let encoded = packet.encode({ ...reply, answers });
  if (encoded.length > limit) encoded = packet.encode({ ...reply, flags: reply.flags | packet.TRUNCATED_RESPONSE });
  return encoded;
}

const socket = createSocket('udp4');
socket.on('message', (message, from) => {
  const query = packet.decode(message);
  const limit = query.additionals.some(({ type }) => type === 'OPT') ? 65535 : 512;
  socket.send(answer(query, limit), from.port, from.address);
});
createServer((stream) => {
  stream.on('error', () => undefined);
  stream.once('data', (octets) => {
    const encoded = answer(packet.decode(octets.subarray(2)), 65535);
    stream.write(Buffer.concat([Buffer.of(encoded.length >>> 8, encoded.length), encoded]));
  });
}).listen(53, process.argv[2]);
socket.bind(53, process.argv[2], () => process.stdout.write('up\n'));
process.stdin.resume().on('end', () => process.exit(0));
