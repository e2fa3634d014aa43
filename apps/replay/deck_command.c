/* replay/deck_command.c: a command at an instant of a tape (deck_command.h).
 *
 * The process has been forked for it: whatever the command does, it does to a copy. Time doesn't
 * pass there. So commands that would have to wait for something (an echo reply, a frame, the next
 * event) are refused with a sentence, or, if they only turn out to wait, ended as by Ctrl-C. Those
 * that reach out of the process, to files and devices, are refused too: a copy of the stack is
 * thrown away, a file that was written is not.
 *
 * Whether a command has changed something is seen by the journal, where every change of
 * configuration is an event, and by its words.
 */
#include "replay/deck_command.h"

#include <string.h>

#include "replay/deck_internal.h"
#include "tapdeckd/deck.h"

#define TURNS 100000u /* steps of a run that brings nothing forth: it waits, whatever it says */

static const struct {
    const char *name, *why;
} refusals[] = {
    {"ping", "waits for replies"},
    {"traceroute", "waits for replies"},
    {"arping", "waits for replies"},
    {"nc", "waits for what a peer says"},
    {"get", "waits for what a server says"},
    {"pause", NULL},
    {"resume", NULL},
    {"step", NULL},
    {"break", NULL},
    {"capture", "writes files"},
    {"record", "writes files"},
    {"tap", "makes devices of the system"},
    {"app", "starts programs, and they would have no time to run in"},
    {"shutdown", NULL},
};

const char *deck_command_refused(int argc, char *const *argv)
{
    static char sentence[256];
    /* What ran when a run was recorded is known. */
    if (strcmp(argv[0], "app") == 0 && (argc == 1 || strcmp(argv[1], "list") == 0))
        return NULL;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
        if (strcmp(argv[0], refusals[i].name) != 0)
            continue;
        if (refusals[i].why == NULL)
            (void)snprintf(sentence, sizeof(sentence),
                           "`%s` is for a daemon that runs: a tape is moved by play, step, back, "
                           "goto and until",
                           argv[0]);
        else
            (void)snprintf(sentence, sizeof(sentence),
                           "`%s` %s, and on a tape no time passes while one looks", argv[0],
                           refusals[i].why);
        return sentence;
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-f") != 0 && strcmp(argv[i], "--follow") != 0 &&
            strcmp(argv[i], "-E") != 0 && strcmp(argv[i], "monitor") != 0)
            continue;
        if (strcmp(argv[0], "events") == 0 || strcmp(argv[0], "why") == 0 ||
            strcmp(argv[0], "ss") == 0 || strcmp(argv[0], "ip") == 0 ||
            strcmp(argv[0], "ladder") == 0 || strcmp(argv[0], "bridge") == 0) {
            (void)snprintf(
                sentence, sizeof(sentence),
                "`%s %s` waits for what happens next, and on a tape no time passes while one looks",
                argv[0], argv[i]);
            return sentence;
        }
    }
    return NULL;
}

/* ---- did it change something? ---- */

static bool word_of_change(int argc, char *const *argv)
{
    static const char *const words[] = {
        "add",   "del",    "delete",  "set", "replace", "change", "append", "prepend",
        "flush", "enable", "disable", "-w",  "-A",      "-D",     "-I",     "-F",
        "-K",    "-P",     "-X",      "-N",  "-Z",      "-R"};
    for (int i = 1; i < argc; i++)
        for (size_t k = 0; k < sizeof(words) / sizeof(*words); k++)
            if (strcmp(argv[i], words[k]) == 0)
                return true;
    return false;
}

static uint64_t happenings(const struct tape *t)
{
    uint64_t n = 0;
    for (int e = 1; t->deck != NULL && e < EV_COUNT; e++)
        if (event_info[e].kind == EVK_STATE || event_info[e].kind == EVK_ACTION)
            n += t->deck->st->journal.events[e];
    return n;
}

/* ---- answers ---- */

static void send_text(int channel, enum deck_answer kind, struct text *t)
{
    for (size_t at = 0; at < t->len;) {
        size_t n = t->len - at < DECK_BODY ? t->len - at : DECK_BODY;
        if (!deck_send(channel, &(struct deck_message){.kind = kind, .len = (uint32_t)n}, t->s + at,
                       -1))
            break; /* nobody wants to know any more */
        at += n;
    }
    text_consume(t, t->len);
}

static void send_end(int channel, int status, bool changed, const char *err)
{
    struct deck_message m = {
        .kind = ANSWER_END, .status = status, .changed = changed, .len = (uint32_t)strlen(err)};
    (void)deck_send(channel, &m, err, -1);
}

/* To its end, or until it waits. */
static int run_on(struct run *r, int channel)
{
    uint32_t idle = 0;
    while (r->status == RUN_MORE && (r->ready || r->wake <= deck_now(r->deck)) && idle++ < TURNS) {
        if (r->out.len + r->notes.len > 0)
            idle = 0;
        send_text(channel, ANSWER_OUT, &r->out);
        send_text(channel, ANSWER_NOTE, &r->notes);
        run_step(r, deck_now(r->deck));
    }
    if (r->status != RUN_MORE)
        return r->status;
    run_interrupt(r);
    (void)run_fail(
        r, EXIT_FAILED,
        "`%s` waits for something to happen, and on a tape no time passes while one looks",
        r->argv[0]);
    return EXIT_FAILED;
}

static bool follows_the_journal(char *const *argv)
{
    return strcmp(argv[0], "events") == 0;
}

/* `events` tells what comes from now on, and nothing will: so it tells what the journal has. */
static struct run *start(struct deck *d, int argc, char *const *argv, bool json, bool tty)
{
    char *words[WORDS_MAX + 3], since[] = "--since", age[32];
    bool said = !follows_the_journal(argv);
    for (int i = 0; i < argc; i++) {
        words[i] = argv[i];
        said = said || strcmp(argv[i], "--since") == 0 || strcmp(argv[i], "--help") == 0;
    }
    if (!said) {
        (void)snprintf(age, sizeof(age), "%llus", (unsigned long long)(deck_now(d) / TD_SEC + 1));
        words[argc++] = since;
        words[argc++] = age;
    }
    words[argc] = NULL;
    return run_start(d, argc, words, json, tty);
}

void deck_command(struct tape *t, int channel, int argc, char *const *argv, bool json, bool tty)
{
    struct text out = {0};
    char msg[256];
    int status = EXIT_DONE;
    if (t->ops->command != NULL && t->ops->command(t, argc, argv, json, &out, &status)) {
        /* With a bad status, its output is the sentence. */
        bool sentence = status != EXIT_DONE;
        if (!sentence)
            send_text(channel, ANSWER_OUT, &out);
        send_end(channel, status, false, sentence && out.s != NULL ? out.s : "");
        return;
    }
    const char *refused = deck_command_refused(argc, argv);
    if (refused != NULL) {
        send_end(channel, EXIT_FAILED, false, refused);
        return;
    }
    if (t->deck == NULL) {
        (void)snprintf(
            msg, sizeof(msg),
            "there is no command '%.64s' here: no stack is on this tape, it was only watched; "
            "`replay -i --play SIDE FILE` puts one on it",
            argv[0]);
        send_end(channel, EXIT_USAGE, false, msg);
        return;
    }
    uint64_t before = happenings(t);
    struct run *r = start(t->deck, argc, argv, json, tty);
    status = run_on(r, channel);
    if (follows_the_journal(argv) && status == EXIT_FAILED) { /* it has told all, up to here */
        status = EXIT_DONE;
        r->err[0] = '\0';
    }
    send_text(channel, ANSWER_OUT, &r->out);
    send_text(channel, ANSWER_NOTE, &r->notes);
    send_end(channel, status,
             status == EXIT_DONE && (happenings(t) != before || word_of_change(argc, argv)),
             r->err);
}
