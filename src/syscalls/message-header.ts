/** What a call's struct msghdr said, read from the guest once: the addresses its results are written back to. */
export class MessageHeader {
  /** Guest address of the struct itself. */
  address = 0;
  /** msg_name, 0 if none. */
  name = 0;
  /** msg_namelen as the guest gave it. */
  nameLength = 0;
  /** msg_control. */
  control = 0;
  /** msg_controllen; Infinity if it was out of range. */
  controlLength = 0;
  /** msg_flags: what a send takes from there. */
  flags = 0;
  /** Room for the control data of a send: grows to the longest that the task has sent, at most optmem_max. */
  #controlBuffer = new Uint8Array(0);

  controlBuffer(octets: number): Uint8Array {
    if (this.#controlBuffer.length < octets) this.#controlBuffer = new Uint8Array(Math.max(octets, 256));
    return this.#controlBuffer;
  }
}
