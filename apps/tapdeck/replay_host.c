/* tapdeck/replay_host.c: `tapdeck replay --play ADDR`: its words. The work is done in
 * replay/host.h. */
#include "tapdeck/replay_host.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/jsonw.h"
#include "common/parse.h"
#include "replay/host.h"
#include "replay/verdicts.h"
#include "tapdeck/replay_deck.h"
#include "tapdeck/replay_play.h"
#include "tapdeck/replay_report.h"

struct words {
    struct host_options o;
    struct deck_words deck;
    bool json;
    struct report_words report;
    const char *who; /* the first --play's word */
};

bool replay_is_host(int argc, char **argv)
{
    td_ip4 a;
    uint8_t plen;
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "--play") == 0)
            return parse_prefix(argv[i + 1], &a, &plen);
    return false;
}

static int play_word(struct session *s, const char *word, struct host_options *o)
{
    if (o->nifs == HOST_IFS)
        return session_fail(s, EXIT_USAGE, "--play %s: a host has at most %d interfaces here", word,
                            HOST_IFS);
    if (!parse_prefix(word, &o->iface[o->nifs].addr, &o->iface[o->nifs].plen) ||
        o->iface[o->nifs].addr == 0)
        return session_fail(s, EXIT_USAGE,
                            "--play %s: the first was a host's address, and so must the others be, "
                            "for example 10.0.0.1/24",
                            word);
    if (strchr(word, '/') == NULL)
        o->iface[o->nifs].plen = 33;
    o->nifs++;
    return EXIT_DONE;
}

/* An option and its value. -1: it is none. */
static int valued(struct session *s, const char *option, const char *value, struct words *w)
{
    static const char *const all[] = {"--play", "--on",  "--run",       "--config",
                                      "--knob", "--mtu", "--checksums", "--report",
                                      "--mac",  "-e",    "-o",          "-w"};
    struct host_options *o = &w->o;
    unsigned k = 0;
    while (k < sizeof(all) / sizeof(*all) && strcmp(option, all[k]) != 0)
        k++;
    if (k == sizeof(all) / sizeof(*all))
        return -1;
    if (value == NULL)
        return session_fail(s, EXIT_USAGE, "%s needs a value after it", option);
    if (k == 0 && w->who == NULL)
        w->who = value;
    if (k == 0)
        return play_word(s, value, o);
    if (k == 7 || k > 9)
        return report_option(s, option, value, &w->report);
    if (k == 1 && (o->nifs == 0 || strlen(value) > 15 || value[0] == '\0'))
        return session_fail(
            s, EXIT_USAGE,
            "--on %s: it names the interface of the --play before it, in at most 15 letters",
            value);
    if (k == 1)
        o->iface[o->nifs - 1].name = value;
    else if (k == 2 && o->nruns < HOST_WORDS)
        o->run[o->nruns++] = value;
    else if (k == 3)
        o->config = value;
    else if (k == 4 && o->nknobs < HOST_WORDS)
        o->knob[o->nknobs++] = value;
    else if (k == 2 || k == 4)
        return session_fail(s, EXIT_USAGE, "%s goes at most %d times", option, HOST_WORDS);
    else if (k == 5 && (!parse_u32(value, 65535, &o->mtu) || o->mtu < 68))
        return session_fail(s, EXIT_USAGE, "--mtu needs a number from 68 to 65535");
    else if (k == 6)
        return replay_sums(value, &o->sums)
                   ? EXIT_DONE
                   : session_fail(s, EXIT_USAGE, "--checksums needs honour, repair or drop");
    else if (k == 8 && (o->nifs == 0 || !parse_mac(value, &o->iface[o->nifs - 1].mac)))
        return session_fail(
            s, EXIT_USAGE,
            "--mac %s: it gives the --play before it a MAC address, for example 02:00:00:00:00:01",
            value);
    else if (k == 8)
        o->iface[o->nifs - 1].has_mac = true;
    else if (k == 9 && w->deck.nlines < DECK_LINES)
        w->deck.line[w->deck.nlines++] = value;
    else if (k == 9)
        return session_fail(s, EXIT_USAGE, "-e goes at most %d times", DECK_LINES);
    return EXIT_DONE;
}

static int read_words(struct session *s, int argc, char **argv, struct words *w)
{
    *w = (struct words){.json = s->json, .o = {.sums = SUMS_REPAIR}};
    for (int i = 1; i < argc; i++) {
        int status = argv[i][0] == '-' ? valued(s, argv[i], argv[i + 1], w) : -1;
        if (status > 0)
            return status;
        if (status == EXIT_DONE)
            i++;
        else if (strcmp(argv[i], "-j") == 0)
            w->json = true;
        else if (strcmp(argv[i], "-i") == 0)
            w->deck.wanted = true;
        else if (strcmp(argv[i], "-n") == 0)
            continue;
        else if (argv[i][0] == '-' && argv[i][1] != '\0')
            return session_fail(
                s, EXIT_USAGE,
                "%s doesn't go with --play of a whole host: `help replay` lists what does",
                argv[i]);
        else if (w->o.nfiles == HOST_IFS)
            return session_fail(s, EXIT_USAGE, "'%s': at most %d files", argv[i], HOST_IFS);
        else
            w->o.file[w->o.nfiles++] = argv[i];
    }
    w->deck.wanted |= w->deck.nlines > 0;
    if (w->o.nfiles == 0)
        return session_fail(s, EXIT_USAGE, "which capture? write `replay --play ADDR FILE`");
    w->json = w->json || w->report.form == REPORT_JSON;
    if (w->o.nfiles > 1 && (w->report.form == REPORT_HTML || w->report.copy != NULL))
        return session_fail(s, EXIT_USAGE, "'%s' after '%s': --report html and -w are of one file",
                            w->o.file[1], w->o.file[0]);
    if (w->deck.wanted &&
        (w->report.form != REPORT_PLAIN || w->report.to != NULL || w->report.copy != NULL))
        return session_fail(s, EXIT_USAGE, "-i: the console is no report; %s doesn't go with it",
                            w->report.copy != NULL ? "-w"
                            : w->report.to != NULL ? "-o"
                                                   : "--report");
    if (w->o.nfiles > w->o.nifs)
        return session_fail(s, EXIT_USAGE, "'%s': a file for each --play, and there are only %u",
                            w->o.file[w->o.nifs], w->o.nifs);
    return report_words_fit(s, &w->report, w->json, w->o.file[0]);
}

struct output {
    struct host *h;
    struct words *w;
    FILE *to;
    struct text t;
    struct jsonw jw;
};

static void put(struct output *out)
{
    if (out->t.len > 0)
        (void)fwrite(out->t.s, 1, out->t.len, out->to);
    out->t.len = 0;
}

static void row(void *ctx, const struct host_row *r)
{
    struct output *out = ctx;
    if (out->w->json)
        host_json_row(&out->jw, r, host_iface(out->h, r->iface));
    else
        host_print_row(r, host_iface(out->h, r->iface), &out->t);
    put(out);
}

/* One pass (replay_report.h). */
static int run_host(void *ctx, struct verdicts *v, FILE *to, char *msg, size_t msg_size)
{
    struct words *w = ctx;
    struct output out = {.w = w, .to = to};
    int status = EXIT_DONE;
    out.jw.t = &out.t;
    w->o.row = to != NULL ? row : NULL;
    w->o.ctx = &out;
    if (v != NULL) {
        v->host_row = w->o.row;
        v->row_ctx = w->o.ctx;
        w->o.row = verdicts_host_row;
        w->o.ctx = v;
    }
    out.h = host_open(&w->o, &status, msg, msg_size);
    if (out.h == NULL)
        return status;
    if (w->json) {
        jw_open(&out.jw, NULL, '{');
        jw_open(&out.jw, "frames", '[');
    } else {
        text_printf(&out.t, "%6s %11s  %-7s %11s  %s%s\n", "packet", "seconds", "verdict", "sent",
                    w->o.nifs > 1 ? "on      " : "", "what it is, and what the journal says of it");
    }
    bool shown = isatty(STDERR_FILENO) && (to == NULL || !isatty(fileno(to))), drawn = false;
    for (uint64_t n = 1; host_step(out.h); n++)
        if (shown && n % 16384 == 0) {
            drawn = true;
            fprintf(stderr, "\r%" PRIu64 " packets", host_summary(out.h)->packets);
        }
    if (drawn)
        fputs("\r\033[K", stderr);
    host_finish(out.h);
    if (w->json) {
        jw_close(&out.jw, ']');
        host_json_sum(&out.jw, host_summary(out.h));
        jw_close(&out.jw, '}');
        text_puts(&out.t, "\n");
    } else {
        host_print_sum(host_summary(out.h), &out.t);
    }
    if (v != NULL)
        host_print_sum(host_summary(out.h), &v->says);
    if (to != NULL)
        put(&out);
    text_free(&out.t);
    host_close(out.h);
    return EXIT_DONE;
}

int replay_host(struct session *s, int argc, char **argv)
{
    struct words w;
    char msg[2048];
    int status = read_words(s, argc, argv, &w);
    if (status != EXIT_DONE)
        return status;
    if (w.deck.wanted) {
        struct host *h = host_open(&w.o, &status, msg, sizeof(msg));
        if (h == NULL)
            return session_fail(s, status, "%s", msg);
        w.deck.tape = host_tape(h);
        w.deck.file = w.o.file[0];
        w.deck.json = w.json;
        return replay_deck(s, &w.deck);
    }
    const struct report_played played = {.run = run_host,
                                         .ctx = &w,
                                         .file = w.o.file[0],
                                         .who = w.who,
                                         .flow = -1,
                                         .side = -1,
                                         .json = w.json};
    status = report_played(s, &w.report, &played, msg, sizeof(msg));
    return status == EXIT_DONE ? status : session_fail(s, status, "%s", msg);
}
