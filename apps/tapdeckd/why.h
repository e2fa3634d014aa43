/* tapdeckd/why.h: the parts of `why` and `events`: which records are meant, how they are told, what
 * is asked.
 */
#ifndef TAPDECKD_WHY_H
#define TAPDECKD_WHY_H

#include "tapdeckd/conn.h"
#include "tapdeckd/deck.h"

#define WHY_LOOK_PER_STEP 2048 /* records looked at before the loop goes on */
#define WHY_TOLD_PER_STEP                                                                          \
    8192 /* bytes written before it does: some fifty lines, which take a millisecond */
#define WHY_SEEN 256

/* ---- which records (why_words.c) ---- */

struct why_filter {
    bool event[EV_COUNT]; /* those that are meant, by name, layer and kind */
    bool has_addr, has_prefix, has_conn, has_pkt;
    td_ip4 addr; /* 0: any */
    uint16_t port;
    td_ip4 prefix;
    uint8_t plen;
    struct conn conn;
    uint64_t pkt;
    uint64_t seq;      /* one record; 0: any */
    uint32_t ifindex;  /* 0: any */
    uint32_t rule;     /* of the packet filter, or an impairment's; 0: any */
    const char *chain; /* NULL: any */
    td_time since, until;
};

void why_filter_init(struct why_filter *f); /* everything */
/* Takes the words from *at on that belong to one condition and moves *at behind them. EXIT_DONE; or
 * a status with its sentence; or -1: the word at *at begins no condition. */
int why_filter_word(struct run *r, int *at, struct why_filter *f);
/* Takes out the words of a sentence that say nothing: "why is this socket in CLOSE_WAIT" is `why
 * CLOSE_WAIT`. */
void why_plain_words(struct run *r);
bool why_filter_match(const struct why_filter *f, const struct td_stack *st,
                      const struct journal_record *rec);
/* Only events whose name has this word, between dashes ("rto": tcp-rto) or as a layer; false: none
 * has. */
bool why_filter_named(struct why_filter *f, const char *word);
/* "10s" (ago), "12:34:56.5" (the wall clock's, today): as stack time. False: no such time. */
bool why_time(const struct deck *d, const char *word, td_time *at);

/* ---- how they are told (why_print.c) ---- */

struct why_told {
    uint8_t origin; /* of the chain printed last, not said yet */
    uint64_t origin_id;
    uint64_t seen[WHY_SEEN]; /* the numbers printed last: their chains aren't repeated */
    unsigned nseen;
};

extern const char *const why_kinds[5]; /* "drop" … in the order of enum event_kind */

void why_time_text(const struct deck *d, td_time t, char *dst, size_t size); /* 12:34:56.123456 */
/* One line of text; depth: how far down the chain. */
void why_line(struct run *r, const struct journal_record *rec, int depth);
/* One JSON object. */
void why_object(struct run *r, const struct journal_record *rec);
/* An event and what led to it, newest first. */
void why_chain(struct run *r, struct why_told *told, const struct journal_record *rec);
void why_chain_json(struct run *r, const struct journal_record *rec); /* an array "events" */
/* Where the last chain came from outside, unless it has been said. */
void why_origin(struct run *r, struct why_told *told);
bool why_already(const struct why_told *told, uint64_t seq);
/* The event that explains this one: the first of those that led to it in its own turn (frame,
 * timer, call), or the failure just before. Never NULL: rec itself, when it stands alone. */
const struct journal_record *why_root(const struct td_stack *st, const struct journal_record *rec);
/* A sentence in lines of at most 80 columns. */
void why_sentence(struct run *r, const char *text);
/* What the journal can't say any more, if something fell out. */
void why_lost(struct run *r);

/* ---- as it happens (cmd_events.c) ---- */

struct why_follow { /* the first member of the state of a run that follows */
    struct why_filter filter;
    uint32_t count; /* end after so many; 0: never */
    uint32_t printed;
    uint64_t position; /* of the next record, counted over all that were ever written */
};
/* Goes on from now, or from w->filter.since when that isn't 0: lines of text, or JSON objects, a
 * line each. What has fallen out of the journal before it could be told is counted: {"lost":N}.
 * Returns RUN_MORE or a status. */
int why_follow(struct run *r, struct why_follow *w);

/* ---- what is asked (why_ask.c) ---- */

/* The word at r->argv[1] asks a question: answers it (EXIT_…, or RUN_MORE). WHY_NOT_ASKED: it does
 * not. */
#define WHY_NOT_ASKED (-2)
int why_ask(struct run *r);

#endif
