/* tapdeck/line.h: a line of the console, from its text to what was done. */
#ifndef TAPDECK_LINE_H
#define TAPDECK_LINE_H

#include "tapdeck/local.h"

struct line_parts {
    enum line_kind {
        LINE_COMMAND, /* a command, or nothing */
        LINE_PIPE,    /* its output goes to a shell's pipeline: `ss -tan | grep ESTAB` */
        LINE_FILE,    /* … into a file: `ss -tan > FILE` */
        LINE_APPEND,  /* … behind what the file has: `>> FILE` */
        LINE_SHELL    /* `!COMMAND`: the shell's, all of it */
    } kind;
    size_t command; /* the command's length: the line begins with it */
    size_t rest;    /* where the pipeline, the file's name or the shell's command begins */
};
/* Bars and angles within quotes or behind a backslash are the command's. */
void line_parse(const char *line, struct line_parts *p);

/* Runs a line: what it says, an alias's text in place. Sentences begin with `where`. The exit
 * status; `exit` sets s->leave. */
int line_run(struct session *s, const char *line, const char *where);
/* Runs the lines of a file until one fails (s->goes_on: all of them); sentences begin with NAME:LINE. */
int lines_run(struct session *s, FILE *f, const char *name);

#endif
