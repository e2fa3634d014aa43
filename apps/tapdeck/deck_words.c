/* tapdeck/deck_words.c: the words that move a tape: step, back, goto, until.
 *
 * A word asks the reel (replay/deck.h) to go somewhere and says where it is then: the line of the
 * frame it stands at. Between two words nothing moves.
 */
#include "tapdeck/deck_words.h"

#include <stdlib.h>
#include <string.h>

#include "common/filter.h"
#include "common/parse.h"

static int count_word(struct session *s, int argc, char **argv, uint64_t *n)
{
    *n = 1;
    if (argc > 2)
        return session_fail(s, EXIT_USAGE, "'%s' after '%s %s': %s takes one number", argv[2],
                            argv[0], argv[1], argv[0]);
    if (argc == 2 && (!parse_u64(argv[1], UINT64_MAX - 1, n) || *n == 0))
        return session_fail(s, EXIT_USAGE,
                            "%s takes a number of packets from 1, for example `%s 10`, not '%s'",
                            argv[0], argv[0], argv[1]);
    return EXIT_DONE;
}

static int step_main(struct session *s, int argc, char **argv)
{
    struct deck_session *d = deck_of(s);
    struct reel_goal g = {.lines = true, .heed = true};
    char msg[1024];
    int status = count_word(s, argc, argv, &g.steps);
    if (status != EXIT_DONE)
        return status;
    deck_begin(d);
    uint64_t passed;
    enum reel_result result = reel_go(d->reel, &g, &passed, msg, sizeof(msg));
    fflush(s->out);
    return deck_outcome(d, result, msg);
}

const struct local_command deck_step = {
    .name = "step",
    .usage = "step [N]",
    .doc = "goes on by a packet, or N, and prints each",
    .more = "Example:\n  step 3",
    .screen = true,
    .fn = step_main,
};

static void print_taken_back(struct deck_session *d)
{
    uint64_t n = d->nkept < TAKEN_BACK ? d->nkept : TAKEN_BACK;
    for (uint64_t i = 0; i < n; i++) {
        const struct text *t = &d->kept[(d->nkept - 1 - i) % TAKEN_BACK];
        fprintf(d->s->out, "- %.*s\n", (int)t->len, t->len > 0 ? t->s : "");
    }
    if (d->nkept > n)
        fprintf(d->s->out, "- and %llu before\n", (unsigned long long)(d->nkept - n));
}

static int back_main(struct session *s, int argc, char **argv)
{
    struct deck_session *d = deck_of(s);
    struct text kept[TAKEN_BACK] = {{0}};
    char msg[1024];
    uint64_t n, from = reel_place(d->reel).step;
    int status = count_word(s, argc, argv, &n);
    if (status != EXIT_DONE)
        return status;
    if (from == 0)
        return session_fail(s, EXIT_FAILED, "the tape is at its beginning");
    n = n < from ? n : from;
    deck_begin(d);
    enum reel_result result = reel_goto_step(d->reel, from - n, msg, sizeof(msg));
    if (result == REEL_STOPPED && !s->json) {
        d->kept = kept;
        d->nkept = 0;
        (void)reel_peek(d->reel, n, msg, sizeof(msg));
        print_taken_back(d);
        d->kept = NULL;
        for (unsigned i = 0; i < TAKEN_BACK; i++)
            text_free(&kept[i]);
    } else if (result == REEL_STOPPED) {
        deck_print_here(d);
    }
    fflush(s->out);
    return deck_outcome(d, result, msg);
}

const struct local_command deck_back = {
    .name = "back",
    .usage = "back [N]",
    .doc = "goes back by a packet, or N, and prints what is taken back",
    .more = "What is taken back is printed last first, with a minus before it: at most 100 "
            "packets.\nExample:\n  back 10",
    .screen = true,
    .fn = back_main,
};

/* Where to: a packet's number, or a time. */
static int goto_word(struct session *s, const char *word, char *msg, size_t msg_size,
                     enum reel_result *result)
{
    struct deck_session *d = deck_of(s);
    uint64_t number, last = reel_last(d->reel);
    td_time at;
    if (strcmp(word, "start") == 0) {
        *result = reel_goto_step(d->reel, 0, msg, msg_size);
    } else if (strcmp(word, "end") == 0) {
        uint64_t total = reel_total(d->reel);
        *result = reel_goto_step(d->reel, total > 0 ? total : UINT64_MAX, msg, msg_size);
        if (*result == REEL_ENDED)
            *result = REEL_STOPPED;
    } else if (parse_u64(word, UINT64_MAX, &number)) {
        if (last > 0 && number > last)
            return session_fail(s, EXIT_USAGE, "there is no packet %s: the last is %llu", word,
                                (unsigned long long)last);
        *result = reel_goto_number(d->reel, number, msg, msg_size);
        if (*result == REEL_STOPPED && reel_place(d->reel).number != number && !s->json)
            fprintf(s->out, "packet %s isn't on this tape; the last before it:\n", word);
    } else if (parse_time(word, &at)) {
        td_time length = reel_tape(d->reel)->length;
        if (length > 0 && at > length)
            return session_fail(s, EXIT_USAGE,
                                "there is nothing at %s: the tape is %llu.%06llu s long", word,
                                (unsigned long long)(length / TD_SEC),
                                (unsigned long long)(length % TD_SEC / TD_US));
        *result = reel_goto_time(d->reel, at, msg, msg_size);
        if (*result == REEL_ENDED && length > 0) /* behind its last packet */
            *result = REEL_STOPPED;
    } else {
        return session_fail(s, EXIT_USAGE,
                            "'%s' is no place on the tape: write a packet's number, a time such as "
                            "1.5s, start or end",
                            word);
    }
    return EXIT_DONE;
}

static int goto_main(struct session *s, int argc, char **argv)
{
    struct deck_session *d = deck_of(s);
    char msg[1024] = "";
    enum reel_result result = REEL_STOPPED;
    if (argc != 2)
        return session_fail(
            s, EXIT_USAGE,
            "goto takes one place: a packet's number, a time such as 1.5s, start or end");
    deck_begin(d);
    int status = goto_word(s, argv[1], msg, sizeof(msg), &result);
    if (status != EXIT_DONE)
        return status;
    deck_end(d);
    if (result == REEL_STOPPED)
        deck_print_here(d);
    fflush(s->out);
    return deck_outcome(d, result, msg);
}

const struct local_command deck_goto = {
    .name = "goto",
    .usage = "goto {N | TIME | start | end}",
    .doc = "goes to the packet with this number, or to a time, forward or back",
    .more = "Times count from the tape's beginning: 1.5s, 20ms. Where no packet has the number or "
            "the time, it is the last one before.\n"
            "Examples:\n  goto 42\n  goto 1.5s\n  goto end",
    .screen = true,
    .fn = goto_main,
};

/* What to wait for. */
static int until_words(struct session *s, int argc, char **argv, struct reel_goal *g)
{
    const struct reel *r = deck_of(s)->reel;
    char msg[512];
    bool state = argc > 1 && strncmp(argv[1], "state=", 6) == 0,
         event = argc > 1 && strncmp(argv[1], "event=", 6) == 0;
    if (argc < 2)
        return session_fail(
            s, EXIT_USAGE,
            "until what? state=FIN_WAIT_2, event=tcp-rto, or a filter such as 'tcp[13] & 4 != 0'");
    if ((state || event) && argc > 2)
        return session_fail(s, EXIT_USAGE, "'%s' doesn't belong after '%s'", argv[2], argv[1]);
    if (state) {
        if (!reel_knows_state(r, argv[1] + 6, msg, sizeof(msg)))
            return session_fail(s, EXIT_USAGE, "%s", msg);
        (void)snprintf(g->state, sizeof(g->state), "%s", argv[1] + 6);
    } else if (event) {
        if (!reel_knows_event(r, argv[1] + 6, msg, sizeof(msg)))
            return session_fail(s, EXIT_USAGE, "%s", msg);
        (void)snprintf(g->event, sizeof(g->event), "%s", argv[1] + 6);
    } else {
        struct text expr = {0};
        for (int i = 1; i < argc; i++)
            text_printf(&expr, "%s%s", i > 1 ? " " : "", argv[i]);
        bool good = filter_compile(expr.s, g->code, TD_IMPAIR_CODE, &g->ncode, msg, sizeof(msg));
        text_free(&expr);
        if (!good)
            return session_fail(s, EXIT_USAGE, "%s", msg);
    }
    return EXIT_DONE;
}

static int until_main(struct session *s, int argc, char **argv)
{
    struct deck_session *d = deck_of(s);
    struct reel_goal *g = calloc(1, sizeof(*g));
    char msg[1024] = "", place[48];
    uint64_t passed = 0;
    if (g == NULL)
        return session_fail(s, EXIT_FAILED, "out of memory");
    g->steps = UINT64_MAX;
    g->heed = true;
    int status = until_words(s, argc, argv, g);
    if (status != EXIT_DONE) {
        free(g);
        return status;
    }
    deck_begin(d);
    enum reel_result result = reel_go(d->reel, g, &passed, msg, sizeof(msg));
    free(g);
    deck_end(d);
    if (result == REEL_ENDED) {
        deck_place_name(reel_place(d->reel), place);
        return session_fail(s, EXIT_FAILED,
                            "that doesn't come: the tape ends at %s, %llu packets further on",
                            place, (unsigned long long)passed);
    }
    if (result == REEL_STOPPED || result == REEL_DIFFERS)
        deck_print_here(d);
    if (result == REEL_STOPPED && msg[0] != '\0' && !s->json)
        fprintf(s->out, "%s\n", msg);
    fflush(s->out);
    return deck_outcome(d, result, msg);
}

const struct local_command deck_until = {
    .name = "until",
    .usage = "until state=TCPSTATE\n"
             "until event=EVENT\n"
             "until EXPR...",
    .doc = "goes on until a connection comes into a state, an event happens, or a packet matches a "
           "filter",
    .more =
        "States have Linux's names or the RFC's, events those of the journal (* and ? stand for "
        "anything), filters are\n"
        "libpcap's. Where that never comes, the tape ends.\n"
        "Examples:\n  until state=FIN_WAIT_2\n  until event=tcp-rto*\n  until 'tcp[13] & 4 != 0'",
    .screen = true,
    .fn = until_main,
};
