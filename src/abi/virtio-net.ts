/** The header before a frame that says what is left to do to it: TUNSETVNETHDRSZ, PACKET_VNET_HDR (include/uapi/linux/virtio_net.h). Little endian on these machines. */
import { struct, type TypeOf, u8, u16 } from './struct.ts';

export const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;
export const VIRTIO_NET_HDR_F_DATA_VALID = 2;
export const VIRTIO_NET_HDR_F_RSC_INFO = 4;
export const VIRTIO_NET_HDR_GSO_NONE = 0;
export const VIRTIO_NET_HDR_GSO_TCPV4 = 1;
export const VIRTIO_NET_HDR_GSO_UDP = 3;
export const VIRTIO_NET_HDR_GSO_TCPV6 = 4;
export const VIRTIO_NET_HDR_GSO_UDP_L4 = 5;
export const VIRTIO_NET_HDR_GSO_ECN = 0x80;

export const virtioNetHdr = struct('virtio_net_hdr', 10, {
  flags: u8,
  gsoType: u8,
  hdrLen: u16,
  gsoSize: u16,
  csumStart: u16,
  csumOffset: u16,
});
export type VirtioNetHdr = TypeOf<typeof virtioNetHdr>;
/** With the count of buffers that a merged packet takes. */
export const virtioNetHdrMrgRxbuf = struct('virtio_net_hdr_mrg_rxbuf', 12, { hdr: virtioNetHdr, numBuffers: u16 });
export type VirtioNetHdrMrgRxbuf = TypeOf<typeof virtioNetHdrMrgRxbuf>;
