/**
 * The control channel between the sentry and its gateway: a SEQPACKET pair beside the link, one JSON object a message, at most `MESSAGE_LIMIT` octets.
 * The sentry tells of a flow before the flow's first frame, so that every record of the gateway names the process that caused it: attribution is carried, not
 * guessed. Whoever receives checks with zod; a message that does not fit is counted and dropped, since neither side may stop the other.
 */
import * as z from 'zod';

export const MESSAGE_LIMIT = 32_768;

const text = (most: number) => z.string().max(most);
const natural = z.number().nonnegative();
const endpoint = z.strictObject({
  address: text(64),
  port: z.int().min(0).max(65_535),
});
const protocol = z.enum(['tcp', 'udp']);
const anyProtocol = z.enum(['tcp', 'udp', 'icmp']);

/** Who opened a flow, as the sentry knows it. */
const owner = {
  pid: z.int(),
  tid: z.int(),
  fd: z.int(),
  socketId: z.int(),
  callId: z.int(),
  command: text(4096),
};
const flowSchema = z.strictObject({
  type: z.literal('flow'),
  protocol,
  /** The guest's end. */
  local: endpoint,
  remote: endpoint,
  ...owner,
});
/** A socket that the gateway's process was given: bound, and listening if it is a stream's. */
const listenerSchema = z.strictObject({
  fd: z.int().min(0),
  protocol,
  guestPort: z.int().min(1).max(65_535),
  isV4: z.boolean(),
});
const configMessage = z.strictObject({
  type: z.literal('config'),
  config: z.unknown(),
  /** The sentry's process. */
  pid: z.int(),
  listeners: z.array(listenerSchema).max(512).default([]),
});
const statsRequest = z.strictObject({ type: z.literal('stats') });
/** The link is about to be closed in order. Without it the sentry was killed, or crashed. */
const endMessage = z.strictObject({ type: z.literal('end') });
const toGateway = z.discriminatedUnion('type', [configMessage, flowSchema, statsRequest, endMessage]);

const counts = z.record(z.string(), natural);
const countersSchema = z.strictObject({
  type: z.literal('counters'),
  frames: z.strictObject({ fromGuest: natural, toGuest: natural }),
  octets: z.strictObject({ fromGuest: natural, toGuest: natural }),
  /** Flows ever opened, and open now. */
  flows: z.strictObject({
    tcp: natural,
    udp: natural,
    icmp: natural,
    dns: natural,
    tcpOpen: natural,
    udpOpen: natural,
    icmpOpen: natural,
    dnsOpen: natural,
  }),
  /** Flows refused by rule, by name of the rule. */
  refused: counts,
  /** Packets dropped, by reason. */
  dropped: counts,
  /** Everything else that is worth a number. */
  events: counts,
});
const flowRecord = {
  id: z.int(),
  protocol: anyProtocol,
  /** Whether the guest opened it, or a client of the host's through a published port. */
  origin: z.enum(['guest', 'published']),
  local: endpoint,
  remote: endpoint,
  /** Of a published port: who the client is, whatever it shows as to the guest. */
  client: endpoint.optional(),
  owner: z.strictObject(owner).optional(),
};
const openedSchema = z.strictObject({ type: z.literal('flow-opened'), ...flowRecord });
const closedSchema = z.strictObject({
  type: z.literal('flow-closed'),
  ...flowRecord,
  /** Payload octets. */
  octets: z.strictObject({ fromGuest: natural, toGuest: natural }),
  reason: text(64),
});
const refusedSchema = z.strictObject({
  type: z.literal('flow-refused'),
  protocol: anyProtocol,
  local: endpoint,
  remote: endpoint,
  owner: z.strictObject(owner).optional(),
  reason: text(64),
});
/** `confined`: whether a process of its own has put its seccomp filter on. */
const readySchema = z.strictObject({ type: z.literal('ready'), pid: z.int(), confined: z.boolean().optional() });
const failedSchema = z.strictObject({ type: z.literal('failed'), message: text(8192) });
const fromGateway = z.discriminatedUnion('type', [
  readySchema,
  failedSchema,
  openedSchema,
  closedSchema,
  refusedSchema,
  countersSchema,
]);

export type Listener = z.infer<typeof listenerSchema>;
export type FlowMetadata = z.infer<typeof flowSchema>;
export type FlowOwner = Omit<FlowMetadata, 'type' | 'protocol' | 'local' | 'remote'>;
export type MessageToGateway = z.infer<typeof toGateway>;
export type Counters = z.infer<typeof countersSchema>;
export type FlowOpened = z.infer<typeof openedSchema>;
export type FlowClosed = z.infer<typeof closedSchema>;
export type FlowRefused = z.infer<typeof refusedSchema>;
export type MessageFromGateway = z.infer<typeof fromGateway>;

function parse<T>(schema: z.ZodType<T>, octets: Uint8Array): T | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(octets));
  } catch {
    return undefined;
  }
  const result = schema.safeParse(value);
  return result.success ? result.data : undefined;
}
/** Undefined for whatever is not a message. */
export const parseToGateway = (octets: Uint8Array): MessageToGateway | undefined => parse(toGateway, octets);
export const parseFromGateway = (octets: Uint8Array): MessageFromGateway | undefined => parse(fromGateway, octets);
