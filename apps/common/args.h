/* apps/common/args.h: how an application reads its command line.
 *
 * getopt(3) keeps global state, and several applications may be started by one daemon, so this is a
 * small reader of the same conventions without any: single-letter options, joined or not
 * ("-p80", "-p 80", "-tu"), "--" ends them, what is left are operands.
 */
#ifndef APPS_COMMON_ARGS_H
#define APPS_COMMON_ARGS_H

#include "tapdeck/types.h"

struct args {
    const char *letters; /* as getopt's: "a:p:tu", a colon after letters that take a value */
    int argc;
    char **argv;
    int index;         /* of the next word */
    const char *rest;  /* within a word of several letters */
    const char *value; /* of the option just returned */
};

/* argv[0] is the program's name. */
void args_init(struct args *a, int argc, char **argv, const char *letters);
/* The next option's letter; -1 when only operands are left (argv[index]…). Bad ones return '?' with
 * one sentence in msg. */
int args_next(struct args *a, char *msg, size_t msg_size);

/* "10.0.0.2" or "any". 0, or -EINVAL with a sentence. */
int args_addr(const char *app, const char *text, td_ip4 *out, char *msg, size_t msg_size);
/* A whole number within [min, max], with an optional K, M or G (1024-based). what names it in the
 * sentence: "port". 0, or -EINVAL with a sentence. */
int args_number(const char *app, const char *what, const char *text, uint64_t min, uint64_t max,
                uint64_t *out, char *msg, size_t msg_size);

#endif
