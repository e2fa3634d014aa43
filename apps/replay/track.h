/* replay/track.h: a passive tracker of the two endpoints of a flow: what each packet shows.
 *
 * Theory of operation. The tracker stands where the capture was made and sees what passes; that a
 * packet has passed is taken as that it arrives, at once, and in this order. From this it knows, for
 * each end, what it sent (highest sequence number, what is missing below it), what the other has
 * acknowledged and SACKed of that, the window it offers, and which state of RFC 9293 it must be in.
 * A packet is told as one row: the states before and after with the clause that moved them, and
 * marks for what else it shows.
 *
 * What nothing has been heard of is in no known state: whether somebody listens where a SYN goes to is told by the
 * answer. And where a later segment shows that an earlier one can't have arrived when it seemed to (two SYNs
 * or two FINs crossed), the state is put right then, and the row says so.
 *
 * Names and limits of the marks are those of Wireshark's analysis where it has them, with two
 * differences. A segment below the highest sequence number is "out of order" only if it fills a hole,
 * and the reason why it isn't taken for a retransmission is named (its IP id, its timestamp, or too
 * little time for the sender to have known); Wireshark looks at the time alone. And retransmissions
 * are told apart by what caused them.
 *
 * No I/O, no clock: a packet's view goes in, a row comes out. Memory is a fixed amount for each flow,
 * and for each side what is in flight, up to limits (SEGS_MAX, RANGES_MAX).
 */
#ifndef REPLAY_TRACK_H
#define REPLAY_TRACK_H

#include "replay/flows.h"
#include "replay/infer.h"

enum track_state { /* RFC 9293 3.3.2; UNSEEN: nothing is known yet */
    TRACK_UNSEEN, TRACK_CLOSED, TRACK_LISTEN, TRACK_SYN_SENT, TRACK_SYN_RECEIVED, TRACK_ESTABLISHED,
    TRACK_FIN_WAIT_1, TRACK_FIN_WAIT_2, TRACK_CLOSE_WAIT, TRACK_CLOSING, TRACK_LAST_ACK, TRACK_TIME_WAIT,
};

/* NAME, word in JSON, words in text, clause */
#define TRACK_MARKS(X)                                                                                       \
    X(BAD_SUM, "bad_checksum", "bad checksum: a receiver discards it", "RFC 9293 3.1 MUST-3")                 \
    X(RST_REFUSED, "rst_refused", "nobody listens there: the connection is refused", "RFC 9293 3.10.7.1")    \
    X(RST_NOBODY, "rst_no_connection", "RST: there is no such connection any more", "RFC 9293 3.10.7.1")      \
    X(CHALLENGE, "challenge_ack", "challenge ACK: the RST before it was not believed", "RFC 5961 3.2")        \
    X(RST_OK, "rst_accepted", "RST at exactly the next expected byte: accepted", "RFC 5961 3.2")              \
    X(RST_NEAR, "rst_challenged", "RST inside the window, not at its edge: challenge ACK", "RFC 5961 3.2")    \
    X(RST_BAD, "rst_ignored", "RST outside the window: ignored", "RFC 9293 3.10.7.4")                         \
    X(RTX_SYN, "syn_retransmission", "SYN again: retransmission timeout", "RFC 6298 5.7")                     \
    X(RTX_RTO, "rto", "retransmission timeout", "RFC 6298 5.4")                                               \
    X(RTX_FAST, "fast_retransmission", "fast retransmit", "RFC 5681 3.2")                                     \
    X(RTX_SACK, "sack_retransmission", "retransmission in recovery", "RFC 6675 5")                            \
    X(RTX_PARTIAL, "partial_retransmission", "retransmission after a partial acknowledgment", "RFC 6582 3.2") \
    X(RTX_TLP, "tail_loss_probe", "like a tail loss probe", "RFC 8985 7.3")                                   \
    X(SPURIOUS, "spurious_retransmission", "needless: it was acknowledged already", "RFC 3522 1")             \
    X(RTX, "retransmission", "retransmission", "RFC 9293 3.8.1")                                              \
    X(DUPLICATED, "duplicated", "duplicated on its way", "RFC 9293 3.4")                                      \
    X(OUT_OF_ORDER, "out_of_order", "out of order", "RFC 9293 3.10.7.4")                                      \
    X(LOST_BEFORE, "lost_segment", "previous segment not captured", "RFC 9293 3.4")                           \
    X(ACKED_UNSEEN, "ack_lost_segment", "acknowledges what wasn't captured", "RFC 9293 3.4")                  \
    X(PROBE, "window_probe", "zero window probe", "RFC 9293 3.8.6.1")                                         \
    X(PROBE_ACK, "window_probe_ack", "answer to a zero window probe", "RFC 9293 3.8.6.1")                     \
    X(KEEP_ALIVE, "keep_alive", "keep-alive", "RFC 9293 3.8.4")                                               \
    X(KEEP_ALIVE_ACK, "keep_alive_ack", "answer to a keep-alive", "RFC 9293 3.8.4")                           \
    X(ZERO_WINDOW, "zero_window", "zero window", "RFC 9293 3.8.6")                                            \
    X(WINDOW_FULL, "window_full", "fills the window", "RFC 9293 3.8.6")                                       \
    X(WINDOW_UPDATE, "window_update", "window update", "RFC 9293 3.8.6.2.2")                                  \
    X(DUP_ACK, "duplicate_ack", "duplicate ACK", "RFC 5681 2")                                                \
    X(PARTIAL, "partial_ack", "partial acknowledgment: more is missing", "RFC 6582 3.2")                      \
    X(SMALL_WINDOW, "small_window", "so little that a sender waits for more", "RFC 9293 3.8.6.2.1")           \
    X(ORIGINAL, "original_arrived", "what was first sent had arrived: sent again needlessly", "RFC 3522 3.2")  \
    X(DSACK, "dsack", "D-SACK", "RFC 2883 4")                                                                 \
    X(SACK, "sack", "SACK", "RFC 2018 4")                                                                     \
    X(DELAYED_ACK, "delayed_ack", "delayed ACK", "RFC 1122 4.2.3.2")                                          \
    X(NAGLE, "nagle", "held until the ACK (Nagle?)", "RFC 9293 3.7.4")                                        \
    X(URGENT, "urgent", "urgent data", "RFC 9293 3.8.5")                                                      \
    X(TFO, "fast_open", "Fast Open", "RFC 7413 4.1")                                                          \
    X(ECN_SYN, "ecn_asked", "asks for ECN", "RFC 3168 6.1.1")                                                 \
    X(ECN_AGREED, "ecn_agreed", "agrees to ECN", "RFC 3168 6.1.1")                                            \
    X(ACCECN_SYN, "accecn_asked", "asks for accurate ECN", "RFC 9768 3.1")                                    \
    X(CE, "ce", "CE: a queue on the way is congested", "RFC 3168 5")                                          \
    X(ECE, "ece", "ECE: the other end is told of congestion", "RFC 3168 6.1.3")                               \
    X(CWR, "cwr", "CWR: has reduced its window", "RFC 3168 6.1.2")                                            \
    X(CUT, "cut", "part of it was not captured", "")                                                          \
    X(CLAMPED, "time_clamped", "its time was before that of the packet before", "")

enum track_mark_index {
#define X(name, json, text, clause) TRACK_I_##name,
    TRACK_MARKS(X)
#undef X
    TRACK_NMARKS
};
#define TRACK_BIT(name) (UINT64_C(1) << TRACK_I_##name)
struct track_mark {
    const char *json, *text, *clause;
};
extern const struct track_mark track_marks[TRACK_NMARKS];
/* What counts as sent again, whatever the cause. */
#define TRACK_ANY_RTX                                                                                  \
    (TRACK_BIT(RTX_SYN) | TRACK_BIT(RTX_RTO) | TRACK_BIT(RTX_FAST) | TRACK_BIT(RTX_SACK) | TRACK_BIT(RTX_TLP) | \
     TRACK_BIT(RTX_PARTIAL) | TRACK_BIT(SPURIOUS) | TRACK_BIT(RTX))

struct track_side;
struct track_row {
    uint64_t number;      /* of the packet in its file */
    uint32_t stream;
    int64_t t;            /* ns since 1970, never before the row before */
    int side;             /* who sent it: 0 the client, 1 the server */
    uint16_t flags;       /* enum tcp_flags */
    int64_t seq, ack;     /* relative to the initial ones; ack only with the flag */
    uint32_t len;         /* bytes of text */
    uint8_t before[2], after[2]; /* enum track_state */
    bool assumed[2];      /* the state was assumed: the capture began in the middle */
    const char *moved[2]; /* the clause by which its state changed, or NULL */
    const char *clause;   /* of the decision on the segment: its most telling mark's, or that of its text or ACK */
    uint64_t marks;       /* TRACK_BIT(…) */
    const char *reason;   /* why it was judged so, or NULL */
    uint32_t dup;         /* which duplicate ACK it is */
    uint64_t about;       /* the packet that it repeats or answers or shows to be needless, 0 = none */
    uint64_t window;      /* offered by it, bytes */
    bool scaled;          /* `window` is right; else the shift wasn't seen and it is the bare field */
    uint64_t flight[2];   /* bytes that each side has in flight after it, seen from here */
    int64_t rtt;          /* ns, sample of data to its ACK, seen from here (Karn); -1 = none */
    int64_t rtt_ts;       /* ns, the same by timestamps; -1 = none */
    int64_t ack_delay;    /* ns that an acknowledgement was late; with the mark */
    int64_t urgent;       /* with the mark: behind the last urgent byte, relative */
    const struct tcp_opts *offered; /* of a SYN: its options, the packet's; else NULL */
    const char *said;     /* the first line of a request or an answer of HTTP, not ended by a zero, the packet's; or NULL */
    uint32_t said_len;
    uint8_t nsack;
    struct {
        int64_t left, right;
    } sack[4];            /* relative */
    struct track_guess { /* inferred of each side as a sender; see infer.h */
        uint32_t cwnd, ssthresh, mss; /* bytes; 0 = no idea */
        int64_t srtt;
        const char *phase;
    } guess[2];
};

struct track_stats { /* of one side as a sender, in tcptrace's terms */
    uint64_t packets, acks, pure_acks, sacks, dsacks, data_packets, data_bytes, unique_bytes;
    uint64_t rtx_packets, rtx_bytes, by_rto, by_fast, by_sack, by_tlp, spurious, needless, duplicated, out_of_order;
    uint64_t dup_acks, triple_dup_acks, probes, keep_alives, zero_windows, window_updates, window_fulls, lost_before, acked_unseen;
    uint64_t pushed, syn, fin, rst, urgent_packets, urgent_bytes, cut_bytes, bad_sums, ce, ece, cwr, challenged;
    uint64_t min_segment, max_segment, min_window, max_window, window_sum, initial_bytes, initial_packets;
    uint64_t max_flight;
    uint32_t max_sacks, max_again;     /* blocks in one ACK; times that one segment was sent again */
    uint64_t rtt_count;                /* samples of its data, seen from the capture point */
    int64_t rtt_min, rtt_max;
    double rtt_sum, rtt_squares;       /* ns */
    int64_t data_first, data_last;     /* when it first and last sent text */
    int64_t idle_max;
    struct track_more { /* what only tcptrace's table asks for */
        uint64_t pushed_data, cut_packets, probe_bytes, together; /* together: segments that an ACK took with others */
        uint64_t window_min, window_max, window_sum; /* smallest but zero, largest: from the first scaled one on, if that comes */
        bool scaled;
        int64_t packet_last, quiet_max;                           /* of packets of any kind, ns */
        uint64_t again_count;                                     /* times from one sending to the next */
        int64_t again_min, again_max;
        double again_sum, again_squares;
    } more;
};

struct track_facts { /* of one side, what its SYN said */
    bool seen, syn_seen;
    bool scale_known, sack_permitted, timestamps;
    int scale;     /* -1 = not offered */
    uint16_t mss;  /* 0 = not said */
    uint32_t segment; /* the largest it sends, as far as is known */
};

/* Takes a TCP packet (flows_packet gave f and side) and says what it shows. t: its time, clamped.
 * believe: a checksum that is wrong is taken for right. False: memory is short, no row. */
bool track_packet(struct flow *f, int side, const struct view *v, int64_t t, bool believe, struct track_row *row);
/* An ICMP message (this packet) has told this side that a segment is too big for the path. */
void track_too_big(struct flow *f, int side, uint64_t packet);
const struct track_stats *track_stats(const struct flow *f, int side); /* NULL: nothing was tracked */
void track_facts(const struct flow *f, int side, struct track_facts *facts);
/* Gives back what the tracker holds of this flow. */
void track_free(struct flow *f);

const char *track_state_text(unsigned state); /* "ESTABLISHED"; "?" for UNSEEN */

/* A sum that its sender's card was to complete holds that of the pseudo-header, folded and no more. */
bool track_unfinished_sum(const struct view *v);

#endif
