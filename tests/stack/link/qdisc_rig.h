/* A queue discipline alone, with a sink that hears what it drops: for the tests of each of them.
 * Included by one file of a program; setup() and teardown() are its fixture. */
#ifndef TESTS_QDISC_RIG_H
#define TESTS_QDISC_RIG_H

#include "check_main.h"
#include "link/qdisc.h"
#include "sink.h"

static struct mem m;
static struct qdisc *q;
static struct heard heard;

static void setup(void)
{
    mem_init(&m, 0);
    heard_init(&heard);
    q = NULL;
}

/* Nothing may be left of the discipline and what waited in it. */
static void teardown(void)
{
    qdisc_destroy(q);
    pkt_cache_drop(&m);
    ck_assert_uint_eq(m.used, 0);
}

/* The id of the frame that leaves at `now`; 0: none. */
static inline uint64_t get(td_time now)
{
    struct pkt *p = qdisc_dequeue(q, now);
    uint64_t id = p != NULL ? p->id : 0;

    pkt_free(p);
    return id;
}

#endif
