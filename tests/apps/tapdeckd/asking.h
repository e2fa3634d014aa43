/* tests/apps/tapdeckd/asking.h: for the tests of `why`: a situation on a stack that only sees
 * frames, a question as a person would ask it, and what must stand first in the answer.
 *
 * WHY_SHOW=1 prints the answers. */
#ifndef TESTS_ASKING_H
#define TESTS_ASKING_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/control.h"
#include "stack/tcp/sack_talk.h"
#include "tapdeckd/deck.h"

static struct deck deck;
static struct conv c;
static struct hx *h;
static char out[262144], err[768];

static inline void begin(struct conv conv)
{
    c = conv;
    h = c.h;
    deck_init(&deck, h->st, "test");
}

static inline void fresh(void)
{
    begin(conv_new(TD_PROFILE_LINUX));
}

static inline void done(void)
{
    deck_done(&deck);
    leave(&c);
}

static inline int run_as(const char *line, bool json)
{
    char msg[256], **argv;
    int argc = words_split(line, &argv, msg, sizeof(msg));
    ck_assert_msg(argc > 0, "%s: %s", line, msg);
    struct run *r = run_start(&deck, argc, argv, json, false);
    words_free(argv);
    for (int i = 0; i < 1000 && r->status == RUN_MORE; i++)
        run_step(r, td_stack_now(h->st));
    ck_assert_msg(r->status != RUN_MORE, "%s does not end", line);
    snprintf(out, sizeof(out), "%s", r->out.s != NULL ? r->out.s : "");
    snprintf(err, sizeof(err), "%s", r->err);
    int status = r->status;
    run_free(r);
    return status;
}

static inline void good(const char *line)
{
    int status = run_as(line, false);
    ck_assert_msg(status == EXIT_DONE, "%s: status %d, %s", line, status, err);
}

/* A record's line begins with its time, the lines of a chain with blanks. */
static inline bool begins_line(const char *p)
{
    return *p == '\0' || *p == ' ' ||
           (p[0] >= '0' && p[0] <= '9' && p[1] >= '0' && p[1] <= '9' && p[2] == ':' && p[8] == '.');
}

/* Sentences of several lines become one line. */
static inline void unwrap(void)
{
    for (char *p = out; (p = strchr(p, '\n')) != NULL; p++)
        if (!begins_line(p + 1))
            *p = ' ';
}

/* Asks; the first line must have `cause`, the whole answer each of the others, up to NULL. */
static inline void asks(const char *question, const char *cause, ...)
{
    va_list more;
    good(question);
    if (getenv("WHY_SHOW") != NULL)
        printf("? %s\n%s\n", question, out);
    unwrap();
    const char *found = strstr(out, cause);
    ck_assert_msg(found != NULL && found < out + strcspn(out, "\n"),
                  "%s: '%s' is not first in:\n%s", question, cause, out);
    va_start(more, cause);
    for (const char *s; (s = va_arg(more, const char *)) != NULL;)
        ck_assert_msg(strstr(out, s) != NULL, "%s: '%s' is not in:\n%s", question, s, out);
    va_end(more);
}

/* The same for many: the sentence, and the RFC. */
#define ASKS(q, cause, ...) asks(q, cause, __VA_ARGS__, (const char *)NULL)

#endif
