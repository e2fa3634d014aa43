/* replay/play.h: `tapdeck replay --play`: the stack is one endpoint of a captured connection.
 *
 * Theory of operation. A capture of a connection holds both voices of a conversation. Here one of them is
 * taken out and the stack put in its place: an instance with that endpoint's address, and time that jumps
 * from event to event. What the other side said is handed to the stack at the times it was captured. What
 * the played side's application must have done is read off the capture: it connected when the SYN left, wrote
 * when text first appeared, closed when the FIN did; and the stack's own socket is made to do the same, at the same
 * times. Then the stack says what it has to say, and this is laid beside what was captured.
 *
 * The application. Text that leaves without PSH was followed by more that was already in the buffer: a sender
 * pushes at the end of what it has. So the text up to the next PSH is one write, made when its first
 * byte was captured. Two short segments under way at once mean that it had Nagle's algorithm off, probes of silence
 * that it had keep-alive on. It reads so much that its window would be what the captured one was: what that is below the largest
 * seen so far, it has left unread.
 *
 * Numbers. Initial sequence number, timestamp clock and IP identification are pinned to the captured ones
 * (td_tcp_pin), the port is bound: so the other side's segments fit as they are. The options of the captured SYN tell
 * which knobs the host had: what it didn't offer is switched off, its MSS gives the MTU.
 *
 * Where the stack diverges, the other side still says what it said to the one that was captured, and may acknowledge
 * text that the stack has not sent yet. Such an acknowledgement is handed in with the highest number that
 * the stack did send, and the rest of it is held until that text has left. SACK blocks beyond it are cut the same way.
 *
 * Where the capture was made. Something a host hears it now and then acknowledges at once. If even the soonest
 * acknowledgement is seen more than a millisecond later, the capture was made at a distance: what was captured of the other
 * side arrived later by this lag, and what the played side sent is taken to have been captured as it left.
 *
 * The verdict. Frames are the same when flags, sequence and acknowledgement number, length and kinds of options are;
 * window and time are shown beside. Equal frames are paired in order; one that left more than TOLERANCE before or after
 * its twin is `earlier` or `later`. Text of a captured frame that left in several is `split`, that of several in one
 * is `coalesced`; what is left of the captured ones is `missing`, of the sent ones `extra`.
 */
#ifndef REPLAY_PLAY_H
#define REPLAY_PLAY_H

#include <stdio.h>

#include "common/text.h"
#include "replay/flows.h"
#include "tapdeck/types.h"

#define PLAY_TOLERANCE (5 * TD_MS)

enum play_verdict { PLAY_MISSING, PLAY_SAME, PLAY_LATER, PLAY_EARLIER, PLAY_SPLIT, PLAY_COALESCED, PLAY_EXTRA, PLAY_VERDICTS };
extern const char *const play_verdict_names[PLAY_VERDICTS];

struct play_sight { /* of the connection, when the played side's frame was captured */
    uint8_t state;  /* Linux's TCP_*; 0: there is none */
    uint32_t cwnd, unacked; /* segments */
    uint32_t peer_window;   /* bytes */
    uint32_t unsent;        /* bytes that the application has written */
};

struct play_frame {
    td_time at;          /* since the flow's first packet */
    uint64_t number;     /* in the file; 0: the stack sent it */
    bool ours;           /* of the played side */
    bool icmp;           /* an error about what it sent: only handed in */
    uint8_t verdict;     /* enum play_verdict, of the played side's */
    uint16_t flags, wnd, id;
    tcp_seq seq, ack;
    uint32_t text;       /* bytes */
    uint8_t kinds;       /* of options: a bit each */
    struct tcp_opts o;
    uint8_t *datagram;   /* captured: from the IP header on; NULL in sent ones */
    uint32_t len, text_at;
    size_t twin;         /* captured: the sent frame it is compared with, SIZE_MAX = none */
    struct play_sight sight;
};

struct play {
    struct play_frame *cap, *sent;
    size_t ncap, cap_room, nsent, sent_room;
    bool no_memory;
    int side;            /* which is played: 0 the client */
    td_ip4 us, peer;
    uint16_t port, pport;
    const char *const *knob; /* NAME=VALUE each: what is known of the host; borrowed */
    size_t nknobs;
    uint64_t clamped, cut; /* packets of the flow: with a time before the one before; that the snap length cut */
    char broken[256];    /* "" or the sentence: the file breaks off */
    uint64_t held;       /* acknowledgements of what had not left yet */
    uint64_t count[PLAY_VERDICTS];
    td_time lag;         /* the capture was made so far from the played side (there and back) */
    uint8_t scale[2];    /* of windows: captured, the stack's */
    /* Called when a captured frame has been dealt with, so that its tables can be read at that instant; NULL: nobody asks. */
    void (*watch)(void *ctx, struct td_stack *st, const struct play_frame *f);
    void *watch_ctx;
};

/* Reads the flow with this number. side: "client", "server", "A", "B" or ADDR:PORT. 0, or an exit status and a
 * sentence. */
int play_load(struct play *p, struct capture_reader *r, const char *name, int64_t flow, const char *side, char *msg, size_t msg_size);
/* Between the two: p->knob may be set. */
int play_run(struct play *p, char *msg, size_t msg_size); /* play_run.c */
void play_judge(struct play *p);                          /* play_judge.c */
void play_print(const struct play *p, FILE *out);
void play_json(const struct play *p, const char *name, FILE *out);
void play_done(struct play *p);

/* A frame's numbers from an IPv4 datagram of which n bytes are there. False: it is no whole TCP header. */
bool play_frame_read(struct play_frame *f, const uint8_t *datagram, size_t n);
struct play_frame *play_add(struct play_frame **at, size_t *n, size_t *room);

#endif
