/* replay/play.h: `tapdeck replay --play`: the stack is one endpoint of a captured connection.
 *
 * Theory of operation. A capture of a connection holds both voices of a conversation. Here one of
 * them is taken out and the stack put in its place: an instance with that endpoint's address, and
 * time that jumps from event to event. What the other side said is handed to the stack at the times
 * it was captured. What the played side's application must have done is read off the capture: it
 * connected when the SYN left, wrote when text first appeared, closed when the FIN did; and the
 * stack's own socket is made to do the same, at the same times. Then the stack says what it has to
 * say, and this is laid beside what was captured.
 *
 * The application. Text that leaves without PSH was followed by more that was already in the
 * buffer: a sender pushes at the end of what it has. So the text up to the next PSH is one write,
 * made when its first byte was captured. Two short segments under way at once mean that it had
 * Nagle's algorithm off, probes of silence that it had keep-alive on. It reads so much that its
 * window would be what the captured one was: what that is below the largest seen so far, it has
 * left unread.
 *
 * Numbers. Initial sequence number, timestamp clock and IP identification are pinned to the
 * captured ones (td_tcp_pin), the port is bound: so the other side's segments fit as they are. The
 * options of the captured SYN tell which knobs the host had: what it didn't offer is switched off,
 * its MSS gives the MTU.
 *
 * The congestion window. What congestion control the captured host had, and what it knew from
 * before, is not in the capture; but how much it let out is. So the stack's new text goes as far as
 * the captured text had gone at that time, and it may send as much as was sent (TD_PIN_WINDOW):
 * else the other side's words would soon fit nothing that it has said. What is lost, what is sent
 * again, and when its timers expire, stays its own judgement. Its own congestion window is computed
 * all the same, and how often it would have let out less or more is told. If a knob says which
 * congestion control the host had, the stack goes by that alone.
 *
 * Where the stack diverges, the other side still says what it said to the one that was captured,
 * and may acknowledge text that the stack has not sent yet. Such an acknowledgement is handed in
 * with the highest number that the stack did send, and the rest of it is held until that text has
 * left. SACK blocks beyond it are cut the same way.
 *
 * Where the capture was made. Something a host hears it now and then acknowledges at once. If even
 * the soonest acknowledgement is seen more than a millisecond later, the capture was made at a
 * distance: what was captured of the other side arrived later by this lag, and what the played side
 * sent is taken to have been captured as it left. Where both carry timestamps it is known better: a
 * frame echoes what its sender had heard, and says to the millisecond when it left; so what it
 * waited in queues on its way to the capture point is taken off.
 *
 * The verdict. Frames are the same when flags, sequence and acknowledgement number, length and
 * kinds of options are; window and time are shown beside. Equal frames are paired in order; one
 * that left more than TOLERANCE before or after its twin is `earlier` or `later`. Text of a
 * captured frame that left in several is `split`, that of several in one is `coalesced`; what is
 * left of the captured ones is `missing`, of the sent ones `extra`. All this is decided in a window
 * that slides over the frames (play_judge.c), so that a verdict is told soon and memory doesn't
 * grow with packets.
 */
#ifndef REPLAY_PLAY_H
#define REPLAY_PLAY_H

#include <stdio.h>

#include "common/jsonw.h"
#include "common/text.h"
#include "dev/diary.h"
#include "replay/flows.h"
#include "replay/observe.h"
#include "replay/spool.h"
#include "tapdeck/types.h"

#define PLAY_TOLERANCE (5 * TD_MS)

enum play_verdict {
    PLAY_MISSING,
    PLAY_SAME,
    PLAY_LATER,
    PLAY_EARLIER,
    PLAY_SPLIT,
    PLAY_COALESCED,
    PLAY_EXTRA,
    PLAY_VERDICTS
};
extern const char *const play_verdict_names[PLAY_VERDICTS];

enum play_cause { /* why a frame isn't the same (play_cause.h) */
                  CAUSE_NONE,
                  CAUSE_ACK_TIMING,
                  CAUSE_SACK_TIMING,
                  CAUSE_REPEATED_ACK,
                  CAUSE_ACK_NUMBER,
                  CAUSE_PUSH,
                  CAUSE_OPTIONS,
                  CAUSE_ECN,
                  CAUSE_SEGMENTS,
                  CAUSE_TEXT_TIMING,
                  CAUSE_AGAIN_TIMING,
                  CAUSE_AGAIN_EXTRA,
                  CAUSE_AGAIN_MISSING,
                  CAUSE_PROBE,
                  CAUSE_SYN,
                  CAUSE_FIN,
                  CAUSE_RST,
                  CAUSE_URGENT,
                  CAUSE_OVER,
                  CAUSE_WAITS,
                  CAUSE_NOT_CAPTURED,
                  CAUSE_UNEXPLAINED,
                  PLAY_CAUSES
};
#define PLAY_EXAMPLES 5u
struct play_why { /* of one cause */
    uint64_t count;
    uint64_t packet[PLAY_EXAMPLES]; /* the first of them; 0: only the stack sent it */
    uint8_t verdicts;               /* 1 << PLAY_…, or'ed */
};

struct play_sight {         /* of the connection, when the played side's frame was captured */
    uint8_t state;          /* Linux's TCP_*; 0: there is none */
    uint32_t cwnd, unacked; /* segments */
    uint32_t pipe;          /* of these, neither SACKed nor lost; sent again counts again */
    uint32_t peer_window;   /* bytes */
    uint32_t unsent;        /* bytes that the application has written */
    uint32_t ssthresh, mss; /* segments, 0 = none yet; bytes of text in one */
    uint32_t srtt;          /* us */
};

struct play_frame {
    td_time at;      /* since the flow's first packet */
    td_time left;    /* when it left the played side, as far as is known; 0: `at` */
    uint64_t number; /* in the file; 0: the stack sent it */
    bool ours;       /* of the played side */
    bool bad;        /* its checksum is wrong, and is to be so (play_mend.h) */
    bool more;       /* a piece of a super-segment, and not the last */
    bool assumed;    /* of the handshake that wasn't captured */
    bool icmp;       /* an error about what it sent: only handed in */
    uint16_t flags, wnd, id;
    uint16_t urgent; /* its urgent pointer, with URG */
    tcp_seq seq, ack;
    uint32_t text; /* bytes */
    bool again;    /* it is a retransmission; set by the judge */
    uint8_t kinds; /* of options: a bit each */
    struct tcp_opts o;
    uint64_t bytes;        /* captured: where its datagram is: play_copy */
    uint32_t len, text_at; /* of the datagram, and where in it the text begins */
    uint32_t kept;         /* bytes of it that were captured */
};

struct play_row { /* a captured frame of the played side with what the stack sent in its place, or
                     what only the stack sent */
    struct play_frame captured; /* number 0: there is none */
    struct play_frame
        sent; /* if was_sent; of a captured one that was split or coalesced, a part of it */
    bool was_sent;
    uint8_t verdict;         /* enum play_verdict */
    uint8_t cause;           /* enum play_cause; of one that isn't the same */
    struct play_sight sight; /* when it was captured */
};

struct play_mend {          /* what is done about the capture's flaws (play_mend.h) */
    enum observe_sums sums; /* of segments with a wrong checksum */
    uint32_t mtu;           /* what is larger is cut; 0: as the handshake has it */
    bool assume;            /* a handshake that wasn't captured */
    bool elsewhere;         /* it is for its text only: one with itself keeps its addresses */
    /* Is told now and then how far it is: packets read (of: 0), then frames of the flow that were played, of how many. Or NULL. */
    void (*progress)(void *ctx, uint64_t done, uint64_t of);
    void *progress_ctx;
};
#define PLAY_PROGRESS 0x4000 /* packets between two times */

struct play_middle { /* of one side of a flow that was caught in the middle (play_middle.c) */
    bool sent, acked, blocks;
    tcp_seq end, ack;
    uint16_t wnd;
    uint8_t scale; /* the least by which its windows were wide enough */
    uint64_t duplicates;
};

/* Documentation addresses (RFC 5737) for the ends of a connection of a host with itself. */
#define PLAY_US UINT32_C(0xc0000201)
#define PLAY_PEER UINT32_C(0xc0000202)

struct play {
    struct play_mend mend;
    struct play_middle middle[2]; /* [1]: who sent the first frame; then, of the played side */
    bool syn_seen;                /* a part of the handshake was captured */
    uint8_t assumed_scale[2];     /* of the other side, of the played one */
    uint64_t repaired, discarded,
        dropped;          /* wrong checksums: taken for right, handed in, left out */
    uint64_t resegmented; /* super-segments */
    uint64_t cut_bytes;   /* that the snap length cut off */
    bool midstream;       /* the handshake wasn't captured, */
    bool assumed;         /* and is assumed */
    uint16_t said[2];     /* MSS: of whom the first frame is of [1], of the other */
    struct spool frames, bytes;
    const struct play_frame
        *cap; /* captured, both sides', in their order: in `frames`, a mapping */
    size_t ncap;
    bool no_memory;
    int side; /* which is played: 0 the client */
    td_ip4 us, peer;
    uint16_t port, pport;
    bool one_host; /* both ends were: no stack hears itself on an Ethernet, so us and peer aren't the captured ones */
    struct diary_book book;          /* what the capture says of the stacks in it */
    const struct diary_stack *diary; /* the played host's, or NULL */
    struct diary_call *calls;        /* its application's, of this connection: with `scripted` */
    size_t ncalls;
    bool scripted;
    const char *const *knob; /* NAME=VALUE each: what is known of the host; borrowed */
    size_t nknobs;
    uint64_t clamped,
        cut; /* packets of the flow: with a time before the one before; that the snap length cut */
    char broken[256]; /* "" or the sentence: the file breaks off */
    uint64_t held;    /* acknowledgements of what had not left yet */
    uint64_t lost;    /* frames of the other side that were lost behind the place of the capture */
    void (*row)(void *ctx,
                const struct play_row
                    *row); /* is told of each row as it is judged, in order of time; or NULL */
    void *row_ctx;
    uint64_t count[PLAY_VERDICTS];
    bool diverged;
    struct play_row first; /* with `diverged`: the first that isn't the same */
    td_time lag;           /* the capture was made so far from the played side (there and back) */
    uint8_t scale[3];      /* of windows: captured, the stack's, the other side's */
    tcp_seq base[2]; /* captured initial sequence numbers: the other side's, the played one's */
    td_time end;     /* of the last captured frame */
    struct play_why why[PLAY_CAUSES];
    uint64_t again_captured, again_sent,
        again_both; /* retransmissions: captured; the stack's; of the
                       captured ones, those that the stack sent too */
    bool windowed;  /* the stack's congestion window is what the captured host's was seen to be: */
    uint64_t beyond, within; /* its own would have let out less; more: captured frames with text */
    uint32_t mss;            /* text of a full segment of the played side; 0 = not known */
    int64_t wall;            /* of the first, ns since 1970 */
};

/* Reads the flow with this number. side: "client", "server", "A", "B" or ADDR:PORT. 0, or an exit
 * status and a sentence. */
int play_load(struct play *p, struct capture_reader *r, const char *name, int64_t flow,
              const char *side, char *msg, size_t msg_size);
/* The same, with other ways to mend it than those of play_load: repair, the handshake's MTU, and no
 * flow without one. */
int play_load_mended(struct play *p, struct capture_reader *r, const char *name, int64_t flow,
                     const char *side, const struct play_mend *mend, char *msg, size_t msg_size);
/* Between the two: p->knob and p->row may be set. */
int play_run(struct play *p, char *msg, size_t msg_size); /* play_run.c */

/* The same step by step. Opens the host: NULL, *status and a sentence. */
struct player;
struct player *player_open(struct play *p, int *status, char *msg, size_t msg_size);
/* On by one captured frame, and all that happens before it, in the played side's time. It may be
 * told of as it was: *f is it. False: there are none (or no memory: p->no_memory). */
bool player_step(struct player *r, const struct play_frame **f);
void player_finish(
    struct player *r); /* behind the last: what is only late, and the last verdicts */
struct td_stack *player_stack(struct player *r);
uint32_t player_interface(const struct player *r);
struct judge *player_judge(struct player *r);
void player_close(struct player *r);
void play_done(struct play *p);

/* The same as a tape (tape.h, play_tape.c), whose steps are the flow's captured frames in their
 * order. Where the capture was made at a distance the other side's frames are heard later: so it
 * stands behind the moment when the step's frame was. *p moves into the tape, also when it fails:
 * NULL, *status and a sentence. The knobs stay borrowed. */
struct tape;
struct tape *play_tape_open(struct play *p, int *status, char *msg, size_t msg_size);

/* A frame's numbers from an IPv4 datagram of which n bytes are there. False: it is no whole TCP
 * header. */
bool play_frame_read(struct play_frame *f, const uint8_t *datagram, size_t n);
/* n bytes of a captured frame's datagram, from this one on; what the snap length cut off is zeros.
 */
void play_copy(const struct play *p, const struct play_frame *f, uint32_t from, uint32_t n,
               uint8_t *dst);
/* For those who go through all captured frames: the i-th; those far behind are let go of (spool.h).
 * Begin with 0; at the end, spool_rewind. */
const struct play_frame *play_scan(struct play *p, size_t i);

/* ---- verdicts (play_judge.c) ---- */

struct judge;
struct judge *
judge_new(struct play *p); /* which it counts into, and whose `row` it tells; NULL: no memory */
void judge_free(struct judge *j);
/* A frame of the played side that was captured, one that the stack sent: each in order of time,
 * captured before sent. */
void judge_captured(struct judge *j, const struct play_frame *f);
void judge_sent(struct judge *j, const struct play_frame *f);
/* What the stack's connection was like, with the captured frame that was given last. */
void judge_sight(struct judge *j, const struct play_sight *s);
/* All up to `now` is given: tells what is decided. The end: there is no more, all is decided. */
void judge_pass(struct judge *j, td_time now);
void judge_end(struct judge *j);
/* What is thought so far of the captured frame with this number; NULL: it isn't, or no longer,
 * known. */
const struct play_row *judge_look(const struct judge *j, uint64_t number);

/* ---- the report (play_print.c) ---- */

struct play_out { /* zero it, and set the first three */
    const struct play *p;
    const char *name; /* the file's */
    FILE *out;
    bool json;
    struct text t;
    struct jsonw w;
};
void play_out_begin(struct play_out *o);
void play_out_row(void *o, const struct play_row *row); /* for play.row */
void play_out_end(struct play_out *o,
                  bool whole); /* not whole: the run failed; frees what it holds */
/* One row of the text report, with its newline; and one in the same columns for a frame of the
 * other side. */
/* What stands below the rows: the counts, the first divergence, the notes; a line each. */
void play_end_text(const struct play *p, struct text *out);
void play_row_text(const struct play *p, const struct play_row *row, struct text *out);
/* lost: the played side never heard it. */
void play_heard_text(const struct play *p, const struct play_frame *f, bool lost, struct text *out);

#endif
