/**
 * The address space that a body sees, the same on both drivers, so that pointers, faults and page ends agree octet by octet.
 *
 *   HEAP   readable and writable, handed out by `sys.alloc`
 *   EDGES  pieces of three pages followed by a hole: what ends at the hole faults half way
 *   FIXED  read-only pages
 *   NOWHERE lies in no mapping
 */
export const PAGE = 4096;

export const DATA_BASE = 0x2000_0000;
export const HEAP_OCTETS = 4 << 20;

export const EDGE_COUNT = 16;
export const EDGE_USABLE = 3 * PAGE;
export const EDGE_STRIDE = 4 * PAGE;
export const EDGE_BASE = DATA_BASE + HEAP_OCTETS;

export const FIXED_BASE = EDGE_BASE + EDGE_COUNT * EDGE_STRIDE;
export const FIXED_OCTETS = 4 * PAGE;

export const DATA_OCTETS = HEAP_OCTETS + EDGE_COUNT * EDGE_STRIDE + FIXED_OCTETS;
export const DATA_END = DATA_BASE + DATA_OCTETS;

/** What memory holds before anyone writes it, so that a written zero is seen. */
export const FILL = 0xee;

/** An address with no mapping around it. */
export const NOWHERE = 0x3fff_0000;

/** True where an octet may be read. */
export function isReadable(addr: number): boolean {
  if (addr < DATA_BASE || addr >= DATA_END) return false;
  if (addr < EDGE_BASE || addr >= FIXED_BASE) return true;
  return (addr - EDGE_BASE) % EDGE_STRIDE < EDGE_USABLE;
}
/** True where an octet may be written. */
export const isWritable = (addr: number): boolean => addr < FIXED_BASE && isReadable(addr);
