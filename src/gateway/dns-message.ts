/**
 * DNS messages (RFC 1035, EDNS RFC 6891) as the proxy needs them. Of a query the header, the question and the OPT record's size are read; what is forwarded is kept
 * octet for octet, signatures (TSIG, SIG(0)) and options that nobody has heard of included: whether they are well formed is the resolver's to say.
 */
import { putU16, putU32, u16 } from '../lib/bytes.ts';
import type { IpAddress } from '../netstack/address.ts';

export const HEADER_LEN = 12;
/** RFC 1035 2.3.4: what a client takes that names no size of its own. */
export const CLASSIC_LEN = 512;
/** Queries beyond this are not served; a name of 255 octets with EDNS options fits many times. */
export const QUERY_LIMIT = 4096;
/** TTL of the local name, seconds. */
const LOCAL_TTL = 60;

export const Rcode = { NoError: 0, FormErr: 1, ServFail: 2, NxDomain: 3, NotImp: 4, Refused: 5 } as const;
const QType = { A: 1, Aaaa: 28, Opt: 41, Any: 255 } as const;
const CLASS_IN = 1;
/** RFC 1035 4.1.4: a name that stands elsewhere in the message. */
const POINTER = 0xc0;
const POINTER_LEN = 2;
/** Type, class, TTL and length of the data, behind a record's name. */
const RECORD_FIELDS_LEN = 10;
const FLAG_RESPONSE = 0x80;
const FLAG_TRUNCATED = 0x02;
const FLAG_RECURSION_AVAILABLE = 0x80;
const FLAG_AUTHORITATIVE = 0x04;
const FLAG_RECURSION_DESIRED = 0x01;
const OPCODE_MASK = 0x78;
const RCODE_MASK = 0x0f;
/** QDCOUNT, and the three counts behind it. */
const QUESTION_COUNT = 4;
const ANSWER_COUNT = 6;
const COUNTS_END = 12;

export interface Query {
  readonly id: number;
  /** Lower case, without the final dot. */
  readonly name: string;
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

const lower = (octet: number): number => (octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet);

/** RFC 1035 5.1: a dot within a label is not the one between labels. */
const escaped = (octet: number): string => {
  const character = String.fromCharCode(lower(octet));
  return character === '.' || character === '\\' ? `\\${character}` : character;
};
/** The question's name, which `questionEnd` walked before. */
function nameOf(octets: Uint8Array): string {
  const labels: string[] = [];
  for (let at = HEADER_LEN; ; ) {
    const len = octets[at] as number;
    if (len === 0) return labels.join('.');
    labels.push(Array.from(octets.subarray(at + 1, at + 1 + len), escaped).join(''));
    at += 1 + len;
  }
}

/** One past the name at `at`; undefined where none is. */
function skipName(octets: Uint8Array, at: number): number | undefined {
  for (;;) {
    const len = octets[at];
    if (len === undefined) return undefined;
    if (len === 0) return at + 1;
    if (len >= POINTER) return at + POINTER_LEN;
    if (len > 63) return undefined;
    at += 1 + len;
  }
}
/** The largest answer that the OPT record behind the question allows (RFC 6891 6.2.3); that of a client without one when there is none, or nothing that can be read. */
function offeredSize(octets: Uint8Array, recordsAt: number): number {
  for (let next = recordsAt; ; ) {
    const at = skipName(octets, next);
    if (at === undefined || at + RECORD_FIELDS_LEN > octets.length) return CLASSIC_LEN;
    if (u16(octets, at) === QType.Opt) return Math.max(CLASSIC_LEN, u16(octets, at + 2));
    next = at + RECORD_FIELDS_LEN + u16(octets, at + 8);
  }
}

/** @returns the query; an rcode to refuse it with; or undefined when it deserves no answer. */
export function parseQuery(octets: Uint8Array): Query | number | undefined {
  if (octets.length < HEADER_LEN || octets.length > QUERY_LIMIT) return undefined;
  const flags = octets[2] as number;
  if ((flags & FLAG_RESPONSE) !== 0) return undefined;
  if ((flags & OPCODE_MASK) !== 0) return Rcode.NotImp;
  const end = u16(octets, QUESTION_COUNT) === 1 ? questionEnd(octets) : undefined;
  if (end === undefined) return Rcode.FormErr;
  return {
    id: u16(octets, 0),
    name: nameOf(octets),
    octets,
    questionEnd: end,
    sizeLimit: offeredSize(octets, end),
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
  const type = u16(query.octets, query.questionEnd - 4);
  const data: Uint8Array[] = [];
  if (type === QType.A || type === QType.Any) data.push(addressOctets(v4));
  if (type === QType.Aaaa || type === QType.Any) data.push(addressOctets(v6));
  const head = emptyAnswer(query.octets, query.questionEnd, Rcode.NoError);
  if (data.length === 0) return head;
  const answer = new Uint8Array(
    data.reduce((len, { length }) => len + POINTER_LEN + RECORD_FIELDS_LEN + length, head.length),
  );
  answer.set(head);
  answer[2] = FLAG_RESPONSE | FLAG_AUTHORITATIVE | ((query.octets[2] as number) & FLAG_RECURSION_DESIRED);
  putU16(answer, ANSWER_COUNT, data.length);
  let at = head.length;
  for (const octets of data) {
    answer[at] = POINTER;
    answer[at + 1] = HEADER_LEN;
    at += POINTER_LEN;
    putU16(answer, at, octets.length === 4 ? QType.A : QType.Aaaa);
    putU16(answer, at + 2, CLASS_IN);
    putU32(answer, at + 4, LOCAL_TTL);
    putU16(answer, at + 8, octets.length);
    answer.set(octets, at + RECORD_FIELDS_LEN);
    at += RECORD_FIELDS_LEN + octets.length;
  }
  return answer;
}
function addressOctets(address: IpAddress): Uint8Array {
  const octets = new Uint8Array(address.isV4 ? 4 : 16);
  if (address.isV4) address.write4(octets, 0);
  else address.write6(octets, 0);
  return octets;
}

export const rcodeOf = (answer: Uint8Array): number => (answer[3] as number) & RCODE_MASK;

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
