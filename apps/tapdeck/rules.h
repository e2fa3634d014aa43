/* tapdeck/rules.h: iptables-restore's text, read where the person is. */
#ifndef APPS_TAPDECK_RULES_H
#define APPS_TAPDECK_RULES_H

#include <stdbool.h>
#include <stddef.h>

struct rules_request {
    int argc;
    char **argv;    /* words_free() it; NULL: send the words as they are */
    char path[64];  /* a file to be removed when the answer has come; "" none */
};
/* If the words are `iptables-restore … [FILE]`: reads FILE (or standard input) here, for the daemon may be somewhere
 * else, and makes the request that carries its text. False: msg says why it can't be read. */
bool rules_request(int argc, char *const *argv, struct rules_request *q, char *msg, size_t msg_size);
void rules_request_end(struct rules_request *q);

#endif
