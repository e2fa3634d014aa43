/* tcp/emit.c: building one segment and handing it to IP.
 *
 * Theory of operation. Whoever decided what to send fills a struct tcp_emit; here it becomes a
 * packet: header and options in the packet's own head, text as slices of the send buffer's blocks,
 * the checksum over all of it and the pseudo-header (RFC 9293 3.1, MUST-2). A segment that belongs
 * to no connection, the reset of 3.10.7.1, is built the same way.
 *
 * Every segment has DF set: TCP cuts its segments to the path (RFC 1191), because of fragments all
 * are lost when one is. Only where the path wants less than IP goes down to may routers cut.
 */
#include "tcp/seglog.h"
#include "tcp/tcp_internal.h"
#include "wire/checksum.h"

#include <errno.h>

int tcp_emit_segment(struct td_stack *st, const struct tcp_emit *e)
{
    struct tcp_hdr h = {
        .sport = e->a.lport,
        .dport = e->a.rport,
        .seq = e->seq,
        .ack = (e->flags & TCP_ACK) != 0 ? e->ack : 0,
        .flags = e->flags,
        .wnd = e->wnd,
        .urp = (e->flags & TCP_URG) != 0 ? e->urp : 0,
        .o = e->o,
    };
    enum tcp_opt_style style = st->knobs.profile == PROFILE_LINUX ? TCP_OPTS_LINUX : TCP_OPTS_PLAIN;
    unsigned optlen = tcp_opts_layout(&h, (e->flags & TCP_SYN) != 0, style);
    struct pkt *p = pkt_alloc(&st->mem, PKT_HEADROOM, 0);
    if (p == NULL) {
        return -ENOMEM;
    }
    if (e->len > 0 && sndbuf_slices(e->snd, e->seq + ((e->flags & TCP_SYN) != 0), e->len, p) != 0) {
        pkt_free(p);
        return -ENOMEM;
    }
    uint8_t *b = pkt_push(p, TCP_HLEN + optlen);
    if (b == NULL) {
        pkt_free(p);
        return -ENOMEM;
    }
    (void)tcp_emit(&h, b);
    uint32_t sum = checksum_pseudo(e->a.laddr, e->a.raddr, IPPROTO_TCP_, p->len);
    sum += checksum_fold(pkt_sum(p, 0, p->len));
    wire_put16(b + 16, checksum_finish(sum));

    p->id = st->tcp->emitted = ++st->journal.next_packet;
    JOURNAL(st, EV_TCP_SEG_OUT,
            JOURNAL_ABOUT(
                {.pkt = p->id, .conn = e->conn, .addr = e->a.raddr, .port = e->a.rport, .lport = e->a.lport}),
            e->flags, e->seq, h.ack, e->len, e->wnd);
    struct ip_tx tx = {
        .src = e->a.laddr,
        .dst = e->a.raddr,
        .proto = IPPROTO_TCP_,
        .tos = e->tos,
        .ttl = e->ttl,
        .flags = e->no_df ? 0 : IP_TX_DF,
    };
    if (st->tcp->pins != NULL && tcp_pin_next_id(st, &e->a, &tx.id)) {
        tx.flags |= IP_TX_ID;
    }
    if (!tcp_seglog_on(st)) {
        return ip_output(st, p, &tx);
    }
    struct tcp_seglog_mark mark = tcp_seglog_out(st, e, &h, p);
    int err = ip_output(st, p, &tx);
    tcp_seglog_done(st, mark);
    return err;
}

/* RFC 9293 3.10.7.1, and 3.5.2 for every state that isn't synchronized: the reset takes its number
 * from the ACK field if there is one, otherwise it is zero and acknowledges the segment. Never for
 * a reset. */
void tcp_reset_reply(struct td_stack *st, const struct tcp_seg *s, enum journal_word why)
{
    if ((s->flags & TCP_RST) != 0) {
        return;
    }
    bool has_ack = (s->flags & TCP_ACK) != 0;
    const struct tcp_emit e = {
        .a = s->a,
        .seq = has_ack ? s->ack : 0,
        .ack = s->seq + s->len,
        .flags = has_ack ? TCP_RST : TCP_RST | TCP_ACK,
        .state = TCPS_CLOSED,
        /* RFC 7323 5.2 recommends it; Linux doesn't do it */
        .o = {.has_ts = s->h->o.has_ts && !tcp_as_linux(st), .ts_ecr = s->h->o.ts_val},
    };
    const struct journal_subject subject = tcp_seg_subject(s, NULL);
    JOURNAL(st, EV_TCP_RST_OUT, &subject, why, e.seq, has_ack ? 0 : e.ack);
    count(st, TcpOutSegs);
    count(st, TcpOutRsts);
    (void)tcp_emit_segment(st, &e);
}
