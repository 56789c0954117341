/** Namespaces of clone(2), unshare(2) and setns(2): include/uapi/linux/sched.h. The same on x86_64 and arm64. */
export const CLONE_NEWTIME = 0x00000080;
export const CLONE_NEWNS = 0x00020000;
export const CLONE_NEWCGROUP = 0x02000000;
export const CLONE_NEWUTS = 0x04000000;
export const CLONE_NEWIPC = 0x08000000;
export const CLONE_NEWUSER = 0x10000000;
export const CLONE_NEWPID = 0x20000000;
export const CLONE_NEWNET = 0x40000000;
/** clone(2): who traces the caller does not trace the child. */
export const CLONE_UNTRACED = 0x00800000;
