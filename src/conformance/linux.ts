/** What bodies name: constants and structs of the ABI, and the calls by name. */
import { NR_AMD64 } from '../abi/index.ts';

export * from '../abi/index.ts';

/** Call numbers of the architecture that bodies run on. */
export const NUMBERS = NR_AMD64;
export type SyscallName = keyof typeof NUMBERS;
