/** getrlimit(2), prlimit(2): include/uapi/asm-generic/resource.h, linux/resource.h. */
import { struct, type TypeOf, u64 } from './struct.ts';

export const RLIMIT_NOFILE = 7;
export const RLIM_NLIMITS = 16;

/** `struct rlimit64`. RLIM64_INFINITY is all ones. */
export const rlimit = struct('rlimit64', 16, { cur: u64, max: u64 });
export type Rlimit = TypeOf<typeof rlimit>;
