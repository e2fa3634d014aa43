/* drill/code.h: code blocks (%{ … }%): the little of Python that scripts use.
 *
 * Parsed once with the script (struct drill_code), run in file order by the runner, each at its time,
 * with the TCP_INFO of that moment. Variables live in a struct drill_env, from block to block.
 */
#ifndef DRILL_CODE_H
#define DRILL_CODE_H

#include "tapdeck/drill/drill.h"

struct drill_env; /* variables */
struct drill_env *drill_env_new(void); /* NULL: no memory */
void drill_env_free(struct drill_env *env);

/* A name that is no variable: a field of TCP_INFO, a constant. False: there is none such. */
typedef bool drill_lookup(void *ctx, const char *name, int64_t *v);

enum drill_code_answer {
    DRILL_CODE_OK,
    DRILL_CODE_FALSE,       /* an assertion doesn't hold: msg is the assertion, with the values of its
                               two sides ("assert tcpi_unacked == 2: 1 == 2") */
    DRILL_CODE_UNSUPPORTED, /* a name nobody knows, or a construct that isn't spoken: msg names it */
};
enum drill_code_answer drill_code_run(const struct drill_code *c, struct drill_env *env,
                                      drill_lookup *look_up, void *ctx, char *msg, size_t size);

#endif
