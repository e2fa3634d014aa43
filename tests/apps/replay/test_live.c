/* replay/live.c: the two ends of a capture, each followed by a stack of its own, with a wire
 * between them in virtual time: each hears from the other what was captured. */
#include "check_main.h"
#include "common/control.h"
#include "dev/sim.h"
#include "replay/live.h"

#include <string.h>

static char msg[512];

static void load(struct live *l, const char *path, const char *side)
{
    struct play p;
    struct capture_reader *r = capture_open(path, msg, sizeof(msg));
    ck_assert_msg(r != NULL, "%s", msg);
    ck_assert_msg(play_load(&p, r, path, 0, side, msg, sizeof(msg)) == EXIT_DONE, "%s", msg);
    capture_close(r);
    ck_assert_msg(live_load(l, &p, path, msg, sizeof(msg)) == EXIT_DONE, "%s", msg);
    play_done(&p);
}

#define CLIENT TD_IP4(10, 0, 0, 1)
#define SERVER TD_IP4(10, 0, 0, 2)

struct pair {
    struct sim *sim;
    struct td_stack *st[2];
    struct live l[2]; /* the client, the server */
};

static void pair_up(struct pair *x, const char *client, const char *server, double speed,
                    uint32_t loss)
{
    const struct td_netem link = {
        .delay = 5 * TD_MS, .rate = 100000000, .limit = 10000, .loss = loss, .seed = 3};
    uint32_t ifindex[2];
    x->sim = sim_new(5, 0);
    for (int i = 0; i < 2; i++)
        x->st[i] = sim_host(x->sim, TD_PROFILE_LINUX);
    struct sim_wire *w =
        sim_join(x->sim, x->st[0], "eth0", &ifindex[0], x->st[1], "eth0", &ifindex[1], 1500);
    (void)sim_impair(w, &link, &link);
    for (int i = 0; i < 2; i++) {
        (void)td_knob_set(x->st[i], "net.ipv4.conf.all.arp_acd", "0");
        (void)td_knob_set(x->st[i], "net.ipv4.conf.default.arp_acd", "0");
        ck_assert_int_eq(td_addr_add(x->st[i], ifindex[i], i == 0 ? CLIENT : SERVER, 24), 0);
    }
    load(&x->l[0], client, "client");
    load(&x->l[1], server, "server");
    for (int i = 1; i >= 0; i--) {
        const struct live_options o = {.us = i == 0 ? CLIENT : SERVER,
                                       .to = SERVER,
                                       .port = 80,
                                       .speed = speed,
                                       .patience = 5 * TD_SEC,
                                       .wait = 20 * TD_SEC};
        ck_assert_msg(live_begin(&x->l[i], x->st[i], &o, sim_now(x->sim), msg, sizeof(msg)) ==
                          EXIT_DONE,
                      "%s", msg);
        td_stack_flush(x->st[i], sim_now(x->sim));
    }
    for (td_time end = sim_now(x->sim) + 120 * TD_SEC;
         !(x->l[0].over && x->l[1].over) && sim_now(x->sim) < end;) {
        (void)sim_run(x->sim, sim_now(x->sim) + TD_MS, NULL, NULL);
        for (int i = 0; i < 2; i++) {
            (void)live_turn(&x->l[i], sim_now(x->sim));
            td_stack_flush(x->st[i], sim_now(x->sim));
        }
    }
}

static void pair_free(struct pair *x)
{
    for (int i = 0; i < 2; i++)
        live_done(&x->l[i]);
    sim_free(x->sim);
}

static const struct {
    const char *path;
    enum live_end end;
    uint32_t loss; /* netem's, of 2^32 */
} captures[] = {
    {"pcaps/half-close/half-close.pcapng", LIVE_CLOSED, 0},
    {"pcaps/half-close/half-close.pcapng", LIVE_CLOSED, UINT32_MAX / 5},
    {"pcaps/http-keep-alive/http-keep-alive.pcap.gz", LIVE_CLOSED, 0},
    {"pcaps/http-pipelining/http-pipelining.pcap.gz", LIVE_CLOSED, UINT32_MAX / 3},
    {"pcaps/fast-retransmit/fast-retransmit.pcapng", LIVE_CLOSED,
     0}, /* which was left open, and is closed here */
    {"pcaps/zero-window/zero-window.pcapng", LIVE_CLOSED, 0},
    {"pcaps/simultaneous-close/simultaneous-close.pcapng", LIVE_CLOSED, 0},
};

START_TEST(both_ends)
{
    struct pair x;
    pair_up(&x, captures[_i].path, captures[_i].path, 1, captures[_i].loss);
    for (int i = 0; i < 2; i++) {
        const struct live *l = &x.l[i];
        ck_assert_msg(l->over && live_went_well(l), "%s: %s", i == 0 ? "client" : "server",
                      l->broken != NULL ? l->broken : strerror(l->error));
        ck_assert_int_eq(l->end, captures[_i].end);
        ck_assert_uint_eq(l->sent, l->n[1]);
        ck_assert_uint_eq(l->received, l->n[0]);
        ck_assert(!l->differs);
        ck_assert_uint_eq(l->compared, l->n[0]);
        ck_assert_uint_gt(l->n[0] + l->n[1], 0);
    }
    if (captures[_i].loss > 0)
        ck_assert_uint_gt(x.l[0].retransmits + x.l[1].retransmits, 0);
    pair_free(&x);
}
END_TEST

/* Half-close: the client writes 0.6 s after the server's FIN, and 0.5 s after that. */
START_TEST(pace)
{
    struct pair x;
    const double speeds[] = {1, 2, 0};
    for (unsigned i = 0; i < 3; i++) {
        const char *path = "pcaps/half-close/half-close.pcapng";
        pair_up(&x, path, path, speeds[i], 0);
        const struct live_event *e = x.l[0].event;
        ck_assert_uint_eq(x.l[0].nevents, 3);
        ck_assert_uint_eq(e[0].after, 100); /* the server's text came first */
        ck_assert_uint_eq(e[1].gap, 500 * TD_MS);
        ck_assert_int_eq(e[2].kind, LIVE_CLOSE);
        td_time between = e[1].done - e[0].done,
                want = i == 2 ? 0 : (td_time)(500 * TD_MS / (i + 1));
        ck_assert_uint_ge(between, want);
        ck_assert_uint_le(between, want + 3 * TD_MS);
        pair_free(&x);
    }
}
END_TEST

/* Two that don't belong together: the first byte that differs, and neither waits for ever. */
START_TEST(another_peer)
{
    struct pair x;
    pair_up(&x, "pcaps/http-keep-alive/http-keep-alive.pcap.gz",
            "pcaps/half-close/half-close.pcapng", 1, 0);
    const struct live *c = &x.l[0];
    ck_assert(c->over && x.l[1].over);
    ck_assert(c->differs);
    ck_assert_uint_eq(c->difference, 0);
    ck_assert_uint_eq(c->ngot, sizeof(c->got));
    ck_assert_uint_eq(c->got[0], 0); /* the captured server writes zeros */
    pair_free(&x);
}
END_TEST

START_TEST(nobody_there)
{
    struct sim *sim = sim_new(5, 0);
    struct td_stack *st = sim_host(sim, TD_PROFILE_LINUX);
    struct live l;
    const struct live_options o = {.port = 80, .speed = 1, .patience = TD_SEC, .wait = 2 * TD_SEC};
    load(&l, "pcaps/half-close/half-close.pcapng", "server");
    ck_assert_int_eq(live_begin(&l, st, &o, 0, msg, sizeof(msg)), EXIT_DONE);
    ck_assert_uint_eq(live_turn(&l, TD_SEC), 2 * TD_SEC);
    (void)live_turn(&l, 2 * TD_SEC);
    (void)live_turn(&l, 3 * TD_SEC);
    ck_assert(l.over && !live_went_well(&l));
    ck_assert_str_eq(l.broken, "nobody connected");
    live_done(&l);
    sim_free(sim);
}
END_TEST

/* What a snap length cut off the peer's frames isn't compared. */
START_TEST(what_was_not_captured)
{
    struct live l;
    load(&l, "pcaps/sawtooth-reno/sawtooth-reno.pcapng.gz", "client");
    ck_assert_uint_gt(l.n[0], 100000);
    ck_assert_uint_gt(l.nholes, 0);
    ck_assert_uint_lt(l.hole[0].from, l.hole[0].to);
    for (size_t i = 1; i < l.nholes; i++)
        ck_assert_uint_gt(l.hole[i].from, l.hole[i - 1].to);
    live_done(&l);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("replay live");
    TCase *tc = tcase_create("live");
    tcase_add_loop_test(tc, both_ends, 0, (int)(sizeof(captures) / sizeof(*captures)));
    tcase_add_test(tc, pace);
    tcase_add_test(tc, another_peer);
    tcase_add_test(tc, nobody_there);
    tcase_add_test(tc, what_was_not_captured);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
