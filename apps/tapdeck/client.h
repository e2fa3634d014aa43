/* tapdeck/client.h: a connection to a daemon's control socket, and one command over it. */
#ifndef TAPDECK_CLIENT_H
#define TAPDECK_CLIENT_H

#include <signal.h>
#include <stdio.h>

#include "common/control.h"

struct client {
    int fd;
    long long next_id;
    struct text in;
    bool paused; /* the stack's time stands still, as far as was heard */
    bool quiet;  /* what commands say on standard error about their work isn't shown */
    int input; /* what a command that reads is given, a descriptor; -1 (client_connect's): nothing, its end at once */
};

/* EXIT_DONE, or EXIT_NO_DAEMON (EXIT_FAILED: not permitted) and a sentence. */
int client_connect(struct client *c, const char *name, char *msg, size_t msg_size);
void client_end(struct client *c);
/* Between commands: what the daemon has said by itself. True: there was something (`paused` may have changed); note is a
 * sentence for the person, or "". Doesn't wait. */
bool client_listen(struct client *c, char *note, size_t note_size);

/* Runs one command to its end: output goes to out as it comes, what it has to say about its work to
 * standard error; if it reads, it is given c->input, to its end, both exact to the byte. The exit
 * status; err (never NULL) gets the sentence, "" when there is none. An interrupt cancels the command, a second one leaves it. When the daemon
 * went away: EXIT_NO_DAEMON. */
int client_run(struct client *c, int argc, char *const *argv, bool json, bool tty, FILE *out,
               char *err, size_t err_size);

/* SIGINT arrived so often since it was last set to 0. Installed by client_catch_interrupts. */
extern volatile sig_atomic_t interrupts;
void client_catch_interrupts(void);

#endif
