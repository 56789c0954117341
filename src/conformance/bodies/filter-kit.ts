/** Programs of classic BPF for bodies, and their attaching. */
import type { Kit } from '../kit.ts';
import * as c from '../linux.ts';

export type Instruction = readonly [code: number, jt: number, jf: number, k: number];

export const program = (...instructions: readonly Instruction[]): Uint8Array => {
  const bytes = new Uint8Array(instructions.length * 8);
  instructions.forEach(([code, jt, jf, k], i) => c.sockFilter.put(bytes, i * 8, { code, jt, jf, k }));
  return bytes;
};

export function attach(
  a: Kit,
  fd: number,
  code: Uint8Array,
  { len = code.length / 8, option = c.SO_ATTACH_FILTER }: { readonly len?: number; readonly option?: number } = {},
): number {
  const at = a.sys.alloc(16, 'fprog');
  a.sys.put(c.sockFprog, at, { len, filter: a.octets(code, 'program') });
  return a.task.call('setsockopt', fd, c.SOL_SOCKET, option, at, 16);
}

/** SKF_AD_OFF: `ld` of an extension. */
export const extension = (number: number): Instruction => [0x20, 0, 0, -0x1000 + number];
/** `ret a` */
export const RETURN_A: Instruction = [0x16, 0, 0, 0];
/** `ret #k` */
export const returnK = (k: number): Instruction => [0x06, 0, 0, k];
/** `ld #k` and `ldx #k` */
export const load = (k: number): Instruction => [0x00, 0, 0, k];
export const loadX = (k: number): Instruction => [0x01, 0, 0, k];

export const detach = (a: Kit, fd: number): number => a.setInt(fd, c.SOL_SOCKET, c.SO_DETACH_FILTER, 0);
/** The socket hears nothing more, so to its peer the way between them has broken. */
export const deafen = (a: Kit, fd: number): number => attach(a, fd, program(returnK(0)));
