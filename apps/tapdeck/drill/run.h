/* drill/run.h: between the runner's files: one run of one script. */
#ifndef DRILL_RUN_H
#define DRILL_RUN_H

#include "common/text.h"
#include "tapdeck/drill/drill.h"
#include "tapdeck/drill/live.h"
#include "tapdeck/drill/mapping.h"
#include "tapdeck/drill/nstat.h"
#include "tapdeck/drill/record.h"
#include "tapdeck/drill/world.h"

struct fd_label { /* the script's number for a descriptor */
    int script, live;
    int proto;
    bool nonblock, closed;
    struct conn *conn; /* NULL: a listener's child whose packets the script never named */
};

/* The call under way, and what the script expects of it. */
struct pending {
    bool active, done;
    struct live_call call;
    const struct drill_event *event;
    td_time start, end, done_at; /* of the script */
    int script_fd;
    uint8_t *buffer; /* behind call.iov */
    struct iovec *iov;
};

struct run {
    const struct drill_script *s;
    const struct drill_options *o;
    struct drill_world w;
    struct record *record; /* NULL: no capture is wanted */
    struct conn *conns;   /* all */
    struct conn *current; /* "the socket under test" */
    struct fd_label *fd;
    size_t nfds, fd_cap;
    uint16_t next_port; /* of the next child's remote end */
    td_time prev;       /* scheduled time of the event before */
    bool after_inbound; /* ...which was an inbound packet */
    struct pending p;
    struct epoll *epolls;
    struct drill_vars *vars; /* of code blocks */
    struct nstat nstat;
    bool over; /* the verdict is there */
    struct drill_report *out;
};

/* Ends the run: the first of these decides. */
void play_fail(struct run *r, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void play_unsupported(struct run *r, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A difference in a packet or a call: a failure, unless --non_fatal says otherwise. got: what came
 * instead of the event; NULL: nothing to be shown. */
void play_differs(struct run *r, const struct drill_event *e, const char *got, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* A line of what happened, with its time, if that is wanted. */
void play_told(struct run *r, td_time at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Time. The allowed distance from `at` (section 4 of the language). */
td_time play_tolerance(const struct run *r, td_time at, td_time from);
/* One timer, or one wait that ends, not after `until`. False: there is none. */
bool play_step(struct run *r, td_time until, bool at);
void play_sleep(struct run *r, td_time until);

/* Connections. */
struct conn *play_conn_new(struct run *r, int proto);
struct conn *play_conn_find(const struct run *r, int proto, uint16_t lport, uint16_t rport);
/* The child, or the stranger, that an inbound packet belongs to. NULL: no memory. */
struct conn *play_conn_inbound(struct run *r, const struct drill_packet *p);

/* inject.c */
void play_inject(struct run *r, const struct drill_event *e);
/* match.c. scheduled: `at` and `until` (at for a point); any: no deadline. */
struct expectation {
    td_time at, until;
    bool any, range;
};
void play_expect(struct run *r, const struct drill_event *e, const struct expectation *x);
void play_check_silence(struct run *r);

/* calls.c */
bool play_call_known(const char *name);
void play_call(struct run *r, const struct drill_event *e, td_time at, td_time end);
void play_call_try(struct run *r);
void play_call_retry(struct run *r);  /* something happened in the stack */
void play_call_await(struct run *r);  /* the pending call must end now, or soon */
void play_call_settle(struct run *r); /* judges it if it has ended */
void play_calls_end(struct run *r);

/* calls_epoll.c */
int64_t play_epoll_try(struct run *r, struct live_call *c); /* how many are ready */
/* A descriptor is closed: a socket's leaves all sets. True: it was an epoll descriptor. */
bool play_epoll_close(struct run *r, int script, int live);
void play_epoll_end(struct run *r);

/* note.c: the datagram as a packet of the script. False: its options make no sense. */
struct noted {
    struct drill_packet p;
    struct drill_opt opt[DRILL_OPTS_MAX];
    uint32_t sack[8][2];
};
bool note_read(struct noted *n, const struct conn *c, const struct seg *s);
void note_seg(struct text *t, const struct conn *c, const struct seg *s); /* in script notation */
/* "0.300000 s": a time of the script. */
const char *note_time(td_time t, char buf[32]);

/* journal.c: what the stack says about it */
void play_journal(struct run *r, struct text *t);

#endif
