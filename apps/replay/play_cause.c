/* replay/play_cause.c: see play_cause.h. */
#include "replay/play_cause.h"

#include "wire/tcp.h"

const struct cause_words cause_words[PLAY_CAUSES] = {
    [CAUSE_NONE] = {"none", "", "", ""},
    [CAUSE_ACK_TIMING] = {"ack_timing",
                          "an acknowledgement alone: which segments are acknowledged at once, "
                          "which in twos and which after a "
                          "while is left to each host; Linux decides by what its application read "
                          "and wrote, which isn't in "
                          "the capture",
                          "RFC 1122 4.2.3.2, RFC 5681 4.2", "net.ipv4.tcp_quickacks"},
    [CAUSE_SACK_TIMING] = {"sack_timing",
                           "an acknowledgement that tells of a hole: Linux holds several back and "
                           "says them at once, for a "
                           "part of the round trip",
                           "RFC 5681 4.2", "net.ipv4.tcp_comp_sack_nr"},
    [CAUSE_REPEATED_ACK] =
        {"repeated_ack",
         "the same acknowledgement again: it answers text that came twice or out of order, or a "
         "probe, or it "
         "tells of the window, which follows when the application reads; that isn't in the capture",
         "RFC 9293 3.10.7.4, 3.8.6.2.2", "net.ipv4.tcp_rmem"},
    [CAUSE_ACK_NUMBER] = {"ack_number",
                          "the same text with another acknowledgement: text takes along what was "
                          "heard until it leaves, and "
                          "one of both had heard or acknowledged more by then",
                          "RFC 9293 3.10.7.4", ""},
    [CAUSE_PUSH] =
        {"push",
         "only PSH differs: Linux pushes where a write ends and where what it hands to its card "
         "at once ends, and the capture shows neither",
         "RFC 9293 3.9.1.2", "net.ipv4.tcp_min_tso_segs"},
    [CAUSE_OPTIONS] = {"options",
                       "the same text with other options: SACK blocks come and go with holes",
                       "RFC 2018 4", "net.ipv4.tcp_sack"},
    [CAUSE_ECN] = {"ecn", "only one of both hosts has ECN, or echoes congestion at this moment",
                   "RFC 3168 6.1", "net.ipv4.tcp_ecn"},
    [CAUSE_SEGMENTS] =
        {"segments",
         "the same text cut elsewhere: where segments end depends on how much was there to be "
         "sent when the window opened",
         "RFC 9293 3.7.4", "net.ipv4.tcp_min_tso_segs"},
    [CAUSE_TEXT_TIMING] =
        {"text_timing",
         "the same text at another time: the stack's window or its application let it go then",
         "RFC 5681 3.1", "net.ipv4.tcp_congestion_control"},
    [CAUSE_AGAIN_TIMING] = {"retransmission_timing",
                            "sent again by both, at another time: when a lost segment goes again "
                            "depends on how recovery brings "
                            "the window down, and on the timer's grain",
                            "RFC 9937 6, RFC 6298 5", "net.ipv4.tcp_congestion_control"},
    [CAUSE_AGAIN_EXTRA] = {"retransmission_extra",
                           "the stack took it for lost, the captured host didn't or not then: by "
                           "its own times of sending, or "
                           "by its timer",
                           "RFC 8985 6.2, RFC 6298 5", "net.ipv4.tcp_recovery"},
    [CAUSE_AGAIN_MISSING] = {"retransmission_missing",
                             "the captured host took it for lost, the stack didn't or not then",
                             "RFC 8985 6.2, RFC 6298 5", "net.ipv4.tcp_recovery"},
    [CAUSE_PROBE] =
        {"probe",
         "a probe of silence or of a closed window: its timers are the host's, and begin when its "
         "connection last heard something",
         "RFC 9293 3.8.4, 3.8.6.1", "net.ipv4.tcp_keepalive_time"},
    [CAUSE_SYN] = {"handshake",
                   "another SYN than the captured: its options, or when it is repeated, are the "
                   "host's choice",
                   "RFC 9293 3.7.1, RFC 6298 5.7", "net.ipv4.tcp_syn_retries"},
    [CAUSE_FIN] =
        {"close",
         "FIN leaves when the application closes: with the last text if that was at once, else "
         "alone, and the capture shows only when it left",
         "RFC 9293 3.10.4", ""},
    [CAUSE_RST] = {"reset",
                   "a reset: when the application aborts, or has gone before all was read, isn't "
                   "in the capture",
                   "RFC 9293 3.10.5, RFC 1122 4.2.2.13", ""},
    [CAUSE_URGENT] = {"urgent",
                      "urgent text: what was urgent when it was written isn't in the capture",
                      "RFC 9293 3.8.5", ""},
    [CAUSE_OVER] =
        {"over",
         "the stack's connection was over by then: a reset, an error or its own timer ended it",
         "RFC 9293 3.10.7", ""},
    [CAUSE_WAITS] =
        {"waits",
         "the text was written and waits in the stack: for the peer's window, or for its own "
         "congestion window",
         "RFC 5681 3.1, RFC 9293 3.8.6", "net.ipv4.tcp_congestion_control"},
    [CAUSE_NOT_CAPTURED] =
        {"not_captured",
         "the captured host sent this text too, and it was lost on its way to where the "
         "capture was made: there it shows only as sent again",
         "RFC 9293 3.4", ""},
    [CAUSE_UNEXPLAINED] = {"unexplained", "unexplained", "", ""},
};

#define KIND_SACK (1u << 4)

enum play_cause cause_of_pair(const struct play_frame *c, const struct play_frame *s)
{
    uint16_t flags = c->flags ^ s->flags;
    if (flags & (TCP_ECE | TCP_CWR))
        return CAUSE_ECN;
    if (flags & TCP_URG)
        return CAUSE_URGENT;
    if (flags & TCP_FIN)
        return CAUSE_FIN;
    if (flags & (TCP_SYN | TCP_RST))
        return CAUSE_NONE;
    if (c->ack != s->ack)
        return CAUSE_ACK_NUMBER;
    if (c->kinds != s->kinds)
        return CAUSE_OPTIONS;
    return (flags & TCP_PSH) != 0 ? CAUSE_PUSH : CAUSE_NONE;
}

static enum play_cause of_ack(const struct causer *c, const struct play_row *row, bool sent,
                              const struct play_frame *f)
{
    if (c->side[sent].any && f->seq + 1 == c->side[sent].high)
        return CAUSE_PROBE;
    if (f->kinds & KIND_SACK)
        return CAUSE_SACK_TIMING;
    if (row->verdict == PLAY_LATER || row->verdict == PLAY_EARLIER)
        return CAUSE_ACK_TIMING;
    /* What says the same ACK again is a duplicate, or tells of the window. */
    return c->side[sent].any && f->ack == c->side[sent].ack ? CAUSE_REPEATED_ACK : CAUSE_ACK_TIMING;
}

static enum play_cause of_text(const struct causer *c, const struct play *p,
                               const struct play_row *row, bool sent, const struct play_frame *f)
{
    bool late = row->verdict == PLAY_LATER || row->verdict == PLAY_EARLIER;
    if (row->verdict == PLAY_SPLIT || row->verdict == PLAY_COALESCED)
        return CAUSE_SEGMENTS;
    if (f->text <= 1 && c->side[sent].any && f->seq + 1 == c->side[sent].high)
        return CAUSE_PROBE;
    if (f->again)
        return late ? CAUSE_AGAIN_TIMING : sent ? CAUSE_AGAIN_EXTRA : CAUSE_AGAIN_MISSING;
    if (late)
        return CAUSE_TEXT_TIMING;
    /* New text goes no further than the captured had gone. */
    if (sent && p->windowed && p->lag > 0)
        return CAUSE_NOT_CAPTURED;
    if (!sent && row->sight.state == 0)
        return CAUSE_OVER;
    return !sent && row->sight.unsent > 0 ? CAUSE_WAITS : CAUSE_UNEXPLAINED;
}

static enum play_cause of_row(const struct causer *c, const struct play *p,
                              const struct play_row *row)
{
    bool sent = row->captured.number == 0;
    const struct play_frame *f = sent ? &row->sent : &row->captured;
    if (f->flags & TCP_RST)
        return CAUSE_RST;
    if (f->flags & TCP_SYN)
        return (f->flags & (TCP_ECE | TCP_CWR)) != 0 && row->verdict == PLAY_MISSING ? CAUSE_ECN
                                                                                     : CAUSE_SYN;
    if (f->flags & (TCP_ECE | TCP_CWR))
        return CAUSE_ECN;
    if (f->flags & TCP_URG)
        return CAUSE_URGENT;
    if (f->flags & TCP_FIN)
        return f->again ? CAUSE_AGAIN_TIMING : CAUSE_FIN;
    return f->text > 0 ? of_text(c, p, row, sent, f) : of_ack(c, row, sent, f);
}

static void learn(struct causer *c, bool sent, const struct play_frame *f)
{
    tcp_seq end = f->seq + f->text + ((f->flags & TCP_SYN) != 0) + ((f->flags & TCP_FIN) != 0);
    bool any = c->side[sent].any;
    if (f->flags & TCP_RST)
        return;
    c->side[sent].any = true;
    c->side[sent].high = any ? seq_max(c->side[sent].high, end) : end;
    if (f->flags & TCP_ACK)
        c->side[sent].ack = any ? seq_max(c->side[sent].ack, f->ack) : f->ack;
}

void cause_row(struct causer *c, struct play *p, struct play_row *row)
{
    if (row->verdict != PLAY_SAME) {
        if (row->cause == CAUSE_NONE)
            row->cause = (uint8_t)of_row(c, p, row);
        struct play_why *w = &p->why[row->cause];
        if (w->count++ < PLAY_EXAMPLES)
            w->packet[w->count - 1] = row->captured.number;
        w->verdicts |= (uint8_t)(1u << row->verdict);
    }
    if (row->captured.number > 0)
        learn(c, false, &row->captured);
    if (row->was_sent)
        learn(c, true, &row->sent);
}
