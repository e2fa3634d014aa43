/* dev/diary.h: what a stack was told while it was captured: its knobs and its applications' calls, in the capture.
 *
 * Theory of operation. A capture shows what a host said, not what it was told. Who wants to make a stack say the same again
 * (replay/play.h) has to guess when its application wrote, read and closed, and which knobs it had. In
 * virtual time a stack does nothing but what follows from its inputs; so captures that are made there carry these as text
 * in custom blocks of pcapng (dev/pcapng.h), behind the packets. Then nothing is guessed.
 *
 * A diary listens at the stack's door (td_stack_overhear) and writes a line for every call that says
 * something. diary_write puts the lines into the file, in as many blocks as it takes. Each block begins with
 * the same two lines; then
 *
 *     tapdeck-diary 1                          the format's version
 *     stack 1 client                           its number in this file (from 1), its name
 *     epoch 1767225600.000000000               seconds since 1970 that the times below count from
 *     profile linux
 *     interface eth0 mtu 1500
 *     address 10.0.0.1/24 eth0
 *     knob net.ipv4.tcp_sack=0                 where it isn't the profile's, when the diary began
 *     0.100000000 socket 3 stream
 *     0.100000000 setsockopt 3 tcp 1 4 1       socket, level, option's number, length; the number, or x and bytes in hex
 *     0.100000000 bind 3 10.0.0.1:80
 *     0.100000000 listen 3 16
 *     0.200000000 accept 3 = 4 10.0.0.1:80 10.0.0.2:4711          the new socket, its end, the other's
 *     0.200000000 connect 3 10.0.0.1:4711 10.0.0.2:80 = -115      our end, the other's; Linux's errno
 *     0.200000000 write 4 1000 = 1000          asked for, done
 *     0.200000000 write 5 12 to 10.0.0.2:53 = 12
 *     0.200000000 write 4 1 flags oob = 1
 *     0.200000000 read 4 4096 = 1000           = 0: the other side's end
 *     0.300000000 shutdown 4 wr                rd, wr, rdwr
 *     0.300000000 close 4
 *     0.300000000 dup 3 = 4
 *     0.300000000 destroy 10.0.0.1:80 10.0.0.2:4711               ss -K
 *     0.200010000 in 0 305419896 271828 5000   a TCP segment for it came in: IP identification, sequence number,
 *                                              acknowledgment number, timestamp (0: none), to know it by
 *     0.300000000 knob net.ipv4.tcp_sack=1     was set
 *     0.300000000 mtu eth0 1400
 *     0.300000000 address 10.0.0.1/24 eth0     came later
 *     0.300000000 did route-add                something else: its name at the door, and no more
 *     cut                                      there was more than a diary keeps
 *
 * When segments came in is told of stacks that the capture wasn't made at: what passed there may have been lost behind that
 * place, or have waited in a queue.
 *
 * Calls that found nothing to do (-EAGAIN) or only looked are left out: they change nothing. What was written isn't here:
 * it is in the packets. A line that a reader doesn't know it passes over; another version it doesn't read.
 *
 * A reader trusts nothing: numbers are checked, lines that make no sense are passed over, and what is kept of a file is
 * bounded (DIARY_CALLS_MAX, DIARY_STACKS_MAX, DIARY_KNOBS_MAX).
 */
#ifndef DEV_DIARY_H
#define DEV_DIARY_H

#include "dev/pcapng.h"
#include "tapdeck/stack.h"
#include "core/seq.h"

/* ---- writing ---- */

struct diary;
/* Begins, best when the stack has been made and configured and before it is used. wall: the time since 1970 that it is
 * at the stack's time 0, ns. The stack must outlive it. NULL: no memory. */
struct diary *diary_open(struct td_stack *st, const char *name, int64_t wall);
/* All that it has heard, as custom blocks; number: of the stack in this file; here: the capture was made at this stack. */
void diary_write(const struct diary *d, unsigned number, bool here, struct pcapng_buf *w);
void diary_close(struct diary *d); /* NULL is allowed */

/* ---- reading (diary_read.c) ---- */

#define DIARY_STACKS_MAX 256
#define DIARY_KNOBS_MAX  1024
#define DIARY_ADDRS_MAX  16
#define DIARY_CALLS_MAX  4000000u /* of a file */

enum diary_what {
    DIARY_SOCKET,  /* n: its type, SOCK_STREAM … */
    DIARY_SETOPT,  /* level, option, value, len; result */
    DIARY_BIND,    /* us */
    DIARY_LISTEN,  /* n: backlog */
    DIARY_ACCEPT,  /* made, us, peer */
    DIARY_CONNECT, /* us, peer; result */
    DIARY_WRITE,   /* n, flags, peer (where given: port 0 = it wasn't); result */
    DIARY_READ,    /* n, flags; result */
    DIARY_SHUTDOWN, /* n: SHUT_RD … */
    DIARY_CLOSE,
    DIARY_DUP,     /* made */
    DIARY_DESTROY, /* us, peer; s is -1 */
    DIARY_KNOB,    /* text: NAME=VALUE; s is -1, also below */
    DIARY_MTU,     /* text: the interface, n */
    DIARY_DID,     /* text: what */
    DIARY_WHATS
};

struct diary_end {
    td_ip4 addr;
    uint16_t port;
};

struct diary_call {
    int64_t wall; /* ns since 1970 */
    enum diary_what what;
    int s, made;
    int64_t n, result;
    struct diary_end us, peer;
    int flags; /* MSG_OOB … */
    int level, option;
    uint8_t value[32], len; /* of the option; what is longer is cut */
    char *text;             /* NULL, or the diary's */
};

struct diary_in { /* a TCP segment came in */
    int64_t wall;
    struct diary_key {
        tcp_seq seq, ack;
        uint32_t ts;
        uint16_t id; /* of its IP header */
    } key;
    bool taken;      /* diary_arrival gave it out; then */
    uint32_t behind; /* one behind it that may not be taken, or how many there are */
};

struct diary_stack {
    unsigned number;
    char name[64];
    enum td_profile profile;
    int64_t epoch; /* ns since 1970 */
    struct {
        td_ip4 addr;
        uint8_t plen;
        uint32_t mtu; /* of its interface, when the diary began; 0: not known */
    } addr[DIARY_ADDRS_MAX]; /* all that it ever had */
    unsigned naddrs;
    struct {
        char name[16];
        uint32_t mtu;
    } interface[DIARY_ADDRS_MAX];
    unsigned ninterfaces;
    char **knob;  /* NAME=VALUE each */
    size_t nknobs, knobs_room;
    struct diary_call *call; /* in the order in which they were made */
    size_t ncalls, calls_room;
    struct diary_in *in; /* in the order in which they came; after the first diary_arrival by their keys and times */
    size_t nin, in_room;
    bool in_sorted;
    bool cut;
};

struct diary_book { /* the diaries of a file. Zero: none yet */
    struct diary_stack *stack;
    size_t nstacks;
    size_t ncalls; /* of all */
    bool no_memory;
};
/* A capture_custom: capture_on_custom(r, diary_read, &book). */
void diary_read(void *book, const char *text, size_t len);
/* Whose address this is; NULL: nobody's who kept a diary. */
const struct diary_stack *diary_of(const struct diary_book *book, td_ip4 addr);
/* The calls that concern one connection of it, in order: those on its own socket, and those on the socket that
 * listened for it. In the copies s is 1 for the connection's own, 0 for the listening one, -1 for
 * what concerns the whole stack (knobs, MTU, …). begun: when its first packet was
 * captured, for ends that are used again. The result is the caller's to free; NULL with *n 0: none, or no memory. Their texts stay the book's. */
struct diary_call *diary_connection(const struct diary_stack *st, struct diary_end us, struct diary_end peer, int64_t begun,
                                    size_t *n);
/* When this segment, which was captured at that time, came in at the stack, ns since 1970. Each is given out once. False: it
 * never did. To be asked only where there are arrivals (nin > 0). */
bool diary_arrival(struct diary_stack *st, const struct diary_key *key, int64_t captured, int64_t *wall);
void diary_arrivals_again(struct diary_book *book); /* as if none had been given out */
void diary_book_free(struct diary_book *book);

#endif
