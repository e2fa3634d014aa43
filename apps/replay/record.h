/* replay/record.h: the recorder of a live stack. The format and what belongs into it: record_log.h.
 */
#ifndef REPLAY_RECORD_H
#define REPLAY_RECORD_H

#include "replay/record_log.h"

struct recorder;
struct recorder_hooks {                     /* what only the stack's host knows; may be NULL */
    int64_t (*wall)(void *ctx, td_time at); /* wall clock less stack time at this stack time, ns */
    const char *(*owner)(
        void *ctx, uint32_t owner); /* the name of a command that opens sockets; "" or NULL: none */
    void (*ended)(void *ctx, struct recorder *rec); /* a recording into files has ended by itself */
    void *ctx;
};

struct recorder {
    struct td_stack *st;
    struct recorder_hooks hooks;
    struct record_head head;
    struct record_log log;
    struct record_room room;
    bool attached; /* the door tells it */
    bool filed;    /* files have been asked for */
    td_time last;  /* of the last call */
    uint64_t calls, in, out;
    size_t answer_room; /* of the call that is under way */
    uint32_t owner;     /* the last one that was named */
    uint8_t *frame;     /* one that isn't in one piece */
    size_t frame_cap;
    uint8_t *sendmsg;    /* the last record, as long as it is the last and a sendmsg's */
    size_t sendmsg_data; /* in it: where the length of the data stands */
    enum record_why why; /* it ended */
    int err;
};

/* Begins to keep what enters st, which was just made by this configuration: at most `keep` bytes,
 * in memory; 0: none, and nothing is heard. name, version: of the daemon. The recorder stays its
 * owner's, until recorder_done. */
void recorder_init(struct recorder *rec, struct td_stack *st, const struct td_stack_config *config,
                   const char *name, const char *version, uint64_t keep);
void recorder_set_hooks(struct recorder *rec, const struct recorder_hooks *hooks);
/* From memory into files, and on. size: bytes a file; files: of them. False: msg is a sentence. */
bool recorder_start(struct recorder *rec, const char *path, uint64_t size, uint32_t files,
                    char *msg, size_t msg_size);
void recorder_stop(struct recorder *rec);
void recorder_done(struct recorder *rec); /* before the stack is freed */
/* An application started (line: its words), or was stopped (""). rec may be NULL. */
void recorder_app(struct recorder *rec, uint32_t id, const char *line);
/* Why a recording ended, as words for a sentence: "its files are full". */
void recorder_why(enum record_why why, int err, char *dst, size_t size);

#define RECORD_KEEP_DEFAULT  (16U << 20)
#define RECORD_SIZE_DEFAULT  (256U << 20)
#define RECORD_FILES_DEFAULT 4

#endif
