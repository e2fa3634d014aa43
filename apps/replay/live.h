/* replay/live.h: one end of a captured connection with a real peer.
 *
 * Theory of operation. What a capture tells of an application is what it wrote and when, when it
 * closed or broke off, and what it had read by then. That is a script; here the stack's socket is
 * made to follow it, with a peer that never saw the capture. The stack does all that is TCP's: its
 * own handshake, its own sequence numbers, retransmissions, windows and close.
 *
 * The text up to the next PSH is one write (as in play.h), made as long after what came before it
 * as it was in the capture: after the previous write, or after the last byte that the captured
 * application had received by then, whichever was later. So a question is asked when the answer
 * before it has come, however long that took. A peer that says less than the captured one is waited
 * for so long (`patience`), then the script goes on.
 *
 * What the peer sends is compared with the captured bytes as it comes: the first difference is
 * kept. Bytes that the capture lacks can't be compared.
 *
 * No clock and no device is known here: times come in, and live_turn says when it wants to be
 * called again.
 */
#ifndef REPLAY_LIVE_H
#define REPLAY_LIVE_H

#include <stdio.h>

#include "common/text.h"
#include "replay/play.h"

enum live_kind { LIVE_WRITE, LIVE_CLOSE, LIVE_RESET };
struct live_event { /* of our application */
    uint8_t kind;
    uint64_t from, to; /* LIVE_WRITE: bytes of the stream */
    uint64_t after;    /* bytes of the peer's that had come before */
    td_time at;        /* captured, since the connection was there */
    td_time gap;       /* ns since what came before it */
    td_time done;      /* here, since the connection was there; TD_NEVER: not done */
    bool impatient;    /* here the bytes before it never came */
};
enum live_end {
    LIVE_OPEN,
    LIVE_CLOSED,
    LIVE_PEER_CLOSED,
    LIVE_WE_CLOSED,
    LIVE_PEER_RESET,
    LIVE_WE_RESET
};
struct live_hole { /* of the peer's stream: not captured */
    uint64_t from, to;
};

struct live_options {
    td_ip4 us, to;    /* to: the client's peer */
    uint16_t port;    /* the client's peer's; the server's own */
    double speed;     /* 2: twice as fast; 0: no pauses at all */
    td_time patience; /* for bytes that should come, and for the close */
    td_time wait;     /* for a connection */
};

struct live {
    struct live_options o;
    bool server;
    /* the script */
    uint8_t *text[2]; /* the peer's, ours */
    uint64_t n[2];
    struct live_hole *hole;
    size_t nholes;
    struct live_event *event;
    size_t nevents;
    enum live_end captured_end;
    td_time captured_handshake, captured_length;
    td_time captured_peer_closed; /* since the connection was there; TD_NEVER: it didn't */
    /* the run */
    struct td_stack *st;
    int listener, conn;
    bool begun, connected, over, fin_seen, shut, closing;
    size_t next;
    td_time began, there, last, heard,
        quit;          /* there: connected; last: the previous event; heard: the peer's last byte */
    td_time satisfied; /* when the bytes before the next event had come */
    bool waiting;      /* for them */
    uint64_t sent, received, compared;
    bool differs;
    uint64_t difference; /* offset of the first */
    uint8_t got[24];     /* the peer's bytes from there on */
    unsigned ngot;
    td_time peer_closed;
    enum live_end end;
    int error;          /* errno: why it broke off, 0 = it didn't */
    const char *broken; /* in words, or NULL */
    td_ip4 peer;
    uint16_t pport, lport;
    uint32_t retransmits, rtt_us;
};

/* Reads the script off a loaded flow. 0, or an exit status and a sentence. */
int live_load(struct live *l, struct play *p, const char *name, char *msg, size_t msg_size);
/* Begins: connects or listens. 0, or an exit status and a sentence. */
int live_begin(struct live *l, struct td_stack *st, const struct live_options *o, td_time now,
               char *msg, size_t msg_size);
/* What is due now, after the stack was given frames and time. Returns when it wants to be called
 * again at the latest; l->over: never. The stack is to be flushed afterwards. */
td_time live_turn(struct live *l, td_time now);
/* Breaks off: a signal. */
void live_stop(struct live *l, td_time now);
void live_done(struct live *l);
/* A captured pause at this speed; 0: none at all. A file's times may be anything: at most centuries. */
td_time live_pace(td_time gap, double speed);

/* The report (live_print.c). frames: out, in. */
void live_print(const struct live *l, const char *device, const uint64_t frames[2], FILE *out);
void live_json(const struct live *l, const char *name, const char *device, const uint64_t frames[2],
               FILE *out);
/* Was there a connection, and did it end as it should? */
bool live_went_well(const struct live *l);

#endif
