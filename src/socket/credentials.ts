/** Who the guest is, as far as sockets ask. */
export interface Credentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** Effective capabilities in the guest's user namespace. */
  readonly netBindService: boolean;
  readonly netRaw: boolean;
  readonly netAdmin: boolean;
}
