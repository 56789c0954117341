/**
 * How the guest's descriptors stand for our files: a plane makes the placeholders that the kernel's tables hold, shows our readiness through them, and carries the data or does not.
 * The strict plane carries none: every transfer is trapped and answered. A direct plane lets octets flow through the placeholder.
 */
import type { OpenFile } from '../socket/file.ts';

/** A descriptor's worth of ours in the guest. */
export interface Placeholder {
  readonly file: OpenFile;
  /** Of the socket in sockfs: what identifies it behind any descriptor of any process. */
  readonly inode: number;
  /** Poll events that the guest sees now. */
  readonly shown: number;
  /** Who used it last, and by which descriptor. */
  tid: number;
  fd: number;
  /** Edges that the guest has not taken have piled up: `thin` it in the next call on it. */
  readonly isCrowded: boolean;
}

/** Where no copy of the guest's end is at hand. */
export const NO_COPY = -1;

/** The loop, as it watches our ends. */
export interface PeerWatches {
  add(fd: number, events: number, handler: (events: number) => void): void;
  modify(fd: number, events: number): void;
  remove(fd: number): void;
}

export interface Plane {
  /** Becomes readable when `closedSince` has something to tell; for the loop's epoll. */
  readonly watchFd: number;
  /** Makes a placeholder and returns our descriptor of the guest's end, which the caller injects and then closes; or a negative errno. It shows `file.poll()`. */
  open(file: OpenFile): number;
  /** What `open` made last. */
  readonly opened: Placeholder;
  /** The placeholder of that inode or file, if it is one of ours. */
  byInode(inode: number): Placeholder | undefined;
  byFile(file: OpenFile): Placeholder | undefined;
  readonly placeholders: Iterable<Placeholder>;
  /** For our ends that carry data. Before the first `open`. */
  attach(watches: PeerWatches): void;
  /** Before a trapped call on it: what the guest did natively until now is taken in. With `last` the guest will send no more natively, so all of it is taken. */
  drain(placeholder: Placeholder, copy: number, last: boolean): void;
  /**
   * Shows `events` at once. `copy` is a descriptor of the guest's end, or NO_COPY: then only what rises can be shown. False if something could not be: the guest
   * needs a new placeholder in its place (`replace`). `leaving` units are about to leave the file's receive queue, and leave the guest's end now.
   */
  show(placeholder: Placeholder, events: number, copy: number, leaving: number): boolean;
  /** Makes the guest's end refuse what is sent through it, as a stream whose connection is over does. False if it cannot. */
  endSending(placeholder: Placeholder, copy: number): boolean;
  /** The guest did not take a result: what was shown for it is shown as before. */
  realign(placeholder: Placeholder, copy: number): void;
  /** Makes room for further edges. */
  thin(placeholder: Placeholder, copy: number): void;
  /** Makes a new guest's end for the same file, which has to take the place of the old one; as `open`. */
  replace(placeholder: Placeholder): number;
  /** What `file` is ready for may have changed without an event of its own. */
  touch(file: OpenFile): void;
  /** Shows everything that rose since the last time. */
  flush(): void;
  /** True if there is more to do at once. */
  readonly hasWork: boolean;
  /** Calls `closed` with each placeholder whose last descriptor was closed since. It is forgotten then; the caller releases its file. Returns how many. */
  closedSince(closed: (placeholder: Placeholder) => void): number;
  /** Messages that guests sent natively and that could not leave. */
  readonly lostSends: number;
  /** Count of placeholders alive. */
  readonly size: number;
  close(): void;
}
