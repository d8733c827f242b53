/*
 * Drives ffi/libsrt/listen-hook.c under the compiler's sanitizers, with stand-ins for the two functions
 * of libsrt that it calls. Stream ids come on the standard input, each behind its length (16 bits,
 * little-endian); for each a line goes out with what it names, in hexadecimal. What each names is also
 * put into the table, and the hook must then find it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <srt/srt.h>

int listen_hook_owner(void);
int listen_hook_attach(int listener, int owner);
int listen_hook_put(int, const void *, int, const void *, int, int);
int listen_hook_remove(int, const void *, int);
int listen_hook_clear(int);
int listen_hook_taken(int);
int listen_hook_parse(const void *, int, void *);

static srt_listen_callback_fn *hook;
static void *hook_owner;
static char set[80];
static int set_length, set_refused;

int srt_listen_callback(SRTSOCKET listener, srt_listen_callback_fn *given, void *owner) {
  (void)listener;
  hook = given;
  hook_owner = owner;
  return 0;
}

int srt_setsockflag(SRTSOCKET socket, SRT_SOCKOPT option, const void *value, int length) {
  (void)socket;
  if (option == SRTO_PASSPHRASE) {
    memcpy(set, value, (size_t)length);
    set_length = length;
  }
  return set_refused ? -1 : 0;
}

static void must(int holds, const char *what, long round) {
  if (holds) return;
  fprintf(stderr, "round %ld: %s\n", round, what);
  exit(1);
}

static int shake(int socket, const char *stream_id) {
  set_length = -1;
  struct sockaddr peer = {0};
  must(hook(hook_owner, socket, 5, &peer, stream_id) == 0, "the hook refused somebody", socket);
  return listen_hook_taken(socket);
}

int main(void) {
  int owner = listen_hook_owner(), other = listen_hook_owner();
  char secret[80];
  must(listen_hook_attach(1, owner) == 0 && hook != NULL, "no hook", 0);
  must(listen_hook_put(owner, "rx", 0, "0123456789", 10, 16) == 0, "an empty name", 0);
  must(listen_hook_put(owner, "rx", 2, "0123456789", 80, 16) == 0, "a long passphrase", 0);
  must(listen_hook_put(owner, "rx", 97, "0123456789", 10, 16) == 0, "a long name", 0);
  for (long round = 1;; round++) {
    unsigned char head[2];
    if (fread(head, 1, 2, stdin) != 2) break;
    int length = head[0] + 256 * head[1];
    /* Exactly as long as it is, so that one byte read beyond it is found. */
    char *id = malloc((size_t)length + (length == 0));
    char *name = malloc(513);
    must(fread(id, 1, (size_t)length, stdin) == (size_t)length, "the input ended", round);
    int named = listen_hook_parse(id, length, name);
    for (int i = 0; i < named; i++) printf("%02x", (unsigned char)name[i]);
    printf("\n");
    char *ended = malloc((size_t)length + 1);
    memcpy(ended, id, (size_t)length);
    ended[length] = 0;
    int socket = (int)(1000000 - round % 5000);
    must(shake(socket, ended) == 0 && set_length == -1, "found in an empty table", round);
    /* What comes behind a zero is not seen by libsrt, and none that names something has one. */
    if (named > 0 && named <= 96) {
      int bytes = 10 + (int)(round % 70);
      for (int i = 0; i < bytes; i++) secret[i] = (char)(round + i);
      must(listen_hook_put(other, name, named, "not this one", 12, 16) > 0, "no room", round);
      int id_of = listen_hook_put(owner, name, named, secret, bytes, 16);
      must(id_of > 0, "not put", round);
      must(shake(socket, ended) == id_of, "not found", round);
      must(set_length == bytes && memcmp(set, secret, (size_t)bytes) == 0, "another", round);
      must(listen_hook_put(owner, name, named, secret, bytes, 16) == id_of, "not kept", round);
      int again = listen_hook_put(owner, name, named, "replaced it", 11, 32);
      must(again != id_of && shake(socket, ended) == again && set_length == 11, "old", round);
      set_refused = 1;
      must(shake(socket, ended) == 0, "taken for set", round);
      set_refused = 0;
      must(listen_hook_remove(owner, name, named) == 1, "not removed", round);
      must(listen_hook_remove(owner, name, named) == 0, "removed twice", round);
      must(shake(socket, ended) == 0, "still there", round);
      must(listen_hook_remove(other, name, named) == 1, "the other's is gone", round);
    }
    free(ended);
    free(name);
    free(id);
  }
  /* Full, and then empty again. */
  char name[32];
  int put = 0;
  for (int i = 0; i < 20000; i++) {
    int bytes = snprintf(name, sizeof name, "s%d", i);
    put += listen_hook_put(owner, name, bytes, "0123456789", 10, 16) > 0;
  }
  must(put == 16384, "the table holds another number than it says", put);
  must(listen_hook_put(owner, "s1", 2, "0123456789", 10, 16) > 0, "no replacing when full", 0);
  must(shake(7, "#!::s=16383") > 0 && shake(8, "#!::s=16384") == 0, "the wrong ones", 0);
  must(listen_hook_clear(other) == 0 && listen_hook_clear(owner) == 16384, "not cleared", 0);
  must(listen_hook_put(owner, "s1", 2, "0123456789", 10, 16) > 0, "no room after clearing", 0);
  must(shake(9, "#!::s=16383") == 0 && shake(10, "#!::s=1") > 0, "the wrong ones later", 0);
  must(shake(11, "") == 0 && hook(hook_owner, 12, 4, NULL, NULL) == 0, "nothing said", 0);
  return 0;
}
