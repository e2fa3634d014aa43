/* tcp/pin.c: a connection whose numbers are given from outside.
 *
 * Theory of operation. Initial sequence numbers (RFC 9293 3.4.1), the timestamps' clock (RFC 7323
 * 7.1) and the IP header's identification (RFC 6864) are chosen so that nobody can guess them. Who
 * lets the stack play one side of a captured connection needs the opposite: the numbers that were
 * captured, or else nothing that the other side says would fit. Rewriting every segment between the
 * two would do, but all tables and events would then show other numbers than the capture.
 *
 * So a pin says, for one four-tuple: the next connection with it begins with this sequence number,
 * its clock shows this value now, its datagrams bear these identifications. It comes through the
 * door like everything else and is in every record. The handshake takes it, and it is gone: the
 * connection after that draws its own again. What is left of it while the connection lives is the
 * counter of identifications, if they were pinned; it stays until the tuple is pinned again or the pin is
 * taken back.
 *
 * Pins are few (TCP_PINS_MAX) and a plain list. An instance without one has a NULL pointer here, and
 * that is all a segment or a handshake looks at.
 *
 * The congestion window of a connection can be pinned too, to what the captured host was seen to send: how far its new text
 * had gone (the edge), and how many bytes it had sent, new or again, that haven't been sent here yet (the credit). That host
 * may have had a congestion control that this stack hasn't, and what the other side says fits only what that one sent. What
 * is lost, and so has to go again, is judged here all the same. Such a pin stays too.
 *
 * A SYN cookie takes no pin: it is a sequence number that must carry a secret, and nothing is kept
 * that could remember another clock. The pin waits for a handshake that does.
 */
#include "tapdeck/pin.h"
#include "tcp/tcp_internal.h"

#include <errno.h>
#include <string.h>

#define DEBT_MOST 65536

struct tcp_pin {
    struct tcp_pin *next;
    struct tcp_tuple a;
    uint8_t what;        /* TD_PIN_… */
    bool taken;          /* by a connection: only the identifications are left */
    bool second;         /* the next datagram isn't the first */
    uint32_t iss, ts_offset;
    uint16_t id, id_next, id_step;
    tcp_seq edge;        /* with TD_PIN_WINDOW */
    bool burst;
    int32_t credit;      /* below 0: more was sent than was captured */
};

static struct tcp_pin **pin_find(const struct td_stack *st, const struct tcp_tuple *a)
{
    struct tcp_pin **at = &st->tcp->pins;
    while (*at != NULL && memcmp(&(*at)->a, a, sizeof *a) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static void pin_drop(struct td_stack *st, struct tcp_pin **at)
{
    struct tcp_pin *p = *at;
    *at = p->next;
    st->tcp->npins--;
    mem_free(&st->mem, MEM_TCP, p, sizeof *p);
}

static int pin_new(struct td_stack *st, struct tcp_pin **at)
{
    if (st->tcp->npins == TCP_PINS_MAX) {
        return -ENOSPC;
    }
    *at = mem_alloc(&st->mem, MEM_TCP, sizeof **at);
    if (*at == NULL) {
        return -ENOMEM;
    }
    **at = (struct tcp_pin){0};
    st->tcp->npins++;
    return 0;
}

static int pin_window(struct td_stack *st, const struct tcp_tuple *a, const struct td_tcp_pin *pin)
{
    struct tcp_ep *ep = tcp_ep_find(st, a);
    if (ep == NULL || ep->kind != TCP_EP_TCB) {
        return -ENOENT;
    }
    struct tcp_pin **at = pin_find(st, a);
    if (*at == NULL) {
        int err = pin_new(st, at);
        if (err != 0) {
            return err;
        }
        (*at)->a = *a;
        (*at)->taken = true;
    }
    struct tcp_pin *p = *at;
    p->what |= TD_PIN_WINDOW;
    p->edge = pin->snd_edge;
    p->burst = (pin->what & TD_PIN_BURST) != 0;
    const struct tcb *t = container_of(ep, struct tcb, ep);
    if (t->snd_una == t->snd_nxt) { /* settled */
        p->credit = 0;
    }
    uint32_t room = (uint32_t)((int32_t)TD_PIN_CREDIT_MAX - p->credit);
    p->credit += (int32_t)(pin->credit < room ? pin->credit : room);
    tcp_mark(st, container_of(ep, struct tcb, ep));
    return 0;
}

int tcp_pin_set(struct td_stack *st, const struct td_tcp_pin *pin)
{
    const struct tcp_tuple a = {
        .laddr = pin->laddr, .raddr = pin->raddr, .lport = pin->lport, .rport = pin->rport};
    bool window = (pin->what & ~(unsigned)TD_PIN_BURST) == TD_PIN_WINDOW;
    if (a.laddr == 0 || a.raddr == 0 || a.lport == 0 || a.rport == 0 ||
        (!window && (pin->what & ~(unsigned)(TD_PIN_ISS | TD_PIN_TS | TD_PIN_ID)) != 0)) {
        return -EINVAL;
    }
    if (window) {
        return pin_window(st, &a, pin);
    }
    struct tcp_pin **at = pin_find(st, &a);
    struct tcp_pin *p = *at;
    if (pin->what == 0) {
        if (p == NULL) {
            return -ENOENT;
        }
        pin_drop(st, at);
        return 0;
    }
    if (p == NULL) {
        int err = pin_new(st, at);
        if (err != 0) {
            return err;
        }
        p = *at;
    }
    *p = (struct tcp_pin){
        .next = p->next,
        .a = a,
        .what = pin->what,
        .iss = pin->iss,
        .ts_offset = pin->ts_val - tcp_ts_ms(st),
        .id = pin->id_first,
        .id_next = pin->id_next,
        .id_step = pin->id_step,
    };
    return 0;
}

bool tcp_pin_apply(struct td_stack *st, struct tcb *t)
{
    struct tcp_pin **at = pin_find(st, &t->ep.a);
    struct tcp_pin *p = *at;
    if (p == NULL || p->taken) {
        return false;
    }
    if ((p->what & TD_PIN_ISS) != 0) {
        t->iss = p->iss;
    }
    if ((p->what & TD_PIN_TS) != 0) {
        t->ts_offset = p->ts_offset;
    }
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_PINNED, &subject, t->ep.a.raddr, t->ep.a.rport, t->ep.a.lport, t->iss,
            tcp_ts_val(st, t));
    if ((p->what & TD_PIN_ID) != 0) {
        p->taken = true;
    } else {
        pin_drop(st, at);
    }
    return true;
}

bool tcp_pin_next_id(struct td_stack *st, const struct tcp_tuple *a, uint16_t *id)
{
    struct tcp_pin *p = *pin_find(st, a);
    if (p == NULL || !p->taken || (p->what & TD_PIN_ID) == 0) {
        return false;
    }
    *id = p->id;
    p->id = p->second ? (uint16_t)(p->id + p->id_step) : p->id_next;
    p->second = true;
    return true;
}

bool tcp_pin_window(const struct td_stack *st, const struct tcp_tuple *a, tcp_seq *edge, int32_t *credit)
{
    const struct tcp_pin *p = *pin_find(st, a);
    if (p == NULL || (p->what & TD_PIN_WINDOW) == 0) {
        return false;
    }
    *edge = p->edge;
    *credit = p->credit;
    return true;
}

bool tcp_pin_burst(const struct td_stack *st, const struct tcp_tuple *a)
{
    const struct tcp_pin *p = *pin_find(st, a);
    return p != NULL && p->burst;
}

void tcp_pin_spent(struct td_stack *st, const struct tcp_tuple *a, uint32_t bytes)
{
    struct tcp_pin *p = *pin_find(st, a);
    if (p != NULL) {
        p->credit -= (int32_t)(bytes < TD_PIN_CREDIT_MAX ? bytes : TD_PIN_CREDIT_MAX);
        p->credit = p->credit > -DEBT_MOST ? p->credit : -DEBT_MOST;
    }
}

void tcp_pins_free(struct td_stack *st)
{
    while (st->tcp->pins != NULL) {
        pin_drop(st, &st->tcp->pins);
    }
}
