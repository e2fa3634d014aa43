/* replay/spool.h: bytes that are written once, then read anywhere: in memory while they are few,
 * else in a file without a name, in $TMPDIR (or /tmp), which is mapped.
 *
 * A mapping costs no memory that others could use better, it may be as long as the disk has room,
 * and parent and child of a fork() share it. What was read is forgotten as one goes along
 * (spool_forget): it is read again from the file if it is needed once more.
 */
#ifndef REPLAY_SPOOL_H
#define REPLAY_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spool {     /* zero it before use */
    uint8_t *map;  /* after spool_map: all of it; may be written to until spool_seal */
    uint64_t size; /* bytes */
    uint8_t *buf;
    size_t buffered, room;
    int fd;      /* of the file; 0: there is none */
    bool mapped; /* `map` is a mapping */
    uint64_t forgotten;
    int error; /* an errno */
};

/* False: there is no room (s->error), now and from now on. */
bool spool_add(struct spool *s, const void *bytes, size_t n);
bool spool_map(struct spool *s);
void spool_seal(struct spool *s);
/* What lies before this byte won't be needed soon. */
void spool_forget(struct spool *s, uint64_t before);
/* One begins to read at the front again. */
void spool_rewind(struct spool *s);
/* Why spool_add or spool_map failed, as a sentence behind "NAME: ". */
void spool_why(const struct spool *s, char *msg, size_t msg_size);
void spool_free(struct spool *s);

#endif
