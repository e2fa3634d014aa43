/* tests/common/flows.c: TCP flows over one bottleneck. See flows.h. */
#include "flows.h"

#include "harness.h"
#include "link/qdisc.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#define SENDER   TD_IP4(10, 0, 0, 1)
#define RECEIVER TD_IP4(10, 0, 0, 2)
#define PORT     5001
#define PORTS    10000 /* the sender's, by number of the flow */

struct flow {
    struct flows *f;
    int s; /* -1: not begun */
    const struct tcb *t;
    uint64_t acked_at_warm;
    td_time recovery_since; /* 0 = none */
    double srtt_sum;
    uint64_t srtt_count;
    double recovery_sum;
};
struct flows {
    const struct flows_plan *p;
    struct flows_result *r;
    struct sim *sim;
    struct sim_wire *wire;
    struct td_stack *a, *b;
    td_time begin;
    struct flow flow[FLOWS_MAX];
    struct td_netem forth;
    bool dropping, counting;
    uint64_t drops_before;
};

static void send_more(void *ctx, struct td_stack *st, int s, int mask)
{
    static const char text[65536];
    (void)ctx;
    (void)mask;
    while (td_send(st, s, text, sizeof text, MSG_NOSIGNAL) > 0) {
    }
}

static void receive(void *ctx, struct td_stack *st, int s, int mask)
{
    static char text[65536];
    (void)ctx;
    (void)mask;
    while (td_recv(st, s, text, sizeof text, 0) > 0) {
    }
}

static void accept_all(void *ctx, struct td_stack *st, int l, int mask)
{
    int s;
    (void)mask;
    while ((s = td_accept(st, l, NULL, NULL)) >= 0) {
        td_set_notify(st, s, receive, ctx);
        receive(ctx, st, s, 0);
    }
}

static void begin(struct flow *w, unsigned i)
{
    struct flows *f = w->f;
    const char *cc = f->p->flow[i].cc;
    struct sockaddr_in from = td_sockaddr(SENDER, (uint16_t)(PORTS + i));
    struct sockaddr_in to = td_sockaddr(RECEIVER, PORT);
    w->s = td_socket(f->a, AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(w->s, 0);
    if (cc != NULL) {
        ck_assert_int_eq(
            td_setsockopt(f->a, w->s, IPPROTO_TCP, TCP_CONGESTION, cc, (socklen_t)strlen(cc)), 0);
    }
    ck_assert_int_eq(td_bind(f->a, w->s, (struct sockaddr *)&from, sizeof from), 0);
    td_set_notify(f->a, w->s, send_more, w);
    ck_assert_int_eq(td_connect(f->a, w->s, (struct sockaddr *)&to, sizeof to), -EINPROGRESS);
}

static void find_tcb(struct flow *w, unsigned i)
{
    for (const struct tcb *t = w->f->a->tcp->all; t != NULL; t = t->all_next) {
        if (t->ep.a.lport == PORTS + i && t->state == TCPS_ESTABLISHED) {
            w->t = t;
            return;
        }
    }
}

static void watch(struct flow *w, unsigned i, td_time now)
{
    struct flows *f = w->f;
    struct flow_result *r = &f->r->flow[i];
    const struct tcb *t = w->t;
    bool bad = t->ca_state == TCPE_RECOVERY || t->ca_state == TCPE_LOSS;
    if (f->counting) {
        w->srtt_sum += (double)t->cc.srtt / 1e9;
        w->srtt_count++;
    }
    if (bad && w->recovery_since == 0) {
        w->recovery_since = now;
    } else if (!bad && w->recovery_since != 0) {
        double took = (double)(now - w->recovery_since) / 1e9;
        w->recovery_since = 0;
        if (f->counting) {
            r->recoveries++;
            w->recovery_sum += took;
            r->recovery_worst = took > r->recovery_worst ? took : r->recovery_worst;
        }
    }
    if (f->p->watch != NULL) {
        f->p->watch(f->p->ctx, f, i, now, t, bad);
    }
}

uint64_t flows_drops(const struct flows *f)
{
    return sim_flight(f->wire, 0)->drops;
}

void flows_drop_next(struct flows *f)
{
    struct td_netem all = f->forth;
    all.loss = UINT32_MAX;
    f->dropping = true;
    f->drops_before = flows_drops(f);
    ck_assert_int_eq(sim_impair(f->wire, &all, NULL), 0);
}

static bool step(void *ctx)
{
    struct flows *f = ctx;
    td_time now = sim_now(f->sim) - f->begin;
    if (f->dropping && flows_drops(f) > f->drops_before) {
        f->dropping = false;
        ck_assert_int_eq(sim_impair(f->wire, &f->forth, NULL), 0);
    }
    if (!f->counting && now >= f->p->warm) {
        f->counting = true;
        for (unsigned i = 0; i < f->p->n; i++) {
            f->flow[i].acked_at_warm = f->flow[i].t != NULL ? f->flow[i].t->bytes_acked : 0;
        }
    }
    for (unsigned i = 0; i < f->p->n; i++) {
        struct flow *w = &f->flow[i];
        if (w->s < 0 && now >= f->p->flow[i].start) {
            begin(w, i);
        }
        if (w->s >= 0 && w->t == NULL) {
            find_tcb(w, i);
        }
        if (w->t != NULL) {
            watch(w, i, now);
        }
    }
    return false;
}

static void put_on(void *ctx, int dir, td_time now, const struct pkt *p)
{
    const struct flows *f = ctx;
    f->p->tap(f->p->ctx, false, dir, now, p);
}

static void arrives(void *ctx, int dir, td_time now, const struct pkt *p)
{
    const struct flows *f = ctx;
    f->p->tap(f->p->ctx, true, dir, now, p);
}

static void prepare(struct flows *f)
{
    const struct flows_plan *p = f->p;
    uint32_t a_if, b_if, mtu = p->mtu != 0 ? p->mtu : 1500;
    f->sim = sim_new(p->seed + 1, 0);
    f->a = sim_host(f->sim, p->profile);
    f->b = sim_host(f->sim, p->profile);
    hx_fault(f->a);
    hx_fault(f->b);
    f->wire = sim_join(f->sim, f->a, "eth0", &a_if, f->b, "eth0", &b_if, mtu);
    ck_assert_int_eq(td_addr_add(f->a, a_if, SENDER, 24), 0);
    ck_assert_int_eq(td_addr_add(f->b, b_if, RECEIVER, 24), 0);
    static const char *const room[][2] = {{"net.ipv4.tcp_wmem", "4096 16777216 67108864"},
                                          {"net.ipv4.tcp_rmem", "4096 67108864 67108864"},
                                          {"net.ipv4.tcp_max_window", "33554432"},
                                          {"net.ipv4.tcp_limit_output_bytes", "1073741824"},
                                          {NULL, NULL}};
    for (int host = 0; host < 2; host++) {
        struct td_stack *st = host == 0 ? f->a : f->b;
        for (int i = 0; room[i][0] != NULL; i++) {
            ck_assert_int_eq(td_knob_set(st, room[i][0], room[i][1]), 0);
        }
        for (int i = 0; p->knob != NULL && p->knob[i][0] != NULL; i++) {
            ck_assert_int_eq(td_knob_set(st, p->knob[i][0], p->knob[i][1]), 0);
        }
    }
    /* netem's limit counts the frames on their way, too. */
    uint64_t on_the_way = p->rate * (p->delay / TD_US) / 8 / mtu / 1000000 + 1;
    f->forth = (struct td_netem){.rate = p->rate,
                                 .delay = p->delay,
                                 .loss = td_percent(p->loss * 100),
                                 .limit = p->queue != 0 ? (uint32_t)on_the_way + p->queue : 1000000,
                                 .seed = p->seed + 7};
    const struct td_netem back = {.delay = p->delay, .limit = 1000000, .seed = p->seed + 8};
    sim_run(f->sim, 10 * TD_SEC, NULL, NULL); /* until the addresses may be used (RFC 5227) */
    ck_assert_int_eq(sim_impair(f->wire, &f->forth, &back), 0);
    int l = td_socket(f->b, AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in any = td_sockaddr(TD_IP4_ANY, PORT);
    ck_assert_int_eq(td_bind(f->b, l, (struct sockaddr *)&any, sizeof any), 0);
    ck_assert_int_eq(td_listen(f->b, l, FLOWS_MAX), 0);
    td_set_notify(f->b, l, accept_all, f);
    /* A connection that is refused, so that no flow's first round trip waits for ARP. */
    struct sockaddr_in nobody = td_sockaddr(RECEIVER, PORT + 1);
    int s = td_socket(f->a, AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(td_connect(f->a, s, (struct sockaddr *)&nobody, sizeof nobody), -EINPROGRESS);
    sim_run(f->sim, sim_now(f->sim) + 10 * TD_SEC, NULL, NULL);
    td_close(f->a, s);
    f->begin = sim_now(f->sim);
    if (p->tap != NULL) {
        sim_tap(f->wire, put_on, f);
        sim_tap_arrivals(f->wire, arrives, f);
    }
    for (unsigned i = 0; i < p->n; i++) {
        f->flow[i].f = f;
        f->flow[i].s = -1;
    }
}

static void sum_up(struct flows *f)
{
    const struct flows_plan *p = f->p;
    struct flows_result *r = f->r;
    double seconds = (double)(p->duration - p->warm) / 1e9, sum = 0, squares = 0;
    for (unsigned i = 0; i < p->n; i++) {
        const struct flow *w = &f->flow[i];
        struct flow_result *x = &r->flow[i];
        if (w->t != NULL) {
            x->bytes = w->t->bytes_acked - w->acked_at_warm;
            x->retrans = w->t->total_retrans;
        }
        x->throughput = (double)x->bytes * 8 / seconds;
        x->mean_rtt = w->srtt_count > 0 ? w->srtt_sum / (double)w->srtt_count : 0;
        x->recovery_mean = x->recoveries > 0 ? w->recovery_sum / x->recoveries : 0;
        sum += x->throughput;
        squares += x->throughput * x->throughput;
        r->retrans += x->retrans;
    }
    r->throughput = sum;
    r->utilisation = p->rate != 0 ? sum / (double)p->rate : 0;
    r->jain = squares > 0 ? sum * sum / (p->n * squares) : 0;
    r->drops = flows_drops(f);
    r->spurious = r->retrans > r->drops ? r->retrans - r->drops : 0;
}

void flows_run(const struct flows_plan *p, struct flows_result *r)
{
    struct flows f = {.p = p, .r = r};
    memset(r, 0, sizeof *r);
    prepare(&f);
    step(&f);
    td_time end = f.begin + p->duration;
    while (sim_now(f.sim) < end) { /* wakes for flows that begin later */
        td_time next = end;
        for (unsigned i = 0; i < p->n; i++) {
            td_time start = f.begin + p->flow[i].start;
            next = f.flow[i].s < 0 && start < next ? start : next;
        }
        sim_run(f.sim, next, step, &f);
        step(&f);
    }
    sum_up(&f);
    sim_free(f.sim);
}
