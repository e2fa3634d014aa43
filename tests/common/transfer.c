/* tests/common/transfer.c: the world of a transfer, and what is looked at when it is over; see
 * transfer.h. */
#include "transfer_internal.h"

#include "link/link.h"
#include "tcp/tcp.h"
#include "tcp/tcp_internal.h"
#include "wire/arp.h"
#include "wire/eth.h"

#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void transfer_wrong(struct transfer *x, const char *fmt, ...)
{
    char *to = x->result->fail;
    size_t size = sizeof x->result->fail;
    va_list ap;
    int n;
    if (to[0] != '\0')
        return;
    n = snprintf(to, size, "at %.6f s: ", (double)sim_now(x->sim) / 1e9);
    va_start(ap, fmt);
    vsnprintf(to + n, size - (size_t)n, fmt, ap);
    va_end(ap);
}

bool transfer_failed(struct transfer *x)
{
    if (x->tap.fail[0] != '\0' && x->result->fail[0] == '\0')
        snprintf(x->result->fail, sizeof x->result->fail, "on the wire: %s", x->tap.fail);
    return x->result->fail[0] != '\0';
}

/* ---- the world ---- */

static uint64_t written(void *ctx, const struct wire_flow *f, int side)
{
    struct transfer *x = ctx;
    for (unsigned i = 0; i < x->plan->conns; i++) {
        const struct conn *c = &x->conn[i];
        if (c->port[0] == f->port[0] && c->port[1] == f->port[1])
            return c->end[side].sent;
    }
    return UINT64_MAX;
}

/* The table of handles grows and stays: it has its size before anything is measured. */
static void warm_up(struct host *h)
{
    int s[TRANSFER_CONNS * 2 + 2];
    size_t n = sizeof s / sizeof s[0];
    for (size_t i = 0; i < n; i++)
        s[i] = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(td_close(h->st, s[i]), 0);
    td_stack_flush(h->st, td_stack_now(h->st));
}

static void idle_memory(struct host *h, uint64_t used[MEM_TAGS])
{
    pkt_cache_drop(&h->st->mem);
    memcpy(used, h->st->mem.used_by, sizeof h->st->mem.used_by);
}

static void *starving_alloc(void *ctx, size_t size)
{
    struct host *h = ctx;
    if (!h->sated && prng_below(&h->x->draw, 65536) < h->x->plan->starve)
        return NULL;
    return malloc(size);
}
static void starving_release(void *ctx, void *p, size_t size)
{
    (void)ctx;
    (void)size;
    free(p);
}

static void host_make(struct transfer *x, int side)
{
    struct host *h = &x->host[side];
    *h = (struct host){.x = x, .side = side, .listener = -1};
    h->st = sim_host(x->sim, x->plan->profile[side]);
    hx_fault(h->st);
    ck_assert_ptr_nonnull(h->st);
    ck_assert_int_eq(td_knob_set(h->st, "tapdeck.journal.records", "64"), 0);
    ck_assert_int_eq(
        td_knob_set(h->st, "net.ipv4.tcp_syn_soft_abort", x->plan->soft_abort ? "1" : "0"), 0);
    if (x->plan->no_scaling[side])
        ck_assert_int_eq(td_knob_set(h->st, "net.ipv4.tcp_window_scaling", "0"), 0);
    if (x->plan->no_timestamps)
        ck_assert_int_eq(td_knob_set(h->st, "net.ipv4.tcp_timestamps", "0"), 0);
    if (x->plan->patient)
        ck_assert_int_eq(td_knob_set(h->st, "net.ipv4.tcp_orphan_retries", "255"), 0);
    if (x->plan->prepare != NULL)
        x->plan->prepare(h->st);
    if (x->plan->cc[side] != NULL)
        ck_assert_int_eq(
            td_knob_set(h->st, "net.ipv4.tcp_congestion_control", x->plan->cc[side]), 0);
}

/* For whoever looks at one seed closely. */
static void world_watch(struct transfer *x)
{
    const char *pcap = getenv("TRANSFER_PCAP"), *why = getenv("TRANSFER_WHY");
    x->loud = why != NULL && why[0] != '\0';
    for (int i = 0; i < 2; i++) {
        char path[400], msg[300] = "";
        if (x->loud)
            ck_assert_int_eq(td_knob_set(x->host[i].st, "tapdeck.journal.level", why), 0);
        if (pcap == NULL)
            continue;
        snprintf(path, sizeof path, "%s.%s.pcap", pcap, i == 0 ? "sent" : "arrived");
        x->tap.capture[i] = capture_create(path, 0, msg, sizeof msg);
        ck_assert_msg(x->tap.capture[i] != NULL, "%s", msg);
    }
}

static void world_make(struct transfer *x)
{
    const struct transfer_plan *p = x->plan;
    x->sim = sim_new(p->seed, TD_SEC);
    host_make(x, 0);
    host_make(x, 1);
    x->wire = sim_join(x->sim, x->host[0].st, "eth0", &x->host[0].ifindex, x->host[1].st, "eth0",
                       &x->host[1].ifindex, p->mtu);
    ck_assert_ptr_nonnull(x->wire);
    wiretap_init(&x->tap, x->wire, p->mtu, IP_A, IP_B);
    x->tap.written = written;
    x->tap.ctx = x;
    warm_up(&x->host[0]);
    warm_up(&x->host[1]);
    world_watch(x);
    for (int i = 0; i < 2; i++) {
        struct host *h = &x->host[i];
        h->st->journal.tap = transfer_journal;
        h->st->journal.tap_ctx = h;
        ck_assert_int_eq(td_addr_add(h->st, h->ifindex, i == 0 ? IP_A : IP_B, 24), 0);
    }
    sim_run(x->sim, START, NULL, NULL); /* the addresses are probed for (RFC 5227) */
    idle_memory(&x->host[0], x->host[0].idle);
    idle_memory(&x->host[1], x->host[1].idle);
    sim_impair(x->wire, &p->way[0], &p->way[1]);
    for (int i = 0; i < 2; i++) {
        struct host *h = &x->host[i];
        if (p->mtu_of[i] != 0)
            ck_assert_int_eq(td_if_set_mtu(h->st, h->ifindex, p->mtu_of[i]), 0);
        if (p->starve != 0) {
            h->sated = i == 1; /* until the listener stands */
            h->st->mem.alloc = starving_alloc;
            h->st->mem.release = starving_release;
            h->st->mem.ctx = h;
            x->tap.starved = x->tap.host[i].gaps = true;
        }
    }

    struct host *b = &x->host[1];
    struct sockaddr_in here = td_sockaddr(IP_B, PORT);
    b->listener = td_socket(b->st, AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(td_bind(b->st, b->listener, (struct sockaddr *)&here, sizeof here), 0);
    ck_assert_int_eq(td_listen(b->st, b->listener, 100), 0);
    td_set_notify(b->st, b->listener, transfer_acceptable, x);
    b->sated = false;

    for (unsigned i = 0; i < p->conns; i++) {
        struct conn *c = &x->conn[i];
        *c = (struct conn){.plan = &p->conn[i]};
        for (int side = 0; side < 2; side++) {
            const struct end_plan *ep = &c->plan->end[side];
            c->end[side] = (struct end){.x = x,
                                        .c = c,
                                        .plan = ep,
                                        .st = x->host[side].st,
                                        .side = side,
                                        .s = -1,
                                        .want = c->plan->end[1 - side].bytes,
                                        .write_pauses = ep->write_pauses,
                                        .read_pauses = ep->read_pauses};
        }
    }
}

static void cut(struct transfer *x)
{
    for (int way = 0; way < 2; way++) {
        struct td_netem dead = {.loss = UINT32_MAX, .limit = 1000};
        if (x->plan->cut[way])
            sim_impair(x->wire, way == 0 ? &dead : NULL, way == 1 ? &dead : NULL);
    }
    x->cut_at = TD_NEVER;
}

static void poison(struct transfer *x)
{
    const struct transfer_poison *z = x->poison;
    struct host *h = &x->host[z->victim];
    const td_ip4 liar = z->victim == 0 ? IP_B : IP_A, me = z->victim == 0 ? IP_A : IP_B;
    const struct td_mac nobody = {{2, 0xbb, 0, 0, 0, 9}};
    const struct td_mac victim = {{2, 0, 0, (uint8_t)(z->victim + 1), 0, 1}};
    x->poison_at = TD_NEVER;
    if (!z->forged) {
        ck_assert_int_eq(td_neigh_add(h->st, h->ifindex, liar, nobody, TD_NEIGH_REACHABLE), 0);
        return;
    }
    const struct eth_hdr e = {.dst = victim, .src = nobody, .type = ETHERTYPE_ARP};
    const struct arp_pkt a = {
        .op = ARP_REPLY, .sha = nobody, .spa = liar, .tha = victim, .tpa = me};
    uint8_t f[60] = {0};
    (void)arp_emit(&a, f + eth_emit(&e, f));
    ck_assert_int_eq(td_stack_input_bytes(h->st, h->ifindex, f, sizeof f, sim_now(x->sim)), 0);
    x->tap.host[z->victim].arrived++; /* the wire didn't bring it, but it came in */
}

static bool tcp_is_idle(const struct host *h)
{
    const struct tcp *tcp = h->st->tcp;
    return tcp->ntcb == (h->listener >= 0 ? 1U : 0U) && tcp->ntime_wait == 0;
}

/* All applications are through, and nothing of TCP is left but the listener. */
static bool everything_over(const struct transfer *x)
{
    if (!tcp_is_idle(&x->host[0]) || !tcp_is_idle(&x->host[1]))
        return false;
    for (unsigned i = 0; i < x->plan->conns; i++) {
        const struct conn *c = &x->conn[i];
        if (!c->end[0].over || (!c->end[1].over && c->end[1].begun))
            return false;
    }
    return true;
}

/* Wakes who is due; notes who is next. */
static void wake_up(struct transfer *x)
{
    td_time now = sim_now(x->sim);
    x->wake = TD_NEVER;
    for (unsigned i = 0; i < x->plan->conns; i++) {
        struct conn *c = &x->conn[i];
        if (!c->end[0].begun) {
            if (START + c->plan->start > now) {
                wake_at(x, START + c->plan->start);
                continue;
            }
            conn_connect(x, c, 0);
            if (c->plan->crossed)
                conn_connect(x, c, 1);
        }
        for (int side = 0; side < 2; side++) {
            struct end *e = &c->end[side];
            if (e->begun && !e->over)
                end_pump(e);
            if (e->over)
                continue;
            if (e->may_read > now)
                wake_at(x, e->may_read);
            if (e->may_write > now)
                wake_at(x, e->may_write);
        }
    }
    if (x->accept_at <= now) {
        x->accept_at = TD_NEVER;
        transfer_acceptable(x, x->host[1].st, x->host[1].listener, 0);
    } else if (x->accept_at != TD_NEVER) {
        wake_at(x, x->accept_at);
    }
    if (x->cut_at != TD_NEVER) {
        if (START + x->cut_at <= now)
            cut(x);
        else
            wake_at(x, START + x->cut_at);
    }
    if (x->poison_at != TD_NEVER) {
        if (START + x->poison_at <= now)
            poison(x);
        else
            wake_at(x, START + x->poison_at);
    }
}

static bool stop(void *ctx)
{
    struct transfer *x = ctx;
    td_time now = sim_now(x->sim);
    x->steps = now == x->step_at ? x->steps + 1 : 0;
    x->step_at = now;
    if (x->steps > BUSY)
        transfer_wrong(x, "the clock stands still");
    return transfer_failed(x) || everything_over(x) || x->wake <= now;
}

static void say_who_hangs(struct transfer *x)
{
    for (unsigned i = 0; i < x->plan->conns; i++) {
        for (int side = 0; side < 2; side++) {
            const struct end *e = &x->conn[i].end[side];
            if (e->begun && !e->over)
                transfer_wrong(x, "%s hangs: sent %llu of %llu, received %llu of %llu, eof %d",
                               end_name(e), (unsigned long long)e->sent,
                               (unsigned long long)e->plan->bytes, (unsigned long long)e->rcvd,
                               (unsigned long long)e->want, e->eof);
        }
    }
    for (int i = 0; i < 2; i++)
        for (const struct tcb *t = x->host[i].st->tcp->all; t != NULL; t = t->all_next)
            if (t->state != TCPS_LISTEN)
                transfer_wrong(x, "host %c still has port %u > %u in %s", 'a' + i, t->ep.a.lport,
                               t->ep.a.rport, tcp_state_name((enum tcp_state)t->state));
    transfer_wrong(x, "something of a connection is left");
}

/* Runs until all applications are through and orphans and TIME-WAITs are gone. sim_run asks `stop`
 * after each step, so that somebody who decides in a callback to rest until a time before the
 * present goal is woken in time. */
static void play(struct transfer *x)
{
    x->progress = sim_now(x->sim);
    while (!transfer_failed(x) && !everything_over(x)) {
        wake_up(x);
        td_time limit = x->progress + STALLED;
        sim_run(x->sim, x->wake < limit ? x->wake : limit, stop, x);
        if (sim_now(x->sim) >= x->progress + STALLED && !everything_over(x))
            say_who_hangs(x);
    }
    x->result->took = x->progress - START;
    if (transfer_failed(x))
        return;
    struct host *b = &x->host[1];
    td_close(b->st, b->listener);
    b->listener = -1;
    sim_run(x->sim, sim_now(x->sim) + 60 * TD_SEC, NULL, NULL);
}

static void check_idle(struct transfer *x)
{
    static const enum mem_tag tags[] = {MEM_TCP, MEM_SOCKET, MEM_PKT, MEM_INSTANCE, MEM_LINK};
    for (int i = 0; i < 2; i++) {
        struct host *h = &x->host[i];
        const struct wire_host *w = &x->tap.host[i];
        const uint64_t *count = h->st->counters.v;
        const struct netif *nif = netif_by_index(h->st, h->ifindex);
        uint64_t used[MEM_TAGS];
        idle_memory(h, used);
        for (size_t k = 0; k < sizeof tags / sizeof tags[0]; k++)
            if (used[tags[k]] != h->idle[tags[k]])
                transfer_wrong(x, "host %c holds %llu bytes for %s, %llu when idle", 'a' + i,
                               (unsigned long long)used[tags[k]], mem_tag_name(tags[k]),
                               (unsigned long long)h->idle[tags[k]]);
        if (!tcp_is_idle(h) || h->st->tcp->norphans != 0 || h->st->tcp->marked != NULL ||
            h->st->tcp->eps.count != 0 || h->st->tcp->ports.count != 0)
            transfer_wrong(x, "host %c: a table of TCP isn't empty", 'a' + i);
        if (count[CNT_TcpCurrEstab] != 0)
            transfer_wrong(x, "host %c: TcpCurrEstab is %llu", 'a' + i,
                           (unsigned long long)count[CNT_TcpCurrEstab]);
        if (x->plan->starve != 0)
            continue; /* what could not be taken in wasn't counted */
        if (nif->stats.rx_packets != w->arrived)
            transfer_wrong(x, "host %c counts %llu frames, %llu arrived", 'a' + i,
                           (unsigned long long)nif->stats.rx_packets,
                           (unsigned long long)w->arrived);
        if (count[CNT_TcpInSegs] != w->tcp || count[CNT_TcpInCsumErrors] != w->tcp_damaged)
            transfer_wrong(x,
                           "host %c: TCP counts %llu segments, %llu damaged; there were %llu, %llu",
                           'a' + i, (unsigned long long)count[CNT_TcpInSegs],
                           (unsigned long long)count[CNT_TcpInCsumErrors],
                           (unsigned long long)w->tcp, (unsigned long long)w->tcp_damaged);
        if (count[CNT_ArpQueueDrops] == 0 && count[CNT_EthOutDrops] == 0 &&
            count[CNT_TcpOutSegs] + count[CNT_TcpRetransSegs] != w->tcp_sent)
            transfer_wrong(x, "host %c: TCP counts %llu + %llu segments out, %llu were sent",
                           'a' + i, (unsigned long long)count[CNT_TcpOutSegs],
                           (unsigned long long)count[CNT_TcpRetransSegs],
                           (unsigned long long)w->tcp_sent);
    }
}

/* ---- did each connection end as it should? ---- */

/* Is this one of the errors a connection that couldn't be completed may end with here? */
static bool excused(const struct conn *c, const struct end *e)
{
    const struct end *peer = &c->end[1 - e->side];
    switch (e->err) {
    case 0:
        return true;
    case ETIMEDOUT:
        return c->given_up;
    case EHOSTUNREACH: /* it never came up, and the reason was known (transfer_rules.c) */
        return c->given_up;
    case ECONNRESET:
    case EPIPE:
        return c->given_up || peer->aborts;
    case ECONNREFUSED: /* a reset before the handshake was over here, but not there */
        return c->given_up || (peer->aborts && c->plan->crossed);
    default:
        return false;
    }
}

static void check_conn(struct transfer *x, const struct conn *c)
{
    bool aborted = c->end[0].aborts || c->end[1].aborts;
    bool whole = true;
    for (int side = 0; side < 2; side++) {
        const struct end *e = &c->end[side];
        x->result->bytes += e->rcvd;
        whole = whole && e->begun && e->err == 0 && e->rcvd == e->want;
        if (!excused(c, e))
            transfer_wrong(x, "%s: errno %d, and nothing that explains it", end_name(e), e->err);
        if (x->plan->gentle && !aborted &&
            (!e->begun || e->err != 0 || e->rcvd != e->want || e->sent != e->plan->bytes))
            transfer_wrong(x, "%s, %s: errno %d, sent %llu of %llu, received %llu of %llu",
                           end_name(e), e->begun ? "begun" : "never begun", e->err,
                           (unsigned long long)e->sent, (unsigned long long)e->plan->bytes,
                           (unsigned long long)e->rcvd, (unsigned long long)e->want);
    }
    if (!whole && !aborted && !c->given_up)
        transfer_wrong(x, "%s: not everything arrived, and nobody gave up", end_name(&c->end[0]));
    if (whole)
        x->result->complete++;
    else
        x->result->failed++;
}

void transfer_run_poisoned(const struct transfer_plan *plan, struct transfer_result *result,
                           const struct transfer_poison *z)
{
    struct transfer *x = calloc(1, sizeof *x);
    ck_assert_ptr_nonnull(x);
    *result = (struct transfer_result){.fail = ""};
    x->plan = plan;
    x->result = result;
    x->draw.state = ~plan->seed;
    x->buf = malloc(2 * 65536);
    x->poison = z;
    x->poison_at = z == NULL ? TD_NEVER : z->when;
    x->accept_at = TD_NEVER;
    x->cut_at = plan->cut_at == 0 ? TD_NEVER : plan->cut_at;
    world_make(x);
    play(x);
    wiretap_settle(&x->tap);
    for (unsigned i = 0; i < plan->conns && !transfer_failed(x); i++)
        check_conn(x, &x->conn[i]);
    if (!transfer_failed(x))
        check_idle(x);
    result->refused = x->host[0].st->mem.failures + x->host[1].st->mem.failures;
    result->digest = x->tap.digest;
    result->frames = x->tap.frames[0] + x->tap.frames[1];
    result->damaged = x->tap.damaged;
    result->rexmitted = x->tap.rexmitted;
    sim_free(x->sim);
    capture_finish(x->tap.capture[0]);
    capture_finish(x->tap.capture[1]);
    free(x->buf);
    free(x);
}

void transfer_run(const struct transfer_plan *plan, struct transfer_result *result)
{
    transfer_run_poisoned(plan, result, NULL);
}
