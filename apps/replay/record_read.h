/* replay/record_read.h: a recording's files, read record by record. The format: record_log.h. */
#ifndef REPLAY_RECORD_READ_H
#define REPLAY_RECORD_READ_H

#include "replay/record_log.h"

struct record_part {
    uint8_t *map;
    size_t len;
    size_t from;     /* where its records begin */
    uint64_t before; /* calls in those in front of it */
};

struct record_place { /* where a reader is; it may be noted and gone back to */
    uint32_t part;
    size_t at;
};

struct record_file {
    char *path;
    struct record_head head; /* of the first file */
    struct record_part *part;
    uint32_t parts;
    bool missing;   /* a file of the set is there, but not the one before it */
    bool borrowed;  /* the bytes are somebody else's */
    bool unchecked; /* checks aren't looked at */
    struct record_place place;
};

enum record_got {
    RECORD_GOT,
    RECORD_NO_MORE, /* nothing was written behind this */
    RECORD_CUT,     /* a record was begun */
    RECORD_DAMAGED, /* its check is wrong, or it can't be */
};

/* Does it begin as a recording does? False also when it can't be read. */
bool record_is(const char *path);
/* Opens FILE and those that follow it. The files stay mapped, so the reader may be forked. 0; -1:
 * msg is a sentence. */
int record_file_open(struct record_file *f, const char *path, char *msg, size_t msg_size);
/* The same from bytes, which must stay. */
int record_file_bytes(struct record_file *f, const uint8_t *bytes, size_t len, char *msg,
                      size_t msg_size);
enum record_got record_file_next(struct record_file *f, const uint8_t **body, size_t *len);
/* What the next record is, without looking further into it; 0: there is none. */
uint8_t record_file_tag(const struct record_file *f, const struct record_place *at);
/* Over it, unread. False: there is none. */
bool record_file_skip(const struct record_file *f, struct record_place *at);
void record_file_rewind(struct record_file *f);
uint64_t record_file_size(const struct record_file *f);
uint64_t
record_file_at(const struct record_file *f); /* bytes before the place, for a progress bar */
void record_file_close(struct record_file *f);

#endif
