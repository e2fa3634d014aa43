/* tapdeck/replay_report.h: the words of `replay` that say in which form, and where to. */
#ifndef TAPDECK_REPLAY_REPORT_H
#define TAPDECK_REPLAY_REPORT_H

#include "replay/observe.h"
#include "replay/play.h"
#include "tapdeck/local.h"

struct report_words {
    enum {
        REPORT_PLAIN,
        REPORT_TEXT,
        REPORT_JSON,
        REPORT_HTML
    } form;           /* PLAIN: nobody asked for one */
    const char *to;   /* -o FILE, or NULL */
    const char *copy; /* -w FILE, or NULL */
};
/* An option with a value. EXIT_DONE: it was one of these; -1: it isn't; else a sentence was said.
 */
int report_option(struct session *s, const char *option, const char *value, struct report_words *w);
/* Do the words go together? json: -j was given, or --report json. EXIT_DONE, or a sentence was said. */
int report_words_fit(struct session *s, const struct report_words *w, bool json, const char *file);

/* observe_run in that form. Nothing is left where -o points when it fails. */
int report_observe(struct session *s, const struct report_words *w, struct observe_options *o,
                   struct capture_reader *r, const char *file,
                   void (*tick)(void *ctx, uint64_t packets), void *ctx, char *msg,
                   size_t msg_size);
/* What is played: a first pass makes rows and verdicts; what goes beyond rows takes a second one
 * through the file. */
struct verdicts;
struct report_played {
    /* The first pass: rows go to `out` unless it is NULL; if v isn't NULL it is told of them, and
     * of the whole (v->says). */
    int (*run)(void *ctx, struct verdicts *v, FILE *out, char *msg, size_t msg_size);
    void *ctx;
    const char *file, *who; /* who: "server", "10.0.0.1" */
    int64_t flow;           /* -1 = all packets */
    int side;               /* of the connection, -1 = a host */
    bool json;
};
int report_played(struct session *s, const struct report_words *w, const struct report_played *p,
                  char *msg, size_t msg_size);
/* Of a connection with the stack in the place of one end. What goes beyond rows takes a
 * second pass through the capture, so this is read again. */
int report_play(struct session *s, const struct report_words *w, struct play *p, const char *file,
                uint32_t flow, bool json, char *msg, size_t msg_size);

#endif
