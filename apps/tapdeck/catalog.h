/* tapdeck/catalog.h: the commands there are, the daemon's and the client's own. */
#ifndef TAPDECK_CATALOG_H
#define TAPDECK_CATALOG_H

#include "tapdeck/local.h"

struct catalog_entry {
    const char *name, *usage, *doc;
    bool local; /* the client's */
};
struct catalog {
    struct catalog_entry *entry; /* in the order of `help` */
    size_t n;
    bool complete; /* the daemon's are among them */
    void *list;    /* what the daemon answered: owns its strings */
};
/* Asks the daemon, once a session; without a daemon, the client's own alone. Never NULL. */
const struct catalog *session_catalog(struct session *s);
/* Forgets it: another daemon may know other commands. */
void session_forget_catalog(struct session *s);
void catalog_free(struct catalog *c);
const struct catalog_entry *catalog_find(const struct catalog *c, const char *name);

#endif
