/** The functions of libsrt that relayx calls (API of 1.4.2 and later). */
import type { SymbolTable } from "../backend/mod.ts";

export const libsrtSymbols = {
  /** `int srt_startup(void)` */
  srt_startup: { parameters: [], result: "i32" },
  /** `int srt_cleanup(void)` */
  srt_cleanup: { parameters: [], result: "i32" },
  /** `uint32_t srt_getversion(void)` */
  srt_getversion: { parameters: [], result: "u32" },
  /** `void srt_setloglevel(int ll)`; syslog numbers, 3 is LOG_ERR */
  srt_setloglevel: { parameters: ["i32"], result: "void" },

  /** `SRTSOCKET srt_create_socket(void)` */
  srt_create_socket: { parameters: [], result: "i32" },
  /** `int srt_setsockflag(SRTSOCKET u, SRT_SOCKOPT opt, const void *optval, int optlen)` */
  srt_setsockflag: { parameters: ["i32", "i32", "buffer", "i32"], result: "i32" },
  /** `int srt_getsockflag(SRTSOCKET u, SRT_SOCKOPT opt, void *optval, int *optlen)` */
  srt_getsockflag: { parameters: ["i32", "i32", "buffer", "buffer"], result: "i32" },
  /** `int srt_bind(SRTSOCKET u, const struct sockaddr *name, int namelen)` */
  srt_bind: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  /** `int srt_listen(SRTSOCKET u, int backlog)` */
  srt_listen: { parameters: ["i32", "i32"], result: "i32" },
  /** `SRTSOCKET srt_accept(SRTSOCKET u, struct sockaddr *addr, int *addrlen)` */
  srt_accept: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  /** `int srt_connect(SRTSOCKET u, const struct sockaddr *name, int namelen)` */
  srt_connect: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  /** `int srt_close(SRTSOCKET u)` */
  srt_close: { parameters: ["i32"], result: "i32" },
  /** `SRT_SOCKSTATUS srt_getsockstate(SRTSOCKET u)` */
  srt_getsockstate: { parameters: ["i32"], result: "i32" },
  /** `int srt_getsndbuffer(SRTSOCKET sock, size_t *blocks, size_t *bytes)` */
  srt_getsndbuffer: { parameters: ["i32", "buffer", "buffer"], result: "i32" },

  /** `int srt_recvmsg2(SRTSOCKET u, char *buf, int len, SRT_MSGCTRL *mctrl)` */
  srt_recvmsg2: { parameters: ["i32", "buffer", "i32", "buffer"], result: "i32" },
  /** `int srt_sendmsg2(SRTSOCKET u, const char *buf, int len, SRT_MSGCTRL *mctrl)` */
  srt_sendmsg2: { parameters: ["i32", "buffer", "i32", "buffer"], result: "i32" },

  /** `int srt_epoll_create(void)` */
  srt_epoll_create: { parameters: [], result: "i32" },
  /** `int srt_epoll_set(int eid, int32_t flags)` */
  srt_epoll_set: { parameters: ["i32", "i32"], result: "i32" },
  /** `int srt_epoll_add_usock(int eid, SRTSOCKET u, const int *events)` */
  srt_epoll_add_usock: { parameters: ["i32", "i32", "buffer"], result: "i32" },
  /** `int srt_epoll_update_usock(int eid, SRTSOCKET u, const int *events)` */
  srt_epoll_update_usock: { parameters: ["i32", "i32", "buffer"], result: "i32" },
  /** `int srt_epoll_remove_usock(int eid, SRTSOCKET u)` */
  srt_epoll_remove_usock: { parameters: ["i32", "i32"], result: "i32" },
  /** `int srt_epoll_uwait(int eid, SRT_EPOLL_EVENT *fdsSet, int fdsSize, int64_t msTimeOut)` */
  srt_epoll_uwait: { parameters: ["i32", "buffer", "i32", "i64"], result: "i32" },
  /** `int srt_epoll_release(int eid)` */
  srt_epoll_release: { parameters: ["i32"], result: "i32" },

  /** `int srt_bistats(SRTSOCKET u, SRT_TRACEBSTATS *perf, int clear, int instantaneous)` */
  srt_bistats: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },

  /** `int srt_getlasterror(int *errno_loc)`; thread-local */
  srt_getlasterror: { parameters: ["buffer"], result: "i32" },
  /** `const char *srt_getlasterror_str(void)` */
  srt_getlasterror_str: { parameters: [], result: "pointer" },
  /** `int srt_getrejectreason(SRTSOCKET sock)` */
  srt_getrejectreason: { parameters: ["i32"], result: "i32" },
  /** `const char *srt_rejectreason_str(int id)` */
  srt_rejectreason_str: { parameters: ["i32"], result: "pointer" },
} as const satisfies SymbolTable;

/**
 * Our own functions beside libsrt, of listen-hook.c, which says what they do. Only the library that
 * `build.ts` links has them.
 */
export const listenHookSymbols = {
  /** `int listen_hook_owner(void)` */
  listen_hook_owner: { parameters: [], result: "i32" },
  /** `int listen_hook_attach(int listener, int owner)` */
  listen_hook_attach: { parameters: ["i32", "i32"], result: "i32" },
  /**
   * `int listen_hook_put(int owner, const void *name, int name_length, const void *passphrase,
   * int passphrase_length, int key_length)`
   */
  listen_hook_put: {
    parameters: ["i32", "buffer", "i32", "buffer", "i32", "i32"],
    result: "i32",
  },
  /** `int listen_hook_remove(int owner, const void *name, int name_length)` */
  listen_hook_remove: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  /** `int listen_hook_clear(int owner)` */
  listen_hook_clear: { parameters: ["i32"], result: "i32" },
  /** `int listen_hook_taken(int socket)` */
  listen_hook_taken: { parameters: ["i32"], result: "i32" },
  /** `int listen_hook_parse(const void *stream_id, int length, void *name)` */
  listen_hook_parse: { parameters: ["buffer", "i32", "buffer"], result: "i32" },
} as const satisfies SymbolTable;
