/*
 * A passphrase of its own for each stream and session behind one SRT listener.
 *
 * libsrt takes one passphrase per listener, unless a function that it calls during the handshake
 * (srt_listen_callback) sets another one on the new socket. That function runs on the receiver thread
 * of the UDP port and holds up every socket there, so it can not be JavaScript. It is this file: it
 * reads the stream id, looks the name up in a table that the other side fills, and sets what it finds.
 * It never refuses anybody: whom nothing is found for gets what the listener has, and who is let in is
 * decided, with a reason in the log, by whoever accepts the connection.
 *
 * It runs on what strangers send, before anything is proven: at most 512 bytes are read, nothing is
 * allocated, nothing is written to a log, and the lock is held for one look into a hash table.
 *
 * The stream id is understood exactly as relayx's src/data/srt/stream-id.ts does; a test compares the
 * two. Only what leads to a name matters here: all that one refuses has no name.
 *
 *   #!::r=NAME,…  a stream     #!::s=ID,…  a session     publish:NAME…  read:NAME…  request:NAME…
 *
 * A name begins with what it names: 'r' for a stream, 's' for a session.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include <srt/srt.h>

enum {
  STREAM_ID_MAX = 512,
  /* The longest name that can be put into the table, with the letter in front. */
  NAME_MAX_BYTES = 96,
  /* libsrt takes 10 to 79. */
  PASSPHRASE_MAX = 79,
  /* More than twice the sessions that one gateway has on shared ports, 4 MB when it is full. */
  ENTRIES_MAX = 16384,
  BUCKETS = 16384,
  /* Handshakes that may happen between one socket's and its accept; far more than a backlog holds. */
  TAKEN_MAX = 4096,
};

typedef unsigned char byte;

struct entry {
  /* 0 while it is free. */
  int id;
  int owner;
  int key_length;
  int name_length;
  int passphrase_length;
  /* One more than the index of the next of its bucket, or of the free ones; 0 is none. */
  int next;
  byte name[NAME_MAX_BYTES];
  byte passphrase[PASSPHRASE_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry entries[ENTRIES_MAX];
/* As `next`. */
static int buckets[BUCKETS];
static int free_entries;
static int used_entries;
static int last_id;
static int last_owner;
/* Which entry a socket got its passphrase from, by the end of its number. */
static struct {
  SRTSOCKET socket;
  int id;
} taken[TAKEN_MAX];

/* ---- Reading a stream id ---- */

/* How many bytes the character takes; 0 where it is no UTF-8 (RFC 3629). */
static size_t character(const byte *at, size_t left) {
  byte low = 0x80, high = 0xbf;
  size_t length;
  if (at[0] < 0x80) return 1;
  if (at[0] >= 0xc2 && at[0] <= 0xdf) length = 2;
  else if (at[0] >= 0xe0 && at[0] <= 0xef) length = 3;
  else if (at[0] >= 0xf0 && at[0] <= 0xf4) length = 4;
  else return 0;
  if (left < length) return 0;
  /* No form longer than need be, no surrogate, nothing beyond U+10FFFF. */
  if (at[0] == 0xe0) low = 0xa0;
  if (at[0] == 0xed) high = 0x9f;
  if (at[0] == 0xf0) low = 0x90;
  if (at[0] == 0xf4) high = 0x8f;
  if (at[1] < low || at[1] > high) return 0;
  for (size_t i = 2; i < length; i++) {
    if (at[i] < 0x80 || at[i] > 0xbf) return 0;
  }
  return length;
}

static int is_clean(const byte *text, size_t length) {
  for (size_t at = 0; at < length;) {
    if (text[at] < 0x20 || text[at] == 0x7f) return 0;
    size_t next = character(text + at, length - at);
    if (next == 0) return 0;
    at += next;
  }
  return 1;
}

static int digit(byte letter) {
  if (letter >= '0' && letter <= '9') return letter - '0';
  if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
  if (letter >= 'A' && letter <= 'F') return letter - 'A' + 10;
  return -1;
}

/* The byte that `%XX` stands for, or -1. */
static int escaped(const byte *at, size_t left) {
  if (left < 3 || at[0] != '%') return -1;
  int high = digit(at[1]), low = digit(at[2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* As decodeURIComponent. Its length, which is never more than it was, or -1. */
static int percent_decoded(const byte *text, size_t length, byte *out) {
  size_t written = 0;
  for (size_t at = 0; at < length;) {
    if (text[at] != '%') {
      out[written++] = text[at++];
      continue;
    }
    byte whole[4];
    size_t wanted = 1;
    for (size_t i = 0; i < wanted; i++) {
      int value = escaped(text + at, length - at);
      if (value < 0) return -1;
      at += 3;
      whole[i] = (byte)value;
      if (i == 0 && value >= 0x80) wanted = value >= 0xf0 ? 4 : value >= 0xe0 ? 3 : 2;
    }
    if (character(whole, wanted) != wanted) return -1;
    memcpy(out + written, whole, wanted);
    written += wanted;
  }
  return (int)written;
}

static int is_word(const byte *text, size_t length, const char *word) {
  return length == strlen(word) && memcmp(text, word, length) == 0;
}

static int named(byte kind, const byte *name, size_t length, byte *out) {
  if (length == 0) return 0;
  out[0] = kind;
  memcpy(out + 1, name, length);
  return (int)length + 1;
}

/* FNV-1a. */
static uint32_t hash_of(uint32_t start, const byte *text, size_t length) {
  uint32_t hash = 2166136261u ^ start;
  for (size_t i = 0; i < length; i++) hash = (hash ^ text[i]) * 16777619u;
  return hash;
}

static int parse_standard(const byte *text, size_t length, byte *out) {
  /* Each takes a letter, "=" and a comma, but the last. */
  struct { uint32_t hash; uint16_t at, length; } keys[STREAM_ID_MAX / 3 + 1];
  size_t keys_read = 0;
  byte session[STREAM_ID_MAX], stream[STREAM_ID_MAX], value[STREAM_ID_MAX];
  int session_length = 0, stream_length = 0, is_both_ways = 0;
  for (size_t at = 0; at < length;) {
    const byte *pair = text + at;
    const byte *comma = memchr(pair, ',', length - at);
    size_t pair_length = comma ? (size_t)(comma - pair) : length - at;
    size_t here = at;
    at += pair_length + 1;
    if (pair_length == 0) continue;
    const byte *equals = memchr(pair, '=', pair_length);
    if (!equals || equals == pair) return 0;
    size_t key_length = (size_t)(equals - pair);
    uint32_t hash = hash_of(0, pair, key_length);
    for (size_t i = 0; i < keys_read; i++) {
      if (keys[i].hash != hash || keys[i].length != key_length) continue;
      if (memcmp(text + keys[i].at, pair, key_length) == 0) return 0;
    }
    keys[keys_read].hash = hash;
    keys[keys_read].at = (uint16_t)here;
    keys[keys_read++].length = (uint16_t)key_length;
    int decoded = percent_decoded(equals + 1, pair_length - key_length - 1, value);
    if (decoded < 0) return 0;
    if (key_length != 1) continue;
    if (pair[0] == 's') memcpy(session, value, (size_t)(session_length = decoded));
    if (pair[0] == 'r') memcpy(stream, value, (size_t)(stream_length = decoded));
    if (pair[0] == 't' && !is_word(value, (size_t)decoded, "stream")) return 0;
    if (pair[0] == 'm') {
      is_both_ways = is_word(value, (size_t)decoded, "bidirectional");
      if (!is_both_ways && !is_word(value, (size_t)decoded, "publish") &&
          !is_word(value, (size_t)decoded, "request")) {
        return 0;
      }
    }
  }
  if (stream_length > 0) return is_both_ways ? 0 : named('r', stream, (size_t)stream_length, out);
  return named('s', session, (size_t)session_length, out);
}

static int parse_plain(const byte *text, size_t length, byte *out) {
  const byte *end = text + length;
  const byte *colon = memchr(text, ':', length);
  if (!colon) return 0;
  size_t word = (size_t)(colon - text);
  if (!is_word(text, word, "publish") && !is_word(text, word, "read") &&
      !is_word(text, word, "request")) {
    return 0;
  }
  const byte *name = colon + 1;
  const byte *behind = memchr(name, ':', (size_t)(end - name));
  size_t name_length = (size_t)((behind ? behind : end) - name);
  int more = 0;
  for (; behind; more++) behind = memchr(behind + 1, ':', (size_t)(end - behind - 1));
  return more > 2 ? 0 : named('r', name, name_length, out);
}

/*
 * What a stream id names, written to `name` (513 bytes): a letter and the name. The number of bytes,
 * or 0 where it names nothing.
 */
int listen_hook_parse(const void *stream_id, int length, void *name) {
  if (length <= 0 || length > STREAM_ID_MAX) return 0;
  const byte *text = stream_id;
  size_t bytes = (size_t)length;
  byte decoded[STREAM_ID_MAX];
  if (!is_clean(text, bytes)) return 0;
  /* Programs that do not decode their URL pass the id on as it stands there. */
  if (bytes >= 3 && memcmp(text, "%23", 3) == 0) {
    int whole = percent_decoded(text, bytes, decoded);
    if (whole >= 0) {
      text = decoded;
      bytes = (size_t)whole;
    }
  }
  if (bytes >= 4 && memcmp(text, "#!::", 4) == 0) return parse_standard(text + 4, bytes - 4, name);
  return parse_plain(text, bytes, name);
}

/* ---- The table; all of this with the lock held ---- */

static int *bucket_of(int owner, const byte *name, int length) {
  /* Strangers only look names up, so they can not choose who shares a bucket. */
  return &buckets[hash_of((uint32_t)owner, name, (size_t)length) % BUCKETS];
}

/* Where the number of the entry stands, or the 0 at the end of its bucket. */
static int *find(int owner, const byte *name, int length) {
  int *link = bucket_of(owner, name, length);
  while (*link) {
    struct entry *entry = &entries[*link - 1];
    if (entry->owner == owner && entry->name_length == length &&
        memcmp(entry->name, name, (size_t)length) == 0) {
      break;
    }
    link = &entry->next;
  }
  return link;
}

static void unlink_entry(int *link) {
  int number = *link;
  struct entry *entry = &entries[number - 1];
  *link = entry->next;
  explicit_bzero(entry, sizeof *entry);
  entry->next = free_entries;
  free_entries = number;
}

static int new_entry(void) {
  int number = free_entries;
  if (number) {
    free_entries = entries[number - 1].next;
    return number;
  }
  return used_entries < ENTRIES_MAX ? ++used_entries : 0;
}

/* ---- The hook ---- */

static void remember(SRTSOCKET socket, int id) {
  unsigned at = (unsigned)socket % TAKEN_MAX;
  taken[at].socket = socket;
  taken[at].id = id;
}

static int on_handshake(
    void *owner, SRTSOCKET socket, int version, const struct sockaddr *peer, const char *stream_id) {
  byte name[STREAM_ID_MAX + 1], passphrase[PASSPHRASE_MAX];
  int passphrase_length = 0, key_length = 0, id = 0;
  (void)version;
  (void)peer;
  int length = stream_id
      ? listen_hook_parse(stream_id, (int)strnlen(stream_id, STREAM_ID_MAX + 1), name)
      : 0;
  pthread_mutex_lock(&lock);
  if (length > 0 && length <= NAME_MAX_BYTES) {
    int number = *find((int)(intptr_t)owner, name, length);
    if (number) {
      const struct entry *entry = &entries[number - 1];
      id = entry->id;
      key_length = entry->key_length;
      passphrase_length = entry->passphrase_length;
      memcpy(passphrase, entry->passphrase, (size_t)passphrase_length);
    }
  }
  remember(socket, id);
  pthread_mutex_unlock(&lock);
  if (id == 0) return 0;
  int failed = srt_setsockflag(socket, SRTO_PBKEYLEN, &key_length, sizeof key_length) != 0 ||
      srt_setsockflag(socket, SRTO_PASSPHRASE, passphrase, passphrase_length) != 0;
  explicit_bzero(passphrase, sizeof passphrase);
  if (failed) {
    /* Whoever accepts it finds that it has another passphrase than its name asks for. */
    pthread_mutex_lock(&lock);
    remember(socket, 0);
    pthread_mutex_unlock(&lock);
  }
  return 0;
}

/* ---- For the other side ---- */

/* A number for a table of one's own; listeners and entries with the same number belong together. */
int listen_hook_owner(void) {
  pthread_mutex_lock(&lock);
  int owner = ++last_owner;
  pthread_mutex_unlock(&lock);
  return owner;
}

/* Before srt_listen. 0, or -1 with libsrt's error set. */
int listen_hook_attach(int listener, int owner) {
  return srt_listen_callback(listener, on_handshake, (void *)(intptr_t)owner);
}

/*
 * Puts an entry in, or replaces it. Its number, another one where anything has changed, or 0 where the
 * table is full or what is given does not fit.
 */
int listen_hook_put(
    int owner, const void *name, int name_length, const void *passphrase, int passphrase_length,
    int key_length) {
  if (name_length < 1 || name_length > NAME_MAX_BYTES) return 0;
  if (passphrase_length < 1 || passphrase_length > PASSPHRASE_MAX) return 0;
  int id = 0;
  pthread_mutex_lock(&lock);
  int *link = find(owner, name, name_length);
  if (!*link) {
    int number = new_entry();
    if (number) {
      entries[number - 1].next = 0;
      *link = number;
    }
  }
  if (*link) {
    struct entry *entry = &entries[*link - 1];
    int is_same = entry->id && entry->key_length == key_length &&
        entry->passphrase_length == passphrase_length &&
        memcmp(entry->passphrase, passphrase, (size_t)passphrase_length) == 0;
    if (!is_same) entry->id = last_id = last_id == INT32_MAX ? 1 : last_id + 1;
    id = entry->id;
    entry->owner = owner;
    entry->key_length = key_length;
    entry->name_length = name_length;
    memcpy(entry->name, name, (size_t)name_length);
    explicit_bzero(entry->passphrase, sizeof entry->passphrase);
    entry->passphrase_length = passphrase_length;
    memcpy(entry->passphrase, passphrase, (size_t)passphrase_length);
  }
  pthread_mutex_unlock(&lock);
  return id;
}

/* Takes an entry out; 1 where there was one. */
int listen_hook_remove(int owner, const void *name, int name_length) {
  if (name_length < 1 || name_length > NAME_MAX_BYTES) return 0;
  pthread_mutex_lock(&lock);
  int *link = find(owner, name, name_length);
  int there = *link != 0;
  if (there) unlink_entry(link);
  pthread_mutex_unlock(&lock);
  return there;
}

/* Takes all entries of an owner out; how many there were. */
int listen_hook_clear(int owner) {
  int cleared = 0;
  pthread_mutex_lock(&lock);
  for (int i = 0; i < used_entries; i++) {
    struct entry *entry = &entries[i];
    if (entry->id == 0 || entry->owner != owner) continue;
    unlink_entry(find(owner, entry->name, entry->name_length));
    cleared++;
  }
  pthread_mutex_unlock(&lock);
  return cleared;
}

/* The number of the entry that a new socket got its passphrase from; 0: it has its listener's. */
int listen_hook_taken(int socket) {
  unsigned at = (unsigned)socket % TAKEN_MAX;
  pthread_mutex_lock(&lock);
  int id = taken[at].socket == socket ? taken[at].id : 0;
  pthread_mutex_unlock(&lock);
  return id;
}
