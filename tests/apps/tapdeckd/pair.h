/* tests/apps/tapdeckd/pair.h: two hosts in a simulation, 10.0.0.1 and 10.0.0.2, 10 ms apart each
 * way, each with a console, whose time can be paused. */
#ifndef TESTS_PAIR_H
#define TESTS_PAIR_H

#include "check_main.h"

#include <stdio.h>
#include <string.h>

#include "dev/sim.h"
#include "tapdeckd/deck_time.h"

static struct sim *sim;
static struct deck decks[2];
static struct deck_time world;

static inline void sim_open(void)
{
    uint32_t index[2];
    const struct td_netem slow = {.delay = 10 * TD_MS};
    sim = sim_new(1, TD_SEC);
    struct td_stack *a = sim_host(sim, TD_PROFILE_LINUX), *b = sim_host(sim, TD_PROFILE_LINUX);
    struct sim_wire *w = sim_join(sim, a, "eth0", &index[0], b, "eth0", &index[1], 1500);
    ck_assert_ptr_nonnull(w);
    sim_impair(w, &slow, &slow);
    deck_time_init(&world, NULL, NULL, sim);
    for (int i = 0; i < 2; i++) {
        deck_init(&decks[i], i == 0 ? a : b, i == 0 ? "a" : "b");
        deck_time_join(&world, &decks[i]);
        ck_assert_int_eq(td_addr_add(decks[i].st, index[i], TD_IP4(10, 0, 0, (uint32_t)i + 1), 24),
                         0);
    }
    sim_run(sim, 20 * TD_SEC, NULL, NULL);
}

static inline void sim_close(void)
{
    deck_done(&decks[0]);
    deck_done(&decks[1]);
    deck_time_done(&world);
    sim_free(sim);
}

/* A command of one of them, to its end; its output. */
static inline const char *at(int i, const char *line)
{
    static char out[65536];
    char **argv, msg[256];
    int argc = words_split(line, &argv, msg, sizeof msg);
    struct run *r = run_start(&decks[i], argc, argv, false, false);
    words_free(argv);
    while (r->status == RUN_MORE && r->ready)
        run_step(r, sim_now(sim));
    ck_assert_msg(r->status == EXIT_DONE, "%s: %d %s", line, r->status, r->err);
    snprintf(out, sizeof out, "%s", r->out.s != NULL ? r->out.s : "");
    run_free(r);
    return out;
}
static inline void says(int i, const char *line, const char *text)
{
    const char *out = at(i, line);
    ck_assert_msg(strstr(out, text) != NULL, "%s: '%s' is not in:\n%s", line, text, out);
}

#endif
