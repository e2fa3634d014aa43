/* tcp/error.c: ICMP errors about our segments (RFC 9293 3.9.2.2, RFC 5927, RFC 1191).
 *
 * Theory of operation. An ICMP message quotes the segment it is about, which names the connection
 * (MUST-54). Anybody can send one, so it is believed only if the quoted sequence number is in
 * flight (RFC 5927 4.1), and even then it can't end a connection that is up: there "hard" errors
 * are as soft as the others, noted for the user and no more. An attempt to connect ends with a hard
 * error; with a soft one only where the knob tcp_syn_soft_abort says so (RFC 5461: so that another
 * address can be tried soon).
 *
 * "Fragmentation needed" is path-MTU discovery (pmtu.c). Why a message was ignored is journaled and
 * counted.
 */
#include "tcp/tcp_internal.h"

#include <errno.h>

struct quoted {
    const struct ip_error *e;
    struct tcp_tuple a;
    tcp_seq seq;
};

static void ignore(struct td_stack *st, const struct quoted *q, uint32_t conn,
                   enum journal_word why)
{
    if (why == W_TCP_QUOTE) {
        count(st, TcpExtOutOfWindowIcmps);
    } else {
        count(st, TcpExtTCPIcmpIgnored);
    }
    const struct journal_subject subject = {
        .conn = conn, .addr = q->a.raddr, .port = q->a.rport, .lport = q->a.lport};
    JOURNAL(st, EV_TCP_DROP_ICMP, &subject, why, q->e->from,
            (uint64_t)q->e->type * 256 + q->e->code, q->seq);
}

static void connection_error(struct td_stack *st, struct tcb *t, const struct quoted *q)
{
    const struct ip_error *e = q->e;
    if (t->state == TCPS_LISTEN || t->state == TCPS_CLOSED) {
        ignore(st, q, t->id, W_TCP_STATE);
        return;
    }
    if (!(seq_ge(q->seq, t->snd_una) && seq_lt(q->seq, t->snd_nxt))) {
        ignore(st, q, t->id, W_TCP_QUOTE);
        return;
    }
    if (e->type == ICMP_UNREACHABLE && e->code == ICMP_FRAG_NEEDED) {
        enum tcp_pmtu_verdict v = tcp_pmtu_too_big(st, t, e->mtu, e->h.total_len);
        if (v != TCP_PMTU_TAKEN) {
            ignore(st, q, t->id, v == TCP_PMTU_WAITS ? W_TCP_MTU_WAITS : W_TCP_MTU_BAD);
        }
        return;
    }
    bool fatal; /* what UDP makes of it; TCP has its own list (SHLD-26) */
    int err = ip_icmp_errno(e->type, e->code, &fatal);
    bool hard = e->type == ICMP_UNREACHABLE &&
                (e->code == ICMP_PROTO_UNREACH || e->code == ICMP_PORT_UNREACH);
    if (err == 0) {
        ignore(st, q, t->id, W_TCP_STATE);
        return;
    }
    const struct journal_subject subject = tcp_subject(t);
    uint64_t icmp = (uint64_t)e->type * 256 + e->code;
    /* Not a connection yet; one opened by Fast Open is one once its user has it. */
    bool waits = t->tfo_serial != 0 && tcp_parent(t) != NULL;
    bool attempt = t->state == TCPS_SYN_SENT ||
                   (t->state == TCPS_SYN_RECEIVED && (!t->passive || waits));
    if (attempt && (hard || knob(st, TCP_SYN_SOFT_ABORT) != 0)) {
        JOURNAL_CAUSE(st, EV_TCP_HARD_ERROR, &subject, e->from, icmp, (uint64_t)(int64_t)err);
        tcp_finish(st, t, err, W_TCP_ICMP);
        return;
    }
    JOURNAL(st, EV_TCP_SOFT_ERROR, &subject, e->from, icmp, (uint64_t)(int64_t)err);
    t->soft_local = ip_is_local(st, e->from); /* our own: nobody answers to ARP */
    t->soft_err = (int16_t)err; /* SO_ERROR's value, if it comes to giving up */
    if (t->recv_err) { /* IP_RECVERR: the user wants to know at once (MUST-47, SHLD-20) */
        t->err = (int16_t)err;
        tcp_notify(st, t, 0);
    }
}

void tcp_icmp_error(struct td_stack *st, const struct ip_error *e)
{
    if (e->payload_len < 8) {
        return;
    }
    const struct quoted q = {
        .e = e,
        .a = {.laddr = e->h.src,
              .raddr = e->h.dst,
              .lport = wire_get16(e->payload),
              .rport = wire_get16(e->payload + 2)},
        .seq = wire_get32(e->payload + 4),
    };
    if (e->type == ICMP_SOURCE_QUENCH) { /* MUST-55, RFC 6633 */
        ignore(st, &q, 0, W_TCP_QUENCH);
        return;
    }
    struct tcp_ep *ep = tcp_ep_find(st, &q.a);
    if (ep != NULL && ep->kind == TCP_EP_HALF_OPEN) {
        tcp_half_open_icmp(st, container_of(ep, struct half_open, ep), e, q.seq);
        return;
    }
    if (ep == NULL || ep->kind != TCP_EP_TCB) {
        ignore(st, &q, 0, W_TCP_NO_CONNECTION);
        return;
    }
    connection_error(st, container_of(ep, struct tcb, ep), &q);
}

/* Another station has our address: its segments and ours would mix. The peers are told while we can
 * still speak for it (RFC 5227 2.4). */
void tcp_addr_lost(struct td_stack *st, td_ip4 addr)
{
    for (struct tcb *t = st->tcp->all, *next; t != NULL; t = next) {
        next = t->all_next;
        if (t->state == TCPS_LISTEN) {
            for (struct half_open *r = t->lsn->syn_queue, *after; r != NULL; r = after) {
                after = r->next;
                if (r->ep.a.laddr == addr) {
                    tcp_half_open_reset(st, r, W_TCP_ADDR_LOST);
                }
            }
        } else if (t->ep.a.laddr == addr && t->state != TCPS_CLOSED &&
                   t->state != TCPS_TIME_WAIT) {
            tcp_abort_with(st, t, ECONNABORTED, W_TCP_ADDR_LOST);
        }
    }
}
