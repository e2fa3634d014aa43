/* tests/apps/tapdeckd/console.h: a deck without TAP and a console on it: lines in, text, JSON and
 * sentences out. */
#ifndef TESTS_CONSOLE_H
#define TESTS_CONSOLE_H

#include "check_main.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/control.h"
#include "tapdeckd/deck.h"

struct console {
    struct td_stack *st;
    struct deck deck;
    char out[65536], err[768]; /* of the last line */
};
static struct console con;

static inline int con_swallow(void *dev, const struct pkt *p)
{
    (void)dev;
    (void)p;
    return 0;
}

/* lo, and so many of eth0, eth1 … with MAC 02:00:00:00:00:01, :02 …, up. */
static inline void con_open(unsigned interfaces)
{
    static const struct td_device_ops ops = {.transmit = con_swallow};
    struct td_stack_config c = {.now = TD_SEC, .seed = {7}};

    con.st = td_stack_new(&c);
    ck_assert_ptr_nonnull(con.st);
    for (unsigned i = 0; i < interfaces; i++) {
        struct td_if_config eth = {
            .mac = {{2, 0, 0, 0, 0, (uint8_t)(i + 1)}}, .flags = TD_IF_UP, .ops = &ops};
        uint32_t index;

        snprintf(eth.name, sizeof eth.name, "eth%u", i);
        ck_assert_int_eq(td_if_add(con.st, &eth, &index), 0);
    }
    deck_init(&con.deck, con.st, "test");
}

static inline void con_close(void)
{
    deck_done(&con.deck);
    td_stack_free(con.st);
}

static inline int con_line(const char *line, bool json)
{
    char **argv, msg[256];
    int argc = words_split(line, &argv, msg, sizeof msg), status;
    struct run *r;

    ck_assert_msg(argc > 0, "%s: %s", line, msg);
    r = run_start(&con.deck, argc, argv, json, false);
    words_free(argv);
    while (r->status == RUN_MORE && r->ready)
        run_step(r, td_stack_now(con.st));
    status = r->status;
    snprintf(con.out, sizeof con.out, "%s", r->out.s != NULL ? r->out.s : "");
    snprintf(con.err, sizeof con.err, "%s", r->err);
    run_free(r);
    return status;
}

/* Done, without a word of complaint. */
static inline void con_done(const char *line)
{
    int status = con_line(line, false);

    ck_assert_msg(status == EXIT_DONE && con.err[0] == '\0', "%s: status %d, %s", line, status,
                  con.err);
}

/* Refused with status 2 and one sentence that has `why` in it. */
static inline void con_refused(const char *line, const char *why)
{
    int status = con_line(line, false);

    ck_assert_msg(status == EXIT_USAGE, "%s: status %d, %s", line, status, con.err);
    ck_assert_msg(strstr(con.err, why) != NULL && strchr(con.err, '\n') == NULL, "%s: %s", line,
                  con.err);
}

static inline void con_says(const char *text)
{
    ck_assert_msg(strstr(con.out, text) != NULL, "'%s' is not in:\n%.2000s", text, con.out);
}

static inline void con_silent(const char *text)
{
    ck_assert_msg(strstr(con.out, text) == NULL, "'%s' is in:\n%.2000s", text, con.out);
}

static inline json_t *con_json(const char *line)
{
    json_error_t e;
    int status = con_line(line, true);
    json_t *j = json_loads(con.out, 0, &e);

    ck_assert_msg(status == EXIT_DONE && j != NULL, "%s: status %d, %s: %s", line, status, con.err,
                  con.out);
    return j;
}

#endif
