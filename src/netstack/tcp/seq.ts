/**
 * Sequence numbers (RFC 9293 3.4): int32, compared by the sign of their difference, which is right while they are less than 2^31 apart.
 * As int32 they stay unboxed in V8.
 */
export const add = (a: number, n: number): number => (a + n) | 0;
/** Signed distance from `b` to `a`. */
export const diff = (a: number, b: number): number => (a - b) | 0;
export const before = (a: number, b: number): boolean => ((a - b) | 0) < 0;
export const after = (a: number, b: number): boolean => ((a - b) | 0) > 0;
/** The later of two. */
export const later = (a: number, b: number): number => (((a - b) | 0) > 0 ? a : b);
/** The earlier of two. */
export const earlier = (a: number, b: number): number => (((a - b) | 0) < 0 ? a : b);
