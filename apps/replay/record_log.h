/* replay/record_log.h: a recording: its format, and where it is put while it grows.
 *
 * Theory of operation. A stack does nothing of its own accord: what it becomes follows from how it
 * was made and from the calls through its one door (stack/door/door.c). A recording is just that:
 * how it was made, then every call with its time and arguments, in order. Whoever makes such a
 * stack again and issues the calls again has the same stack at each moment, and the same frames
 * leave it. So that this is not believed but checked, a recording also has what each call gave
 * back, and a digest of every frame that left.
 *
 * What enters a stack beside the arguments of its calls, and what becomes of it:
 *     a device's answer         transmit says sent, busy or broken: recorded with each frame
 * (SENT), given again pointers to answers       recvmsg, accept, getsockopt, an interface's number:
 * a digest of them in RESULT memory that runs out      of a limited stack it follows from what it
 * has in use, to which packets that a device still holds contribute: that number stands in each
 * call, and replay takes it over. malloc itself failing isn't recorded: Linux gives memory that it
 * hasn't got random numbers            the seed is in the header, what is stirred in later is a
 * call filters                   compiled by the application: programs of classic BPF, in the
 * calls' arguments organs                    code: by name and build id. Replay must be given the
 * same notifications, watchers   run outside of calls; what they do are calls halting (pause, step)
 * only ends td_stack_flush between two calls captures, consoles        only look; a recorded frame
 * comes in as a copy of its bytes, with or without them the shape of a packet     therefore doesn't
 * matter either: replay makes the same copy pins, faults, knobs, rules of the packet filter, routes
 * …   are calls
 *
 * Format. Numbers of fixed size are little-endian; "varint" is as in record_code.h. A recording is
 * a set of files: FILE, FILE.1, FILE.2 …, of which each begins with a header:
 *
 *     8 bytes   8e 64 65 63 6b 0d 0a 1a
 *     u16       version of the format: 1. A reader refuses another
 *     u16       0
 *     u32       length of what follows in the header
 *     u32       its check: the lower half of record_digest
 *     …         number of the file, from 0; 16 bytes that all files of the set have in common;
 * calls before this file; seed (32 bytes), start time, memory limit, profile, faults allowed; wall
 * clock less stack time at the start (ns); name of the daemon, version and build id of its program.
 * All but the seed and the id: varints, texts with their length in front
 *
 * and goes on with records, none of which is cut by a file's end:
 *
 *     u32       length of the body, 25 bits, and it modulo 127 in the 7 bits above, so that a
 * length that was changed isn't taken for a cut tail; 0: nothing has been written from here on u32
 * check of the body u8        what it is: 1 to 63 a call of that kind (record_code.c); or 64 to 69
 *     …         of a call:  time less the last call's (varint, signed); memory in use, where it is
 * limited; arguments SENT (64)   interface, transmit's answer (signed), length, GSO size, checksum
 * state, digest (u64), then the first 128 bytes RESULT (65) what the last call gave back (signed),
 * and its answer's digest. Left out where both are 0 APP (66)    number and command line of an
 * application that started; "" = it was stopped OWNER (67)  number and name of a command that opens
 * sockets WALL (68)   wall clock less stack time from here on (signed) END (69)    why it ended,
 * calls, frames in, frames out
 *
 * Write-ahead. A call is in the file before anything is done of it. The file is mapped, so that
 * what was written belongs to the kernel at once, and is kept when the process is killed or crashes
 * in that very call. Its length is written last: what is being written when it dies isn't there.
 * (When the machine dies, the disk may have parts of the last seconds; the checks find where they
 * end.) Room is allocated on the disk before it is mapped: a full disk is an error of fallocate,
 * never a SIGBUS.
 *
 * Until a file is asked for, records are kept in memory, up to a limit. What has begun there can be
 * written to a file later, and goes on in it: a recording has no meaning but from the beginning.
 */
#ifndef REPLAY_RECORD_LOG_H
#define REPLAY_RECORD_LOG_H

#include "replay/record_ahead.h"
#include "replay/record_code.h"

#define RECORD_VERSION 1
#define RECORD_MAGIC                                                                               \
    "\x8e"                                                                                         \
    "deck\r\n\x1a"
#define RECORD_START      20 /* bytes in front of the header's fields */
#define RECORD_FRAME      8  /* bytes in front of a record's body */
#define RECORD_BODY_MAX   (RECORD_BUFFER_MAX + (64U << 10))
#define RECORD_FRAME_HEAD 128 /* bytes of a frame that left, in full */
#define RECORD_FILES_MAX  1000

/* A record's first word, and the length in it. */
static inline uint32_t record_word(uint32_t len)
{
    return len | (len % 127) << 25;
}
static inline uint32_t record_length(uint32_t word)
{
    return word & 0x1ffffff;
}

enum record_tag {
    RECORD_SENT = 64,
    RECORD_RESULT,
    RECORD_APP,
    RECORD_OWNER,
    RECORD_WALL,
    RECORD_END
};

enum record_why {                 /* a recording ended because */
                  RECORD_RUNS,    /* it hasn't */
                  RECORD_ASKED,   /* `record stop`, or the daemon's end */
                  RECORD_BOUND,   /* its files are full */
                  RECORD_DISK,    /* no more could be written (errno) */
                  RECORD_STRANGE, /* a call that the format has no room for */
                  RECORD_KEEP, /* more came than is kept in memory, and no file had been asked for
                                */
                  RECORD_WHYS
};

/* A wall clock less stack time that can be added to any time of a recording. */
static inline bool record_wall_fits(int64_t wall)
{
    return wall <= INT64_MAX / 2 && wall >= -(INT64_MAX / 2);
}

struct record_head {
    uint32_t part; /* number of the file in its set */
    uint8_t id[16];
    uint64_t before; /* calls in the files before it */
    uint8_t seed[32];
    td_time now;
    uint64_t memory_limit;
    uint8_t profile; /* enum td_profile */
    bool allow_faults;
    int64_t wall;
    char name[64], version[64];
    uint8_t build_id[RECORD_BUILD_ID];
    uint32_t build_id_len;
};
void code_head(struct record_coder *c, struct record_head *h);

struct record_log {
    uint8_t *at, *end; /* room for the next record */
    /* in memory */
    struct record_chunk *first, **last;
    uint64_t kept, keep; /* bytes taken; at most */
    /* in a file */
    char *path; /* of the first; NULL: in memory */
    struct record_head head;
    int fd;
    struct record_window window;
    struct record_ahead *ahead; /* gets the next one ready */
    uint64_t size;              /* bytes a file, at most */
    uint32_t files;
    uint64_t written;    /* bytes of the files before this one */
    int err;             /* the negative errno of RECORD_DISK */
    enum record_why why; /* RECORD_RUNS: it goes on */
};
/* Into memory, at most `keep` bytes. */
void record_log_keep(struct record_log *log, uint64_t keep);
/* Room for n bytes at log->at; false: there is none, and log->why says why. `calls` have been
 * recorded. */
bool record_log_room(struct record_log *log, size_t n, uint64_t calls);
size_t record_log_left(const struct record_log *log); /* room there is, without asking for more */
/* The body of n bytes behind at + RECORD_FRAME is a record. Its whole length. */
size_t record_log_put(struct record_log *log, size_t n);
/* From memory into files. 0, or -errno with a sentence, and nothing has changed: it is still kept
 * in memory. */
int record_log_file(struct record_log *log, const char *path, uint64_t size, uint32_t files,
                    const struct record_head *head, char *msg, size_t msg_size);
uint64_t record_log_bytes(const struct record_log *log); /* so far, in memory or on the disk */
/* The end: files are cut to what was written, memory is given back. log->path stays until
 * record_log_done. */
void record_log_close(struct record_log *log, enum record_why why);
void record_log_done(struct record_log *log);
/* FILE.3; false: too long. part 0: FILE. */
bool record_part_name(const char *path, uint32_t part, char *dst, size_t size);

#endif
