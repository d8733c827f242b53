/** Which addresses only this machine itself can have. */

/** True for 127.0.0.0/8, also as an IPv6 socket shows it, and for ::1. */
export function isLoopback(address: string): boolean {
  return /^(?:::ffff:)?127\.|^::1$/i.test(address);
}
