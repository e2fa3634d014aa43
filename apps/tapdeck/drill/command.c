/* drill/command.c: `tapdeck drill`: scripts are read, then explained or run, one after the other.
 *
 * Each file is one line of the report: ok, FAIL, unsupported or error; below a failure stand what
 * was expected, what came, and the stack's reasons. Nothing outside the process is touched: no
 * daemon, no device, no shell.
 */
#include "tapdeck/drill/drill.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/control.h"
#include "common/jsonw.h"
#include "tapdeck/local.h"

#define TEXT_MAX_                                                                                  \
    (1u << 20) /* what drill_parse takes; one more byte is read, so that it can say so */
#define DEFINES_MAX 64

static const char about[] =
    "Runs packet scripts against a stack of its own, in virtual time: no root, no device, no "
    "waiting.\n"
    "FILE may be - for the standard input. One line a file: ok, FAIL, unsupported or error; below "
    "a "
    "FAIL\n"
    "what was expected, what came, and the stack's reasons.\n"
    "\n"
    "  -v                 prints what happened when, event by event\n"
    "  -j                 JSON instead of text\n"
    "  -w FILE            writes the packets of the script to a capture: pcapng if FILE ends so, with "
    "the\n"
    "                     stack's reasons as comments; else pcap. The same script gives the same bytes\n"
    "  -D NAME=VALUE      reads the word NAME in a script as VALUE: an integer, a word, a "
    "\"string\" "
    "or a\n"
    "                     `command`\n"
    "  --explain          prints the scripts as prose instead of running them\n"
    "  --help             this page\n"
    "\n"
    "Options of the language; these override those at the top of a file:\n"
    "  --tolerance_usecs=N --tolerance_percent=P   how far from its time a packet may leave (4000, "
    "12.5)\n"
    "  --strict_segments  segments aren't joined before they are compared\n"
    "  --strict_end       a packet left over at the end is a failure\n"
    "  --local_ip=A[/N] --remote_ip=A[/N] --gateway_ip=A --netmask_ip=M --bind_port=N "
    "--connect_port=N\n"
    "  --mtu=N --mss=N --tcp_ts_tick_usecs=N --tcp_ts_ecr_scaled --non_fatal=packet,syscall\n"
    "  --profile=linux|rfc  the stack's knobs to begin with (linux)\n"
    "  --fault=NAME       switches a deliberate bug on in the stack, such as no-karn (all stand "
    "in\n"
    "                     stack/core/faults.def); may be given more than once\n"
    "  --seed=N           of the stack's random numbers (1)\n"
    "  --define=NAME=VALUE --verbose   as -D and -v\n"
    "\n"
    "Exit status: 0 all passed, 1 one failed or is unsupported, 2 bad usage, a file that can't be "
    "read or\n"
    "is no script, a report that can't be written.\n"
    "\n"
    "Example: tapdeck drill --tolerance_percent=0 handshake.pkt\n";

struct drill_job {
    struct drill_options options; /* the command line's own */
    struct drill_define define[DEFINES_MAX];
    struct drill_defines defines;
    bool json, explain;
    unsigned passed, failed, unsupported, errors;
};

/* ---- the command line ---- */

static bool bad_usage(const char *fmt, const char *what)
{
    fputs("tapdeck: drill: ", stderr);
    fprintf(stderr, fmt, what);
    fputs("\n", stderr);
    return false;
}

/* NAME=VALUE, in place. */
static bool add_define(struct drill_job *job, char *word)
{
    char *eq = word != NULL ? strchr(word, '=') : NULL;
    if (eq == NULL || eq == word || eq[1] == '\0')
        return bad_usage("-D needs NAME=VALUE, not '%s'", word != NULL ? word : "");
    if (job->defines.n == DEFINES_MAX)
        return bad_usage("%s", "more than 64 definitions");
    *eq = '\0';
    job->define[job->defines.n++] = (struct drill_define){.name = word, .value = eq + 1};
    return true;
}

/* "name=value", in place; or "name", with its value in the word behind it: *rest is that one, NULL
 * when it has been used. */
static bool long_option(struct drill_job *job, char *word, char **rest)
{
    struct drill_error err = {0};
    char *eq = strchr(word, '=');
    char *value = eq != NULL ? eq + 1 : NULL;
    if (eq != NULL) {
        *eq = '\0';
    } else if (drill_option_takes_value(word)) {
        value = *rest;
        *rest = NULL;
    }
    if (strcmp(word, "define") == 0)
        return add_define(job, value);
    bool explains = strcmp(word, "explain") == 0;
    if (explains || strcmp(word, "json") == 0) {
        if (eq != NULL)
            return bad_usage("--%s takes no value", word);
        *(explains ? &job->explain : &job->json) = true;
        return true;
    }
    /* What isn't supported here can't be run, whatever the files say. */
    if (drill_option_set(&job->options, word, value, &err) != DRILL_PASSED)
        return bad_usage("%s (`tapdeck drill --help` lists the options)", err.text);
    return true;
}

/* "jvD": *rest is the word behind this one, NULL when it has been used. */
static bool letters(struct drill_job *job, char *word, char **rest)
{
    for (char *c = word; *c != '\0'; c++) {
        switch (*c) {
        case 'j':
            job->json = true;
            break;
        case 'v':
            if (!long_option(job, (char[]){"verbose"}, rest))
                return false;
            break;
        case 'D': {
            char *value = c[1] != '\0' ? c + 1 : *rest;
            if (value == *rest)
                *rest = NULL;
            return add_define(job, value);
        }
        case 'w':
            job->options.capture = c[1] != '\0' ? c + 1 : *rest;
            if (job->options.capture == NULL)
                return bad_usage("%s", "-w needs a file to write, for example `-w out.pcapng`");
            if (job->options.capture == *rest)
                *rest = NULL;
            return true;
        default:
            *(c + 1) = '\0';
            return bad_usage("there is no option -%s (`tapdeck drill --help` lists them)", c);
        }
    }
    return true;
}

/* Takes the options out of argv; what is left, in its order, are the files. Their number, or -1. */
static int read_words(struct drill_job *job, int argc, char **argv)
{
    int files = 0;
    bool options = true;
    for (int i = 0; i < argc; i++) {
        char *word = argv[i];
        if (!options || word[0] != '-' || word[1] == '\0') {
            argv[files++] = word;
        } else if (strcmp(word, "--") == 0) {
            options = false;
        } else {
            char *rest = i + 1 < argc ? argv[i + 1] : NULL;
            bool there = rest != NULL;
            if (!(word[1] == '-' ? long_option(job, word + 2, &rest)
                                 : letters(job, word + 1, &rest)))
                return -1;
            i += there && rest == NULL;
        }
    }
    return files;
}

/* ---- files ---- */

/* *text is the caller's to free. False: errno says why. */
static bool read_file(const char *name, char **text, size_t *len)
{
    bool standard = strcmp(name, "-") == 0;
    FILE *f = standard ? stdin : fopen(name, "r");
    *text = NULL;
    if (f == NULL)
        return false;
    char *s = malloc(TEXT_MAX_ + 1);
    bool ok = s != NULL;
    if (ok) {
        *len = fread(s, 1, TEXT_MAX_ + 1, f);
        ok = ferror(f) == 0;
    }
    int err = errno;
    if (!standard)
        fclose(f);
    if (!ok)
        free(s);
    else
        *text = s;
    errno = err;
    return ok;
}

/* ---- the report ---- */

static const char *status_word(enum drill_verdict v)
{
    switch (v) {
    case DRILL_PASSED:
        return "passed";
    case DRILL_FAILED:
        return "failed";
    case DRILL_UNSUPPORTED:
        return "unsupported";
    default:
        return "error";
    }
}

static void print_part(const char *title, const struct text *t)
{
    const char *s = t->s;
    if (t->len == 0)
        return;
    printf("    %s:\n", title);
    while (*s != '\0') {
        size_t n = strcspn(s, "\n");
        printf("        %.*s\n", (int)n, s);
        s += n + (s[n] == '\n');
    }
}

static void print_report(const char *name, const struct drill_report *r)
{
    const char *reason = r->reason.len > 0 ? r->reason.s : "";
    const char *word = r->verdict == DRILL_FAILED        ? "FAIL"
                       : r->verdict == DRILL_UNSUPPORTED ? "unsupported"
                                                         : "error";
    if (r->verdict == DRILL_PASSED)
        printf("ok %s (%zu events, %lld.%06lld s)\n", name, r->events,
               (long long)(r->usecs / 1000000), (long long)(r->usecs % 1000000));
    else if (r->line > 0)
        printf("%s %s:%u: %s\n", word, name, r->line, reason);
    else
        printf("%s %s: %s\n", word, name, reason);
    if (r->verdict == DRILL_FAILED) {
        print_part("expected", &r->expected);
        print_part("got", &r->got);
    }
    print_part("exchange", &r->exchange);
    print_part("notes", &r->notes);
    if (r->verdict == DRILL_FAILED)
        print_part("journal", &r->journal);
}

static void json_part(struct jsonw *w, const char *key, const struct text *t)
{
    if (t->len > 0)
        jw_str(w, key, t->s);
}

static void json_report(struct jsonw *w, const char *name, const struct drill_report *r)
{
    jw_open(w, NULL, '{');
    jw_str(w, "file", name);
    jw_str(w, "status", status_word(r->verdict));
    if (r->line > 0)
        jw_u64(w, "line", r->line);
    json_part(w, "reason", &r->reason);
    json_part(w, "expected", &r->expected);
    json_part(w, "got", &r->got);
    json_part(w, "journal", &r->journal);
    json_part(w, "notes", &r->notes);
    json_part(w, "exchange", &r->exchange);
    if (r->verdict == DRILL_PASSED || r->verdict == DRILL_FAILED) {
        jw_u64(w, "events", r->events);
        jw_i64(w, "time_us", r->usecs);
    }
    jw_close(w, '}');
}

/* What couldn't be run: a file that isn't there, no script, a construct that isn't supported. */
static void tell_error(struct drill_job *job, struct jsonw *w, const char *name,
                       const struct drill_error *e)
{
    bool error = e->verdict != DRILL_UNSUPPORTED;
    *(error ? &job->errors : &job->unsupported) += 1;
    if (job->json && !job->explain) {
        jw_open(w, NULL, '{');
        jw_str(w, "file", name);
        jw_str(w, "status", status_word(e->verdict));
        if (e->line > 0) {
            jw_u64(w, "line", e->line);
            jw_u64(w, "column", e->col);
        }
        jw_str(w, "reason", e->text);
        if (e->expected[0] != '\0')
            jw_str(w, "expected", e->expected);
        jw_close(w, '}');
        if (!error)
            return;
    }
    fflush(stdout);
    FILE *out = error ? stderr : stdout;
    fputs(error ? "tapdeck: " : "unsupported ", out);
    if (e->line > 0 && error)
        fprintf(out, "%s:%u:%u: %s\n", name, e->line, e->col, e->text);
    else if (e->line > 0)
        fprintf(out, "%s:%u: %s\n", name, e->line, e->text);
    else
        fprintf(out, "%s: %s\n", name, e->text);
}

/* ---- one file ---- */

static void explain(const struct drill_script *s, const struct drill_error *e, bool heading)
{
    struct text t = {0};
    if (heading)
        text_printf(&t, "%s\n", s->name);
    drill_explain(&t, s);
    if (e->verdict == DRILL_UNSUPPORTED)
        text_printf(&t, "This script can't be run here: line %u: %s.\n", e->line, e->text);
    fputs(t.s, stdout);
    text_free(&t);
}

static void run(struct drill_job *job, struct jsonw *w, const struct drill_script *s)
{
    struct drill_report r;
    struct drill_options o;
    drill_options_default(&o);
    drill_options_merge(&o, &s->options);
    drill_options_merge(&o, &job->options);
    o.capture = job->options.capture;
    if (o.local_ip == o.remote_ip) {
        struct drill_error e = {.verdict = DRILL_SYNTAX};
        snprintf(e.text, sizeof(e.text),
                 "--local_ip and --remote_ip are the same address; expected two hosts");
        tell_error(job, w, s->name, &e);
        return;
    }
    drill_run(s, &o, &r);
    *(r.verdict == DRILL_PASSED        ? &job->passed
      : r.verdict == DRILL_FAILED      ? &job->failed
      : r.verdict == DRILL_UNSUPPORTED ? &job->unsupported
                                       : &job->errors) += 1;
    if (job->json)
        json_report(w, s->name, &r);
    else
        print_report(s->name, &r);
    drill_report_free(&r);
}

static void do_file(struct drill_job *job, struct jsonw *w, const char *name, bool heading)
{
    struct drill_error e = {.verdict = DRILL_SYNTAX};
    struct drill_script *s = NULL;
    char *text;
    size_t len = 0;
    if (!read_file(name, &text, &len)) {
        snprintf(e.text, sizeof(e.text), "can't be read: %s; expected a file with a packet script",
                 strerror(errno));
        tell_error(job, w, name, &e);
        return;
    }
    drill_parse(name, text, len, &job->defines, &s, &e);
    free(text);
    if (s == NULL || (s->unsupported && !job->explain))
        tell_error(job, w, name, &e);
    else if (job->explain)
        explain(s, &e, heading);
    else
        run(job, w, s);
    drill_free(s);
}

static void do_files(struct drill_job *job, int n, char **names)
{
    struct text out = {0};
    struct jsonw w = {.t = &out};
    bool json = job->json && !job->explain;
    if (json)
        jw_open(&w, NULL, '[');
    for (int i = 0; i < n; i++) {
        do_file(job, &w, names[i], n > 1);
        if (out.len > 0)
            fwrite(out.s, 1, out.len, stdout);
        text_consume(&out, out.len);
    }
    if (json) {
        jw_close(&w, ']');
        printf("%s\n", out.s);
    } else if (n > 1 && !job->explain) {
        printf("%u passed, %u failed, %u unsupported, %u errors\n", job->passed, job->failed,
               job->unsupported, job->errors);
    }
    text_free(&out);
}

int drill_main(int argc, char **argv, bool json)
{
    struct drill_job job = {.json = json};
    job.defines.list = job.define;
    drill_options_default(&job.options);
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            local_print_help(&local_drill, stdout);
            return EXIT_DONE;
        }
    }
    int n = read_words(&job, argc - 1, argv + 1);
    if (n == 0)
        bad_usage("%s", "a script is needed: write `tapdeck drill FILE.pkt`");
    if (n > 1 && job.options.capture != NULL)
        n = bad_usage("%s", "-w takes the packets of one script: write one FILE.pkt") ? n : 0;
    if (n <= 0)
        return EXIT_USAGE;
    do_files(&job, n, argv + 1);
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        bad_usage("the report can't be written: %s", strerror(errno));
        return EXIT_USAGE;
    }
    return job.errors > 0 ? EXIT_USAGE : job.failed + job.unsupported > 0 ? EXIT_FAILED : EXIT_DONE;
}

static int drill_command(struct session *s, int argc, char **argv)
{
    return drill_main(argc, argv, s->json);
}

const struct local_command local_drill = {
    .name = "drill",
    .usage = "drill [-v] [-j] [-w FILE] [-D NAME=VALUE] [--explain] [--profile={linux | rfc}] [--fault=FAULT] [--seed=N]\n"
             "      [--strict_segments] [--strict_end] [--tolerance_usecs=N] [--tolerance_percent=P] [OPTION]... FILE...",
    .doc = "plays packet scripts against a stack of its own, in virtual time",
    .more = about,
    .fn = drill_command,
};
