/* Header prediction changes nothing: two stacks, alike but for the knob, get the same segments and
 * calls and send the same bytes at the same times. */
#include "check_main.h"
#include "tcp_states.h"

struct rng_state {
    uint64_t x;
};
static uint32_t draw(struct rng_state *r, uint32_t below)
{
    r->x = r->x * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(r->x >> 33) % below;
}

struct peer { /* what the peer did: identical towards both */
    int64_t next;
    uint16_t wnd;
};

/* One random step towards one stack; all draws were made before. */
struct act {
    unsigned kind;
    int64_t seq, ack;
    uint32_t len;
    uint16_t wnd, flags;
    td_time dt;
};

static void perform(struct conv *c, const struct act *a)
{
    static char buf[70000];
    switch (a->kind) {
    case 0: /* the user writes */
        (void)td_send(c->h->st, c->s, buf, a->len, MSG_NOSIGNAL);
        hx_flush(c->h);
        break;
    case 1: /* the user reads */
        (void)td_recv(c->h->st, c->s, buf, a->len, 0);
        hx_flush(c->h);
        break;
    case 2: /* time */
        hx_until(c->h, hx_now(c->h) + a->dt);
        break;
    default: {
        const struct burst_seg b = {
            .seq = a->seq, .ack = a->ack, .flags = a->flags, .len = a->len, .wnd = a->wnd};
        burst_in(c, &b, 1);
        break;
    }
    }
}

static unsigned compare(struct conv *x, struct conv *y, uint64_t seed, unsigned step)
{
    unsigned n = 0;
    while (hx_pending(x->h) > 0) {
        ck_assert_msg(hx_pending(y->h) > 0, "seed %lu step %u: only one answers",
                      (unsigned long)seed, step);
        ip_out(x->h, HX_ANYTIME, 6);
        ip_out(y->h, HX_ANYTIME, 6);
        const struct hx_pkt *a = &x->h->got, *b = &y->h->got;
        ck_assert_uint_eq(a->at, b->at);
        ck_assert_uint_eq(a->l4_len, b->l4_len);
        ck_assert_msg(memcmp(a->l4, b->l4, a->l4_len) == 0, "seed %lu step %u: different segments",
                      (unsigned long)seed, step);
        n++;
    }
    ck_assert_msg(hx_pending(y->h) == 0, "seed %lu step %u: only the other answers",
                  (unsigned long)seed, step);
    ck_assert_int_eq(conv_state(x), conv_state(y));
    ck_assert_int_eq(td_poll(x->h->st, x->s), td_poll(y->h->st, y->s));
    return n;
}

START_TEST(same_bytes_with_and_without)
{
    uint64_t hits = 0, frames = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rng_state r = {seed};
        struct conv x = conv_new(TD_PROFILE_LINUX), y = conv_new(TD_PROFILE_LINUX);
        knob_set(y.h, "net.ipv4.tcp_header_prediction", "0");
        x = reach_in(x, EST);
        y = reach_in(y, EST);
        struct peer p = {.next = 1, .wnd = PEER_WND};
        for (unsigned step = 0; step < 400 && conv_state(&x) == TCPS_ESTABLISHED; step++) {
            struct act a = {.kind = draw(&r, 8), .flags = ACK, .dt = US(draw(&r, 100000))};
            const struct tcb *t = conv_tcb(&x);
            int64_t nxt = (int64_t)(uint32_t)(t->snd_nxt - t->iss),
                    una = (int64_t)(uint32_t)(t->snd_una - t->iss);
            a.seq = p.next;
            a.ack = una;
            switch (a.kind) {
            case 0:
            case 1:
                a.len = 1 + draw(&r, 9000);
                break;
            case 3:
            case 4: /* text, mostly the next */
                a.len = 1 + draw(&r, 1460);
                a.flags |= draw(&r, 2) ? PSH : 0;
                if (draw(&r, 8) == 0) {
                    a.seq += draw(&r, 3000);
                    a.seq -= draw(&r, 3000);
                }
                break;
            case 5: /* an acknowledgment of some of it */
            case 6:
                a.ack = una + (nxt > una ? (int64_t)draw(&r, (uint32_t)(nxt - una) + 1) : 0);
                break;
            case 7: /* odd ones */
                a.ack = nxt + (int64_t)draw(&r, 20) - 10;
                a.len = draw(&r, 3);
                if (draw(&r, 40) == 0) {
                    a.flags |= FIN;
                }
                p.wnd = (uint16_t)(draw(&r, 4) == 0 ? draw(&r, 60000) + 1 : p.wnd);
                break;
            default:
                break;
            }
            a.wnd = p.wnd;
            perform(&x, &a);
            perform(&y, &a);
            if (conv_state(&x) == TCPS_ESTABLISHED) {
                p.next = (int64_t)(uint32_t)(conv_tcb(&x)->rcv_nxt - conv_tcb(&x)->irs);
            }
            frames += compare(&x, &y, seed, step);
        }
        hits += hx_counter(x.h, "TcpExtTCPHPHits");
        ck_assert_uint_eq(hx_counter(y.h, "TcpExtTCPHPHits"), 0);
        ck_assert_uint_eq(hx_counter(x.h, "TcpRetransSegs"), hx_counter(y.h, "TcpRetransSegs"));
        hx_drain(x.h);
        hx_drain(y.h);
        leave(&x);
        leave(&y);
    }
    ck_assert_uint_gt(hits, 2000); /* the short way was taken, and often */
    ck_assert_uint_gt(frames, 5000);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp prediction");
    TCase *tc = tcase_create("prediction");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, same_bytes_with_and_without);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
