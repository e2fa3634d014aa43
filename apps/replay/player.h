/* replay/player.h: what the parts of the player share (play.h): the host and its time (play_run.c),
 * its application (play_app.c). */
#ifndef REPLAY_PLAYER_H
#define REPLAY_PLAYER_H

#include "replay/play.h"
#include "tapdeck/stack.h"
#include "wire/eth.h"

#define PLAY_START                                                                                 \
    (10000 *                                                                                       \
     TD_SEC) /* stack time of the first captured frame: a host that has been up for a while */

/* The application of the played side. */
struct play_app {
    /* A frame of the played side was captured now: what it did by then is done. */
    void (*captured)(struct player *r, const struct play_frame *f, size_t index);
    /* A frame of the other side is about to be handed in. */
    void (*coming)(struct player *r, const struct play_frame *f);
    void (*go)(struct player *r); /* something happened: it writes and reads what it can */
    /* A call that it makes at a time of its own: when the next is; it is made. */
    td_time (*next)(const struct player *r);
    void (*due)(struct player *r);
    /* When it had read so many bytes; TD_NEVER: that isn't known. Asked for ever more. */
    td_time (*read_at)(struct player *r, uint32_t bytes);
    uint64_t (*unwritten)(const struct player *r); /* bytes that it wants to write, and can't yet */
    void (*done)(struct player *r);
};
extern const struct play_app play_guess, play_script; /* play_app.c, play_script.c */

struct player {
    struct play *p;
    struct td_stack *st;
    struct judge *judge;
    const struct play_app *app;
    uint32_t eth;
    int listener, conn; /* handles, -1 = none */
    bool passive;       /* it answered a SYN */
    bool active, closing, shut, aborted;
    size_t next[2];      /* captured frames: the other side's, the played one's that come next */
    size_t next_ack;     /* of the latter, the first that shows a window */
    td_time lag;         /* from where the capture was made to the played side and back, ns */
    bool lost;           /* it never was: */
    uint64_t lost_frame; /* the last such one's number */
    size_t next_rst;     /* of the played side's, those before have answered something */
    size_t heard_of;     /* the other side's frame, +1, that is heard next: */
    td_time heard_then;  /* when, after the first captured one */
    bool clocked;        /* its timestamps count milliseconds: */
    int64_t
        clock; /* when `clock_from` left, in the capture's time and with the way's least delay */
    uint32_t clock_from;
    td_time now;       /* of the last event, since the flow's first packet */
    tcp_seq heard;     /* the other side's highest acknowledgement so far, */
    tcp_seq small_end; /* and the end of the last short segment of the played side */
    bool small, no_delay;
    uint32_t mss; /* text of a full segment */
    /* the application's text */
    tcp_seq written; /* the sequence number behind what it has decided to write */
    tcp_seq due;     /* and up to which it must, for it was captured */
    bool taking,
        full; /* the write at `take_at` goes on; the last captured segment of it was a full one */
    size_t take_at; /* the captured frame from which text is taken next */
    uint8_t *out;
    size_t out_n, out_at, out_room;
    bool urgent; /* of what is to be written this is urgent: */
    tcp_seq urgent_from, urgent_to;
    uint64_t window_max; /* the largest captured so far, bytes */
    bool letting;        /* its congestion window is what the captured host's was: */
    tcp_seq let;         /* new text may go up to here */
    /* the calls of a diary */
    size_t call;           /* the next */
    td_time ahead;         /* so much later than it was made: as the capture saw what came of it */
    uint64_t owes, unread; /* bytes that it should have written and read by now */
    unsigned copies;       /* of its socket */
    bool gone;             /* closed */
    int how;               /* it shut down */
    uint8_t *in;
    tcp_seq put;        /* the sequence number behind what the stack was given to send */
    size_t reading;     /* the calls before it read: */
    uint64_t was_read;  /* bytes */
    char interface[16]; /* its name there */
    /* what the other side may acknowledge */
    bool apart;        /* what is sent now belongs to another connection: */
    tcp_seq apart_seq; /* its last sequence number */
    bool begun;        /* the stack has sent something */
    bool reset;        /* what it sent last was a reset */
    tcp_seq sent_end;
    bool held;
    tcp_seq held_ack;
    size_t held_frame;
    uint8_t frame[ETH_HLEN + 65535 + 1];
};

/* Sends, and lets the other side say what it held back until it had been sent. */
void player_flush(struct player *r);
/* Gives the stack the Fast Open cookie that the captured SYN has (play_cookie.c). */
void player_cookie(struct player *r, const struct play_frame *syn, const struct play_frame *theirs);
/* The next n bytes that the played side said are in `out`, from out_at on; what wasn't captured is
 * zeros. False: no memory. */
bool player_text(struct player *r, size_t n);

#endif
