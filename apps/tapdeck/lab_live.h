/* tapdeck/lab_live.h: `lab start|check|hint|reset|stop`: a lab that is being worked on. */
#ifndef TAPDECK_LAB_LIVE_H
#define TAPDECK_LAB_LIVE_H

#include "tapdeck/local.h"

struct lab_live_words {
    const char *lab;    /* of start */
    const char *folder; /* NULL: start: the lab's name; else the present one */
    const char *task;   /* of hint; NULL: the first that isn't done */
    const char *id, *salt;
    bool json, hints, shell;
};
int lab_start(struct session *s, const struct lab_live_words *w);
int lab_check(struct session *s, const struct lab_live_words *w);
int lab_hint(struct session *s, const struct lab_live_words *w);
int lab_reset(struct session *s, const struct lab_live_words *w);
int lab_stop(struct session *s, const struct lab_live_words *w);

#endif
