/** errno in words: one table for the numbers that these calls can set (Linux, asm-generic). */

interface Errno {
  readonly name: string;
  readonly text: string;
}

const table: Readonly<Record<number, Errno>> = {
  1: { name: "EPERM", text: "operation not permitted" },
  2: { name: "ENOENT", text: "no such file" },
  4: { name: "EINTR", text: "interrupted by a signal" },
  5: { name: "EIO", text: "input/output error" },
  9: { name: "EBADF", text: "not an open descriptor" },
  11: { name: "EAGAIN", text: "would block" },
  12: { name: "ENOMEM", text: "out of memory" },
  13: { name: "EACCES", text: "permission denied (ports below 1024 need CAP_NET_BIND_SERVICE)" },
  14: { name: "EFAULT", text: "bad address" },
  16: { name: "EBUSY", text: "busy" },
  17: { name: "EEXIST", text: "already there" },
  22: { name: "EINVAL", text: "invalid argument" },
  23: { name: "ENFILE", text: "the system's table of open files is full" },
  24: { name: "EMFILE", text: "too many open descriptors (raise LimitNOFILE or ulimit -n)" },
  32: { name: "EPIPE", text: "the other end no longer reads" },
  88: { name: "ENOTSOCK", text: "not a socket" },
  92: { name: "ENOPROTOOPT", text: "unknown socket option" },
  97: { name: "EAFNOSUPPORT", text: "address family not supported (IPv6 switched off?)" },
  98: { name: "EADDRINUSE", text: "address already in use" },
  99: { name: "EADDRNOTAVAIL", text: "no interface of this machine has that address" },
  103: { name: "ECONNABORTED", text: "connection aborted before it was accepted" },
  104: { name: "ECONNRESET", text: "connection reset by the peer" },
  105: { name: "ENOBUFS", text: "no buffer space" },
  106: { name: "EISCONN", text: "already connected" },
  107: { name: "ENOTCONN", text: "not connected" },
  110: { name: "ETIMEDOUT", text: "timed out" },
  111: { name: "ECONNREFUSED", text: "connection refused" },
  113: { name: "EHOSTUNREACH", text: "no route to host" },
};

export const EINTR = 4;
export const EAGAIN = 11;
export const EMFILE = 24;
export const ENFILE = 23;
export const ENOBUFS = 105;
export const ENOMEM = 12;
export const EPIPE = 32;

/** `EADDRINUSE` for 98; a number without a name here is `errno 123`. */
export function errnoName(errno: number): string {
  return table[errno]?.name ?? `errno ${errno}`;
}

/** A system call that failed: the call, the errno by name and in words. */
export class SystemCallError extends Error {
  override name = "SystemCallError";
  readonly errno: number;
  /** The errno's name, such as `EADDRINUSE`. */
  readonly code: string;
  constructor(call: string, errno: number, about = "") {
    super(
      `${call}${about && ` ${about}`}: ${table[errno]?.text ?? "failed"} (${errnoName(errno)})`,
    );
    this.errno = errno;
    this.code = errnoName(errno);
  }
}
