/**
 * The SRT handshake by hand, over plain UDP, so that what the gateway offers is seen as another
 * implementation sees it (the SRT internet draft, section 3.2.1):
 *
 * control packet: u16 0x8000 | type, u16 subtype, u32 info, u32 timestamp µs, u32 destination id
 * handshake (type 0): u32 version, u16 encryption, u16 extension, u32 initial sequence number,
 *   u32 MTU, u32 flow window, u32 handshake type, u32 socket id, u32 cookie, 16 bytes address
 * extension blocks behind it: u16 type, u16 words, and HSREQ (1) or HSRSP (2) hold
 *   u32 SRT version, u32 flags, u16 receiver delay ms, u16 sender delay ms
 */
import { Buffer } from "node:buffer";
import dgram from "node:dgram";
import { deferred, within } from "./deadline.ts";

export const flag_tsbpd_send = 0x01;
export const flag_tsbpd_receive = 0x02;
export const flag_tlpktdrop = 0x08;
export const flag_nak_report = 0x10;
export const flag_retransmission = 0x20;
export const flag_stream = 0x40;

const induction = 1;
const conclusion = 0xffffffff;
const our_socket_id = 0x2a2a2a2a;
const header_bytes = 16;
const handshake_bytes = header_bytes + 48;

export interface Offer {
  version: number;
  flags: number;
  receive_delay_ms: number;
  send_delay_ms: number;
  mtu: number;
}

function handshake(
  { version, extension, type, cookie }: {
    version: number;
    extension: number;
    type: number;
    cookie: number;
  },
): Buffer {
  const packet = Buffer.alloc(handshake_bytes);
  packet.writeUInt16BE(0x8000, 0);
  packet.writeUInt32BE(version, 16);
  packet.writeUInt16BE(extension, 22);
  packet.writeUInt32BE(1_000, 24);
  packet.writeUInt32BE(1_500, 28);
  packet.writeUInt32BE(8_192, 32);
  packet.writeUInt32BE(type, 36);
  packet.writeUInt32BE(our_socket_id, 40);
  packet.writeUInt32BE(cookie, 44);
  return packet;
}

/** Shakes hands as a live sender with gosrt's flags, reads the answer, and hangs up. */
export async function askOffer(port: number): Promise<Offer> {
  const socket = dgram.createSocket("udp4");
  const offer = deferred<Offer>();
  socket.on("error", (error) => offer.reject(error));
  socket.on("message", (packet: Buffer) => {
    const is_handshake = packet.length >= handshake_bytes && packet.readUInt16BE(0) === 0x8000;
    if (!is_handshake) return;
    const type = packet.readUInt32BE(36);
    if (type === induction) {
      const cookie = packet.readUInt32BE(44);
      const request = Buffer.alloc(16);
      request.writeUInt16BE(1, 0);
      request.writeUInt16BE(3, 2);
      request.writeUInt32BE(0x010401, 4);
      request.writeUInt32BE(0xbf & ~flag_stream, 8);
      request.writeUInt16BE(120, 12);
      request.writeUInt16BE(120, 14);
      const answer = handshake({ version: 5, extension: 1, type: conclusion, cookie });
      socket.send(Buffer.concat([answer, request]), port, "127.0.0.1");
      return;
    }
    if (type !== conclusion) {
      offer.reject(new Error(`the handshake was refused with ${type}`));
      return;
    }
    // Hang up: a shutdown packet (type 5) to the socket that has answered.
    const shutdown = Buffer.alloc(header_bytes + 4);
    shutdown.writeUInt16BE(0x8005, 0);
    shutdown.writeUInt32BE(packet.readUInt32BE(40), 12);
    socket.send(shutdown, port, "127.0.0.1");
    for (let at = handshake_bytes; at + 16 <= packet.length;) {
      if (packet.readUInt16BE(at) === 2) {
        offer.resolve({
          version: packet.readUInt32BE(at + 4),
          flags: packet.readUInt32BE(at + 8),
          receive_delay_ms: packet.readUInt16BE(at + 12),
          send_delay_ms: packet.readUInt16BE(at + 14),
          mtu: packet.readUInt32BE(28),
        });
        return;
      }
      at += 4 + 4 * packet.readUInt16BE(at + 2);
    }
    offer.reject(new Error("the handshake came without the SRT extension"));
  });
  socket.send(
    handshake({ version: 4, extension: 2, type: induction, cookie: 0 }),
    port,
    "127.0.0.1",
  );
  try {
    return await within("the SRT handshake", offer.promise);
  } finally {
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }
}
