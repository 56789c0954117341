/** openat2(2): include/uapi/linux/openat2.h. The same on x86_64 and arm64. */
import { struct, type TypeOf, u64 } from './struct.ts';

/** O_* flags, the mode of a file that is made, RESOLVE_*. */
export const openHow = struct('open_how', 24, { flags: u64, mode: u64, resolve: u64 });
export type OpenHow = TypeOf<typeof openHow>;
export const RESOLVE_NO_XDEV = 0x01;
export const RESOLVE_NO_MAGICLINKS = 0x02;
export const RESOLVE_NO_SYMLINKS = 0x04;
export const RESOLVE_BENEATH = 0x08;
export const RESOLVE_IN_ROOT = 0x10;
export const RESOLVE_CACHED = 0x20;
