/* core/journal.h: why things happened.
 *
 * Theory of operation. Every decision a protocol takes is an event of the catalogue core/events.def:
 * a name, typed fields, the RFC clause that asks for it, one sentence for a person. Emitting one
 * writes a fixed-size binary record into the instance's ring; nothing is formatted until somebody
 * reads it. A record carries
 *   - seq:     its own number, counting up for ever (also where the level keeps it out of the ring,
 *              so numbers don't depend on the level);
 *   - cause:   the seq of the event that led to it, 0 = none recorded;
 *   - origin:  what entered through the door when it happened: a frame, a timer, a call. A timer
 *              remembers the cause that was current when it was armed;
 *   - subjects: connection id, packet id, interface, address: what `why` filters by.
 *
 * JOURNAL(st, EV, &subject, args...) records. JOURNAL_CAUSE(...) records and makes the event the
 * cause of what follows until the present door call ends; use it for the event that explains the
 * others (an RTO fired; a RST arrived; an ARP request timed out).
 *
 * Every event also has a counter (events[EV] in the journal), bumped at every level: level 0 is
 * "counters only".
 */
#ifndef CORE_JOURNAL_H
#define CORE_JOURNAL_H

#include "tapdeck/types.h"

#define JOURNAL_ARGS 8

enum journal_level { JOURNAL_COUNTERS, JOURNAL_NORMAL, JOURNAL_ALL };

/* What kind of event: decides its level (JOURNAL_LEVEL_OF) and its colour. */
enum event_kind {
    EVK_DROP,   /* something was thrown away: always a drop counter too (level normal) */
    EVK_ERROR,  /* something failed (normal) */
    EVK_STATE,  /* a transition (normal) */
    EVK_ACTION, /* a decision worth telling: a retransmission, a window cut (normal) */
    EVK_DETAIL, /* per-packet detail (level everything) */
};

enum event_id {
    EV_NONE,
#define EVENT(id, name, kind, clause, fields, sentence) EV_##id,
#include "core/events.def"
#undef EVENT
    EV_COUNT
};

struct event_info {
    const char *name;     /* "tcp-state" */
    enum event_kind kind;
    const char *clause;   /* "RFC 9293 3.10.7.4", or "-" where no RFC asks for it */
    const char *fields;   /* "from:tcpstate to:tcpstate": names and types of the args, in order */
    const char *sentence; /* "The connection went from {from} to {to}." */
};
extern const struct event_info event_info[EV_COUNT];

/* The level from which on an event is kept. A constant wherever the event is one, so that what isn't
 * kept costs its two counts and a comparison, and no argument of it is ever computed. */
#define JOURNAL_LEVEL_OF(kind) ((kind) == EVK_DETAIL ? JOURNAL_ALL : JOURNAL_NORMAL)
static const uint8_t event_level[EV_COUNT] = {
    [EV_NONE] = JOURNAL_ALL,
#define EVENT(id, name, kind, clause, fields, sentence) [EV_##id] = JOURNAL_LEVEL_OF(kind),
#include "core/events.def"
#undef EVENT
};

/* Types of a field: u32 u64 i64 hex ip port mac(48 bits in the u64) ns seq bool if(ifindex, printed
 * as the interface's name) tcpstate neighstate tcpflags proto icmp(type*256+code) errno
 * word(index into journal_words[], for a fixed reason) bytes pkts prefix(addr<<8|len) knob(core/knobs.h:
 * KNOB_SUBJECT) fault(core/faults.h) ports(from << 16 | to) nftext(a name of the packet filter). */

enum journal_origin {
    ORIGIN_NONE,
    ORIGIN_FRAME, /* a frame arrived: origin_id is the packet id */
    ORIGIN_TIMER, /* a timer fired: origin_id is its arming number */
    ORIGIN_CALL,  /* a socket or configuration call: origin_id is the call's number */
    ORIGIN_FLUSH, /* output decided in flush without a better cause */
};

struct journal_subject {
    uint64_t pkt;      /* packet id, 0 = none */
    uint32_t conn;     /* socket/connection id, 0 = none */
    uint32_t ifindex;  /* 0 = none */
    td_ip4 addr;       /* the far address, 0 = none */
    uint16_t port;     /* the far port, or 0 */
    uint16_t lport;    /* the local port, or 0 */
};

struct journal_record {
    uint64_t seq, cause, origin_id;
    td_time time;
    struct journal_subject subject;
    uint16_t event;  /* enum event_id */
    uint8_t origin;  /* enum journal_origin */
    uint8_t pad;
    uint64_t arg[JOURNAL_ARGS];
};

struct journal {
    struct journal_record *ring; /* allocated at first use, doubled while full, up to size */
    uint32_t size;               /* records it may hold at most; changed by the knob */
    uint32_t capacity;           /* records there is room for now */
    uint32_t count, oldest;      /* records held, and the index of the oldest */
    uint64_t next_seq;           /* of the next event; the first is 1 */
    uint64_t written;            /* records written into the ring since the start */
    uint64_t drops;              /* of those, drops */
    uint64_t lost;               /* overwritten, or not kept for want of memory */
    uint64_t cause;              /* current */
    uint64_t origin_id;
    uint8_t origin;
    uint8_t level;               /* enum journal_level: from which on records are made at all */
    uint8_t keeps;               /* the knob's value: which of them the ring keeps */
    uint64_t next_packet;        /* packet ids */
    uint64_t events[EV_COUNT];   /* how often each happened */
    /* A reader that follows: called for each record kept; must not call into the stack. */
    void (*tap)(void *ctx, const struct journal_record *r);
    void *tap_ctx;
    struct journal_watch *watches; /* in order of their beginning; NULL: nobody watches */
};

/* A reader of every event, whatever the level keeps in the ring: captures explain packets by it, and what is
 * captured must not depend on the level, nor the ring on who captures. Its memory is the reader's own. */
struct journal_watch {
    struct journal_watch *next;
    void (*fn)(void *ctx, const struct journal_record *r); /* must not call into the stack */
    void *ctx;
};
void journal_watch(struct journal *j, struct journal_watch *w);   /* fn and ctx are set */
void journal_unwatch(struct journal *j, struct journal_watch *w); /* nothing when it doesn't watch */
void journal_set_level(struct journal *j, enum journal_level level);

void journal_init(struct journal *j, uint32_t size, enum journal_level level);
void journal_done(struct td_stack *st);
int journal_resize(struct td_stack *st, uint32_t size); /* keeps the newest; -ENOMEM */

/* Counts an event; is it to be kept? */
static inline bool journal_count(struct journal *j, enum event_id ev)
{
    j->events[ev]++;
    j->next_seq++;
    return __builtin_expect(j->level >= event_level[ev], 0);
}
/* Writes the record of the event that was counted last. who: a subject's connection and interface;
 * where: its address and ports. All are numbers by value: what a caller had to put into memory for
 * it, it would put there whether the event is kept or not. */
void journal_record(struct td_stack *st, enum event_id ev, uint64_t pkt, uint64_t who,
                    uint64_t where, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f, uint64_t g, uint64_t h);
static inline void journal_write(struct td_stack *st, enum event_id ev,
                                 const struct journal_subject *subject, uint64_t a, uint64_t b,
                                 uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g,
                                 uint64_t h)
{
    struct journal_subject s = subject != NULL ? *subject : (struct journal_subject){0};
    journal_record(st, ev, s.pkt, (uint64_t)s.conn << 32 | s.ifindex,
                   (uint64_t)s.addr << 32 | (uint32_t)s.port << 16 | s.lport, a, b, c, d, e, f, g,
                   h);
}
#define JOURNAL_8(a, b, c, d, e, f, g, h, ...) a, b, c, d, e, f, g, h

/* -DTAPDECK_NO_JOURNAL leaves all of it out: to measure what it costs (scripts/journal-cost.sh). */
#ifdef TAPDECK_NO_JOURNAL
#define JOURNAL_WANTS(st, ev) (false && journal_count(&(st)->journal, (ev)))
#define JOURNAL_CAUSES(st)    ((void)0)
#else
#define JOURNAL_WANTS(st, ev) journal_count(&(st)->journal, (ev))
#define JOURNAL_CAUSES(st)    ((void)((st)->journal.cause = (st)->journal.next_seq - 1))
#endif

/* An event with up to 8 arguments, the fields of the catalogue. subject may be NULL.
 * Nothing behind `ev` is evaluated when the level doesn't keep the event: no side effects there. */
#define JOURNAL(st, ev, subject, ...)                                                              \
    (JOURNAL_WANTS(st, ev)                                                                         \
         ? journal_write((st), (ev), (subject), JOURNAL_8(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0, 0))    \
         : (void)0)
/* A subject that is made only if it is wanted: JOURNAL(st, EV_X, JOURNAL_ABOUT({.addr = a}), …). */
#define JOURNAL_ABOUT(...) ((const struct journal_subject[1]){__VA_ARGS__})
#define JOURNAL_CAUSE(st, ev, subject, ...)                                                        \
    (JOURNAL((st), (ev), (subject), __VA_ARGS__), JOURNAL_CAUSES(st))

/* Door and timers bracket what they do. */
struct journal_frame {
    uint64_t cause, origin_id;
    uint8_t origin;
};
struct journal_frame journal_enter(struct td_stack *st, enum journal_origin origin,
                                   uint64_t origin_id, uint64_t cause);
void journal_leave(struct td_stack *st, struct journal_frame saved);

/* The record with this seq, or NULL (fell out, or its level kept it out). */
const struct journal_record *journal_find(const struct td_stack *st, uint64_t seq);
/* The oldest record with seq >= from, or NULL: a resumable cursor. */
const struct journal_record *journal_from(const struct td_stack *st, uint64_t from);
/* The newest record with seq < before, or NULL: the cursor that looks back. */
const struct journal_record *journal_before(const struct td_stack *st, uint64_t before);

/* Fixed reason words used by `word` fields: add yours to core/words.def. */
enum journal_word {
    W_NONE,
#define WORD(id, text) W_##id,
#include "core/words.def"
#undef WORD
    W_COUNT
};
extern const char *const journal_words[W_COUNT];

/* Writes the sentence with its fields filled in; always NUL-terminates; returns the length. */
size_t journal_format(const struct td_stack *st, const struct journal_record *r, char *dst,
                      size_t size);
/* One field by index: its name, its value as text, and the raw value; false past the last one. */
bool journal_field(const struct td_stack *st, const struct journal_record *r, unsigned index,
                   char *name, size_t name_size, char *text, size_t text_size, uint64_t *raw);

#endif
