/* tests/common/transfer_draw.c: what a seed stands for. See transfer.h.
 *
 * Six seeds in ten are gentle: loss and corruption together are at most 10 % of the frames in each
 * direction. The others go up to 30 % of loss. Sizes are drawn by their logarithm, so that nothing,
 * one byte, one segment and megabytes all come; what would only take long (megabytes over a wire
 * that loses a third, a megabyte in writes of one byte) is cut down. One harsh wire in four is cut
 * some time in the first seconds, in one direction or both, for ever.
 */
#include "prng.h"
#include "transfer.h"

static uint32_t between(struct prng *r, uint32_t low, uint32_t high)
{
    return low + prng_below(r, high - low + 1);
}
static bool one_in(struct prng *r, uint32_t n)
{
    return prng_below(r, n) == 0;
}
/* In [1, most], the logarithm about uniform. */
static uint64_t log_below(struct prng *r, uint64_t most)
{
    uint32_t bits = 0;
    while (most >> bits != 0)
        bits++;
    uint64_t v = (UINT64_C(1) << between(r, 0, bits - 1)) | 1;
    v += prng_u64(r) % v;
    return v > most ? most : v;
}

/* Thousandths of a percent. */
static uint32_t milli(uint32_t thousandths)
{
    return td_percent(thousandths / 1000.0);
}

static void draw_loss(struct prng *r, struct td_netem *n, bool gentle)
{
    uint32_t corrupt = one_in(r, 2) ? 0 : prng_below(r, 3000);
    uint32_t most = gentle ? 10000 - corrupt : 30000;
    n->corrupt = milli(corrupt);
    if (one_in(r, 6))
        return;
    if (!one_in(r, 3)) {
        n->loss = milli(prng_below(r, most + 1));
        return;
    }
    /* Gilbert-Elliott. The channel is bad for p/(p+r) of the frames. */
    uint32_t bad = between(r, 400, 800), heal = between(r, 500, 900); /* thousandths */
    uint32_t share = most * 10 / bad;                                 /* of 1,000 */
    share = share > 500 ? 500 : share;
    share = prng_below(r, share + 1);
    uint32_t enter = heal * share / (1000 - share);
    n->ge_bad = milli(bad * 100);
    n->ge_r = milli(heal * 100);
    n->ge_p = milli((enter > 0 ? enter : 1) * 100);
}

static void draw_way(struct prng *r, struct td_netem *n, bool gentle, td_time delay, uint64_t rate)
{
    *n = (struct td_netem){.delay = delay, .rate = rate, .seed = prng_u64(r) | 1, .limit = 1000};
    draw_loss(r, n, gentle);
    if (one_in(r, 2))
        n->jitter = log_below(r, 1 + delay / 2);
    if (one_in(r, 3))
        n->duplicate = milli(prng_below(r, 10000));
    if (one_in(r, 3)) {
        n->reorder = milli(prng_below(r, 30000));
        n->gap = between(r, 0, 8);
    }
    if (one_in(r, 3))
        n->limit = (uint32_t)between(r, 4, 200);
}

static int draw_buffer(struct prng *r)
{
    return one_in(r, 2) ? 0 : (int)between(r, 1, 64) << between(r, 8, 12);
}

static void draw_end(struct prng *r, struct end_plan *e, uint64_t most, bool keepalive)
{
    static const uint32_t writes[] = {1, 100, 536, 1460, 4096, 16384, 65535, 65535};
    *e = (struct end_plan){.keepalive = keepalive};
    e->bytes = one_in(r, 8) ? 0 : one_in(r, 3) ? prng_u64(r) % most : log_below(r, most);
    e->write = writes[prng_below(r, 8)];
    e->read = writes[prng_below(r, 8)];
    e->nodelay = one_in(r, 3);
    e->sndbuf = draw_buffer(r);
    e->rcvbuf = draw_buffer(r);
    e->write_pauses = one_in(r, 2) ? between(r, 1, 20) : 0;
    e->read_pauses = one_in(r, 2) ? between(r, 1, 20) : 0;
    e->pause = log_below(r, 5 * TD_SEC);
}

static void draw_conn(struct prng *r, struct conn_plan *c, uint64_t most, bool keepalive)
{
    *c = (struct conn_plan){.start = one_in(r, 2) ? 0 : prng_u64(r) % (2 * TD_SEC)};
    c->ending = (enum ending)prng_below(r, ENDINGS);
    bool aborts = c->ending == CLIENT_ABORTS || c->ending == SERVER_ABORTS;
    for (int side = 0; side < 2; side++)
        draw_end(r, &c->end[side], most, keepalive || aborts);
    for (int side = 0; side < 2; side++) {
        struct end_plan *e = &c->end[side];
        uint32_t calls = 5000, least = e->write;
        if (c->end[1 - side].read < least)
            least = c->end[1 - side].read;
        if (e->bytes > (uint64_t)least * calls)
            e->bytes = (uint64_t)least * calls;
    }
    if (c->ending == CLIENT_LEAVES)
        c->end[1].bytes = 0;
    if (c->ending == SERVER_LEAVES)
        c->end[0].bytes = 0;
    c->abort_after = prng_u64(r) % (c->end[0].bytes + c->end[1].bytes + 1);
    c->crossed = one_in(r, 16);
    if (c->crossed)
        c->start = 0;
}

void transfer_draw(struct transfer_plan *plan, uint64_t seed)
{
    static const uint64_t rates[] = {0,        1000000,   2000000,   10000000,
                                     34000000, 100000000, 622000000, 1000000000};
    static const uint32_t mtus[] = {576, 1006, 1280, 1492, 1500, 1500, 4352, 9000};
    struct prng r = {.state = seed * UINT64_C(0x2545f4914f6cdd1d)};
    *plan = (struct transfer_plan){.seed = seed};
    plan->gentle = prng_below(&r, 10) < 6;
    plan->profile[0] = one_in(&r, 3) ? TD_PROFILE_RFC : TD_PROFILE_LINUX;
    plan->profile[1] = one_in(&r, 3) ? TD_PROFILE_RFC : TD_PROFILE_LINUX;
    plan->soft_abort = !plan->gentle && one_in(&r, 2);
    plan->mtu = one_in(&r, 4) ? between(&r, 576, 9000) : mtus[prng_below(&r, 8)];
    td_time delay = one_in(&r, 8) ? 0 : log_below(&r, 200 * TD_MS);
    for (int way = 0; way < 2; way++)
        draw_way(&r, &plan->way[way], plan->gentle, one_in(&r, 4) ? delay / 2 : delay,
                 rates[prng_below(&r, 8)]);
    for (int side = 0; side < 2; side++)
        plan->no_scaling[side] = one_in(&r, 8);
    if (!plan->gentle && one_in(&r, 4)) {
        plan->cut_at = log_below(&r, 20 * TD_SEC);
        plan->cut[0] = !one_in(&r, 3);
        plan->cut[1] = !plan->cut[0] || one_in(&r, 2);
    }
    if (one_in(&r, 4))
        plan->mtu_of[prng_below(&r, 2)] = between(&r, 576, plan->mtu);
    plan->conns = one_in(&r, 2) ? 1 : one_in(&r, 4) ? between(&r, 2, TRANSFER_CONNS) : 2;
    uint64_t most = plan->gentle ? 8000000 : 1000000;
    for (unsigned i = 0; i < plan->conns; i++)
        draw_conn(&r, &plan->conn[i], most / plan->conns, !plan->gentle);
}
