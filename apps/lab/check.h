/* lab/check.h: whether a task is done, and what is said if it isn't. */
#ifndef LAB_CHECK_H
#define LAB_CHECK_H

#include "lab/world.h"

struct lab_work {              /* what a student handed in, or has made so far */
    const char *dir;           /* answers.txt and other files; borrowed */
    const struct lab_param *params; /* not NULL: it is the lab's own, and they are put in place in frames; borrowed */
    struct lab_where *answers; /* column: the task's id, is: the answer */
    struct text said;          /* lines of answers.txt that are none */
};
/* Reads DIR/answers.txt: `id: answer` a line, # begins a comment. That it isn't there is no mistake. model: it is the lab's own,
 * and parameters are put in place. */
void lab_work_open(struct lab_work *w, const struct lab *l, const char *dir, bool model);
void lab_work_done(struct lab_work *w);

struct lab_verdict {
    bool holds;
    unsigned points;               /* of the task's */
    const struct lab_check *check; /* the first that doesn't hold; NULL: all do, or it was a question */
    struct text why;               /* what doesn't, in the lab's words */
    struct text came;              /* what came instead, plainly */
    const char *hint;              /* NULL: there is none; the lab's */
};
/* Does the checks in their order, to the first that doesn't hold. */
void lab_judge(struct lab_world *w, const struct lab_work *work, const struct lab_task *t, struct lab_verdict *v);
void lab_verdict_done(struct lab_verdict *v);

/* "3", ">= 3", "< 3", "2..4" */
bool lab_count_ok(const char *s);
bool lab_count_holds(const char *s, uint64_t n);
/* Whether a value is as a `where` says: "x", "!= x", "~REGEX", "> 3". */
bool lab_is(const char *is, const char *value);

#endif
