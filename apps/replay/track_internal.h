/* replay/track_internal.h: what the files of the tracker share (track.h). */
#ifndef REPLAY_TRACK_INTERNAL_H
#define REPLAY_TRACK_INTERNAL_H

#include "replay/track.h"

#define SEGS_MAX   4096u /* segments in flight whose times are remembered */
#define SAID_MAX   72u   /* letters of a first line */
#define RECENT_MAX 8u    /* what was sent again lately, for the D-SACKs to come */
#define MS         INT64_C(1000000)

struct seg { /* in flight */
    tcp_seq seq, end;
    uint32_t tsval, first_tsval;
    int64_t t;       /* when it was last sent */
    uint64_t packet; /* as which */
    uint16_t ip_id;
    uint8_t times;
};

struct track_side {
    /* as a sender */
    bool based, begun;        /* base is known, perhaps from the other's ACK; it has sent something, nxt is known */
    bool syn_seen, fin_seen, fin_taken, acked; /* fin_taken: the other has had it */
    bool state_assumed;
    uint8_t state;
    tcp_seq base, nxt, fin_end;
    tcp_seq una;              /* the highest that the other acknowledged; with acked */
    tcp_seq high;             /* the highest that it SACKed */
    int64_t nxt_rel;          /* nxt, relative to base, without its wrap */
    int64_t nxt_t, sent_t;    /* when nxt moved; when it last sent text, SYN or FIN */
    int64_t moved_t;          /* when una moved on; 0: never */
    int64_t una_t;            /* when all it had sent was acknowledged */
    uint64_t nxt_packet;
    uint32_t nxt_tsval;
    uint16_t nxt_id, last_id;
    uint16_t ids_up, ids_odd; /* do its IP ids count? */
    uint32_t last_len;        /* of its last segment with text */
    tcp_seq recover, lost;    /* being in recovery, after a timeout, until these are acknowledged */
    bool recovering, timed_out;
    tcp_seq smaller;          /* what was sent up to here may go again in smaller segments: packet smaller_by said so */
    uint64_t smaller_by;      /* 0: none did */
    bool tainted;             /* what lies before `taint` gives no sample of the round trip */
    tcp_seq taint;
    struct ranges holes, sacked;
    struct seg *segs;
    uint16_t seg_head, seg_n, seg_room;
    struct {
        tcp_seq seq, end;
        uint64_t packet;
    } recent[RECENT_MAX];
    uint8_t recent_n;
    /* as a receiver of what the other sends */
    bool ack_seen;
    tcp_seq ack;
    uint16_t wnd;
    bool wnd_of_syn;
    int64_t ack_t;
    uint64_t ack_packet;      /* the first with this ACK */
    uint32_t dup;
    uint64_t last_marks, last_packet; /* of the last segment it sent */
    int64_t answer_t;         /* text of the other that waits for an ACK: since when; 0 = none */
    int64_t quickest;         /* ns, the least from text to its ACK; 0 = none yet */
    /* what its SYN said */
    bool has_wscale, has_sack, has_ts;
    uint8_t wscale;
    uint16_t mss;
    uint32_t largest;         /* text of a segment */
    struct infer infer;
    struct track_stats stats;
};

struct seen { /* a packet, while it is looked at */
    const struct view *v;
    const struct tcp_hdr *h;
    struct track_side *a, *b; /* who sent it, who gets it */
    int64_t t;
    tcp_seq end;              /* behind its text, SYN and FIN */
    bool syn, fin, rst, ack, plain; /* plain: none of SYN, FIN, RST */
    bool occupies;            /* sequence space */
    struct track_row *row;
};

/* Everything before it has been captured (or acknowledged): what the other end has in order. */
static inline tcp_seq side_edge(const struct track_side *s)
{
    return s->holes.n > 0 ? s->holes.at[0].left : s->nxt;
}
static inline int64_t side_rel(const struct track_side *s, tcp_seq seq)
{
    return s->nxt_rel + seq_diff(seq, s->nxt);
}
/* The bytes of text of a full segment that it sends; 0 = not known yet. */
uint32_t side_segment(const struct track_side *s, const struct track_side *other);
/* What side s offers, bytes; *known: its scaling is known. */
uint32_t side_window(const struct track_side *s, const struct track_side *other, bool *known);
/* Would a segment (no SYN) with this field offer what its last one did? */
bool side_window_same(const struct track_side *s, const struct track_side *other, uint16_t wnd);
uint32_t side_flight(const struct track_side *s);
struct seg *side_seg(const struct track_side *s, tcp_seq seq); /* in flight and holding seq, or NULL */
int64_t side_rto(const struct track_side *s);

/* track_state.c: moves the states and sets row->before, after, moved and the RST marks. */
void track_states(struct seen *p);
/* track_judge.c: sets the marks that come before the segment is taken in. */
void track_judge(struct seen *p);

#endif
