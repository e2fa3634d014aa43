/* drill/sysctl.h: the shell commands of scripts that a drill understands without a shell. */
#ifndef DRILL_SYSCTL_H
#define DRILL_SYSCTL_H

#include "tapdeck/types.h"

enum shell_answer {
    SHELL_DONE,        /* understood, and done */
    SHELL_UNSUPPORTED, /* no drill can show what this script wants */
    SHELL_FAILED,      /* understood, and its exit status isn't 0 */
};

struct nstat;
struct shell {
    struct td_stack *st;
    struct nstat *nstat; /* of this script */
    td_ip4 remote;       /* the host that this script's packets go to */
    bool dry;            /* only look whether it could be done */
    bool started;        /* packets or calls came before */
    td_time sleep;       /* out: how long `sleep` commands wait, ns */
    char why[200];       /* out: what is not supported, or failed */
};

/* Runs the text of one back-quoted command: commands in lines or joined by &&, || and ;. */
enum shell_answer shell_run(struct shell *sh, const char *text);

#endif
