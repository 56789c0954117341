/**
 * DNS messages (RFC 1035, EDNS RFC 6891) as the proxy needs them. The codec is the dns-packet package; it throws on malformed input, which is caught here.
 * What is forwarded is not decoded and encoded again but kept octet for octet, so that nothing is lost that the codec does not know.
 */
import dnsPacket from 'dns-packet';
import { u16 } from '../lib/bytes.ts';
import type { IpAddress } from '../netstack/address.ts';

export const HEADER_LEN = 12;
/** RFC 1035 2.3.4: what a client takes that names no size of its own. */
export const CLASSIC_LEN = 512;
/** Queries beyond this are not served; a name of 255 octets with EDNS options fits many times. */
export const QUERY_LIMIT = 4096;
/** TTL of the local name, seconds. */
const LOCAL_TTL = 60;

export const Rcode = { NoError: 0, FormErr: 1, ServFail: 2, NxDomain: 3, NotImp: 4, Refused: 5 } as const;
const QType = { A: 1, Aaaa: 28, Any: 255 } as const;
const FLAG_RESPONSE = 0x80;
const FLAG_TRUNCATED = 0x02;
const FLAG_RECURSION_AVAILABLE = 0x80;
const OPCODE_MASK = 0x78;
const RCODE_MASK = 0x0f;
/** QDCOUNT, and the three counts behind it. */
const QUESTION_COUNT = 4;
const COUNTS_END = 12;

export interface Query {
  readonly id: number;
  /** Lower case, without the final dot. */
  readonly name: string;
  readonly question: dnsPacket.Question;
  /** The whole message, a copy. */
  readonly octets: Uint8Array;
  /** One past the question section. */
  readonly questionEnd: number;
  /** Largest answer that the client takes. */
  readonly sizeLimit: number;
}

/** One past the question that begins at 12, or undefined: pointers have no place there. */
function questionEnd(octets: Uint8Array): number | undefined {
  let at = HEADER_LEN;
  for (;;) {
    const len = octets[at];
    if (len === undefined || len > 63) return undefined;
    at += 1 + len;
    if (len === 0) break;
  }
  return at + 4 <= octets.length && at - HEADER_LEN <= 255 ? at + 4 : undefined;
}

/** @returns the query; an rcode to refuse it with; or undefined when it deserves no answer. */
export function parseQuery(octets: Uint8Array): Query | number | undefined {
  if (octets.length < HEADER_LEN || octets.length > QUERY_LIMIT) return undefined;
  const flags = octets[2] as number;
  if ((flags & FLAG_RESPONSE) !== 0) return undefined;
  if ((flags & OPCODE_MASK) !== 0) return Rcode.NotImp;
  const end = u16(octets, QUESTION_COUNT) === 1 ? questionEnd(octets) : undefined;
  if (end === undefined) return Rcode.FormErr;
  let message: dnsPacket.DecodedPacket;
  try {
    message = dnsPacket.decode(Buffer.from(octets.buffer, octets.byteOffset, octets.length));
  } catch {
    return Rcode.FormErr;
  }
  const question = message.questions?.[0];
  if (question === undefined) return Rcode.FormErr;
  const opt = message.additionals?.find((record) => record.type === 'OPT');
  const offered = opt?.type === 'OPT' ? opt.udpPayloadSize : CLASSIC_LEN;
  return {
    id: u16(octets, 0),
    name: question.name.toLowerCase(),
    question,
    octets,
    questionEnd: end,
    sizeLimit: Math.max(CLASSIC_LEN, offered),
  };
}

/** The header and question of a query as an answer with `rcode` and nothing else. */
export function emptyAnswer(query: Uint8Array, end: number, rcode: number, truncated = false): Uint8Array {
  const answer = query.slice(0, end);
  answer[2] = (answer[2] as number) | FLAG_RESPONSE | (truncated ? FLAG_TRUNCATED : 0);
  answer[3] = FLAG_RECURSION_AVAILABLE | rcode;
  answer.fill(0, QUESTION_COUNT, COUNTS_END);
  if (end > HEADER_LEN) answer[QUESTION_COUNT + 1] = 1;
  return answer;
}

/** Answers for a name that stands for two addresses; types other than A and AAAA exist, but are empty. */
export function localAnswer(query: Query, v4: IpAddress, v6: IpAddress): Uint8Array {
  const { name } = query.question;
  const type = u16(query.octets, query.questionEnd - 4);
  const records: dnsPacket.Answer[] = [];
  if (type === QType.A || type === QType.Any) records.push({ type: 'A', name, ttl: LOCAL_TTL, data: v4.toString() });
  if (type === QType.Aaaa || type === QType.Any) {
    records.push({ type: 'AAAA', name, ttl: LOCAL_TTL, data: v6.toString() });
  }
  if (records.length === 0) return emptyAnswer(query.octets, query.questionEnd, Rcode.NoError);
  return dnsPacket.encode({
    type: 'response',
    id: query.id,
    flags:
      dnsPacket.AUTHORITATIVE_ANSWER |
      dnsPacket.RECURSION_AVAILABLE |
      (u16(query.octets, 2) & dnsPacket.RECURSION_DESIRED),
    questions: [query.question],
    answers: records,
  });
}

export const rcodeOf = (answer: Uint8Array): number => (answer[3] as number) & RCODE_MASK;

const lower = (octet: number): number => (octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet);

/** True if `answer` is a response to `query` under the id that it was forwarded with (RFC 5452 9.1). */
export function answers(query: Query, id: number, answer: Uint8Array): boolean {
  if (answer.length < query.questionEnd || u16(answer, 0) !== id) return false;
  if (((answer[2] as number) & FLAG_RESPONSE) === 0 || u16(answer, QUESTION_COUNT) !== 1) return false;
  const nameEnd = query.questionEnd - 4;
  for (let i = HEADER_LEN; i < query.questionEnd; i++) {
    const [a, b] = [query.octets[i] as number, answer[i] as number];
    if (a !== b && (i >= nameEnd || lower(a) !== lower(b))) return false;
  }
  return true;
}

/** The resolver's answer as the client gets it: its id, its spelling of the question, and TC with an empty answer when it is too large. */
export function adaptAnswer(query: Query, answer: Uint8Array, sizeLimit = query.sizeLimit): Uint8Array {
  if (answer.length > sizeLimit) {
    const short = emptyAnswer(query.octets, query.questionEnd, rcodeOf(answer), true);
    short[3] = answer[3] as number;
    return short;
  }
  const out = answer.slice();
  out.set(query.octets.subarray(0, 2), 0);
  out.set(query.octets.subarray(HEADER_LEN, query.questionEnd), HEADER_LEN);
  return out;
}
