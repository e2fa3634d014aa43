/* tapdeckd/cmd_knobs.c: `sysctl` and `nstat`: knobs and counters, in their tools' words and shapes.
 */
#include "tapdeckd/deck.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/nearest.h"

/* ---- sysctl ---- */

struct assignment { /* `was`: to put it back when one of the others is refused */
    char name[128], value[256], was[256];
};

struct sysctl {
    struct run *run;
    const char *prefix;  /* NULL = all */
    const char *pattern; /* --pattern: fnmatch's, or a part of the name; NULL = any */
    bool values_only, names_only, ignore, found;
    struct assignment *set;
    size_t n;
};

/* Dots and slashes are the same to sysctl. */
static void normalise(const char *s, char *dst, size_t size)
{
    size_t n = 0;
    for (; *s && n + 1 < size; s++)
        dst[n++] = *s == '/' ? '.' : *s;
    dst[n] = '\0';
}

static void sysctl_print(struct sysctl *s, const char *name)
{
    char value[256];
    if (td_knob_get(s->run->deck->st, name, value, sizeof(value)) < 0)
        return;
    s->found = true;
    if (s->run->json)
        jw_str(&s->run->jw, name, value);
    else if (s->values_only || s->names_only)
        run_printf(s->run, "%s\n", s->names_only ? name : value);
    else
        run_printf(s->run, "%s = %s\n", name, value);
}

static void sysctl_each(void *ctx, const char *name, const char *doc)
{
    (void)doc;
    struct sysctl *s = ctx;
    size_t n = s->prefix != NULL ? strlen(s->prefix) : 0;
    if (s->pattern != NULL && fnmatch(s->pattern, name, 0) != 0 && strstr(name, s->pattern) == NULL)
        return;
    if (n == 0 || (strncmp(name, s->prefix, n) == 0 && (name[n] == '\0' || name[n] == '.')))
        sysctl_print(s, name);
}

static void offer_knob(void *ctx, const char *name, const char *doc)
{
    (void)doc;
    nearest_offer(ctx, name);
}

static int no_knob(struct run *r, const char *name)
{
    struct nearest n = {.word = name};
    td_knob_each(r->deck->st, offer_knob, &n);
    if (n.best[0] != '\0')
        return run_fail(r, EXIT_USAGE, "there is no knob '%s': did you mean '%s'?", name, n.best);
    return run_fail(r, EXIT_USAGE, "there is no knob '%s': `sysctl -a` lists them", name);
}

static int sysctl_set(struct run *r, const char *name, const char *value)
{
    int err = td_knob_set(r->deck->st, name, value);
    if (err == 0)
        return EXIT_DONE;
    if (err == -ENOENT)
        return no_knob(r, name);
    for (int i = 0; i < KNOB_COUNT; i++) {
        if (strcmp(knob_info[i].name, name) != 0)
            continue;
        if (knob_info[i].fixed)
            return run_fail(r, EXIT_USAGE, "%s can only be read", name);
        if (knob_info[i].set)
            return run_fail(r, EXIT_USAGE, "'%s' doesn't fit %s: write some of, in quotes: %s",
                            value, name, knob_info[i].words);
        if (knob_info[i].words != NULL)
            return run_fail(r, EXIT_USAGE, "'%s' doesn't fit %s: write one of: %s", value, name,
                            knob_info[i].words);
        if (err == -ERANGE)
            return run_fail(r, EXIT_USAGE, "'%s' is out of range for %s: it takes %lld to %lld",
                            value, name, (long long)knob_info[i].min, (long long)knob_info[i].max);
        return run_fail(r, EXIT_USAGE, "'%s' doesn't fit %s: write %s", value, name,
                        knob_info[i].nvalues == 3 ? "up to three whole numbers in quotes"
                                                  : "a whole number");
    }
    return run_fail(r, EXIT_USAGE, "'%s' doesn't fit %s: %s", value, name,
                    err == -ERANGE ? "it is out of range" : "write a whole number");
}

/* "NAME = VALUE" into the list. False: no memory, or too long. */
static bool assignment_new(struct sysctl *s, const char *text)
{
    const char *value = strchr(text, '=') + 1;
    struct assignment *a = realloc(s->set, (s->n + 1) * sizeof(*a));
    char raw[sizeof(a->name)];
    if (a == NULL)
        return false;
    s->set = a;
    a += s->n;
    text += strspn(text, " \t");
    value += strspn(value, " \t");
    size_t name_len = strcspn(text, " \t="), len = strlen(value);
    while (len > 0 && strchr(" \t\r\n", value[len - 1]) != NULL)
        len--;
    if (name_len >= sizeof(raw) || len >= sizeof(a->value))
        return false;
    snprintf(raw, sizeof(raw), "%.*s", (int)name_len, text);
    normalise(raw, a->name, sizeof(a->name));
    snprintf(a->value, sizeof(a->value), "%.*s", (int)len, value);
    s->n++;
    return true;
}

/* All, or none: what was set goes back when one is refused. */
static int sysctl_apply(struct run *r, struct sysctl *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct assignment *a = &s->set[i];
        bool known = td_knob_get(r->deck->st, a->name, a->was, sizeof(a->was)) >= 0;
        if (!known && s->ignore)
            continue;
        int status = sysctl_set(r, a->name, a->value);
        if (status == EXIT_DONE)
            continue;
        while (i-- > 0)
            (void)td_knob_set(r->deck->st, s->set[i].name, s->set[i].was);
        return status;
    }
    return EXIT_DONE;
}

/* Lines of `name = value`; # and ; begin comments. */
static int sysctl_file(struct run *r, struct sysctl *s, const char *name)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    FILE *f = run_open(r, name);
    int status = EXIT_DONE;
    if (f == NULL)
        return EXIT_USAGE;
    for (unsigned at = 1; status == EXIT_DONE && (n = getline(&line, &size, f)) >= 0; at++) {
        const char *word = line + strspn(line, " \t\r\n");
        if (*word == '\0' || *word == '#' || *word == ';')
            continue;
        if (strchr(word, '=') == NULL)
            status = run_fail(
                r, EXIT_USAGE,
                "%s: line %u has no value: write `name = value` (nothing was changed)", name, at);
        else if (!assignment_new(s, word))
            status =
                run_fail(r, EXIT_USAGE, "%s: line %u is too long (nothing was changed)", name, at);
    }
    free(line);
    fclose(f);
    return status;
}

/* What the words ask for beyond assignments. */
static int sysctl_read(struct run *r, struct sysctl *s)
{
    int status = EXIT_DONE;
    for (int i = 1; i < r->argc && status == EXIT_DONE; i++) {
        char name[128];
        const char *w = r->argv[i];
        if (w[0] == '-' || strchr(w, '=') != NULL || (i > 1 && strcmp(r->argv[i - 1], "-p") == 0) ||
            (i > 1 &&
             (strcmp(r->argv[i - 1], "--pattern") == 0 || strcmp(r->argv[i - 1], "-r") == 0)))
            continue;
        normalise(w, name, sizeof(name));
        s->prefix = name;
        s->found = false;
        td_knob_each(r->deck->st, sysctl_each, s);
        if (!s->found && s->pattern == NULL)
            sysctl_print(s, name);
        if (!s->found && !s->ignore)
            status = no_knob(r, name);
    }
    return status;
}

struct sysctl_words {
    bool all, write, quiet, asked;
};

static int sysctl_words(struct run *r, struct sysctl *s, struct sysctl_words *o)
{
    static const struct {
        const char *word;
        char letter;
    } longs[] = {{"--all", 'a'},   {"--write", 'w'},  {"--values", 'n'},  {"--quiet", 'q'},
                 {"--names", 'N'}, {"--ignore", 'e'}, {"--pattern", 'r'}, {"--load", 'p'}};
    for (int i = 1; i < r->argc; i++) {
        const char *w = r->argv[i], *value;
        char letter = w[0] == '-' && w[1] != '\0' && w[2] == '\0' ? w[1] : '\0';
        for (size_t k = 0; k < sizeof(longs) / sizeof(*longs); k++)
            if (strcmp(w, longs[k].word) == 0)
                letter = longs[k].letter;
        if (w[0] != '-') {
            o->asked = true;
            if (strchr(w, '=') == NULL && o->write)
                return run_fail(r, EXIT_USAGE, "'%s' has no value: write `sysctl -w %s=VALUE`", w,
                                w);
            if (strchr(w, '=') != NULL && !assignment_new(s, w))
                return run_fail(r, EXIT_USAGE, "'%.40s...' is too long for a knob", w);
            continue;
        }
        switch (letter) {
        case 'a':
        case 'A':
            o->all = true;
            break;
        case 'w':
            o->write = true;
            break;
        case 'n':
            s->values_only = true;
            break;
        case 'N':
            s->names_only = true;
            break;
        case 'q':
            o->quiet = true;
            break;
        case 'e':
            s->ignore = true;
            break;
        case 'j':
            r->json = true;
            break;
        case 'r':
            if ((s->pattern = run_value(r, i++, "a pattern")) == NULL)
                return EXIT_USAGE;
            break;
        case 'p':
            if ((value = run_value(r, i++, "a file")) == NULL ||
                sysctl_file(r, s, value) != EXIT_DONE)
                return EXIT_USAGE;
            o->asked = true;
            break;
        default:
            return run_bad_word(
                r, i, "the options here are -a, -w, -n, -N, -e, -q, -r PATTERN, -p FILE and -j");
        }
    }
    return EXIT_DONE;
}

static int sysctl_main(struct run *r)
{
    struct sysctl s = {.run = r};
    struct sysctl_words o = {0};
    int status = sysctl_words(r, &s, &o);
    if (status == EXIT_DONE && !o.asked && !o.all && s.pattern == NULL)
        status = run_fail(
            r, EXIT_USAGE,
            "which knob? write `sysctl NAME`, `sysctl -w NAME=VALUE`, or `sysctl -a` for all");
    if (status == EXIT_DONE)
        status = sysctl_apply(r, &s);
    if (status == EXIT_DONE) {
        if (r->json)
            jw_open(&r->jw, NULL, '{');
        for (size_t i = 0; i < s.n && !o.quiet; i++)
            sysctl_print(&s, s.set[i].name);
        if (o.all || (s.pattern != NULL && !o.asked)) {
            s.prefix = NULL;
            td_knob_each(r->deck->st, sysctl_each, &s);
        } else {
            status = sysctl_read(r, &s);
        }
        if (r->json) {
            jw_close(&r->jw, '}');
            run_puts(r, "\n");
        }
    }
    free(s.set);
    return status;
}

const struct command command_sysctl = {
    .name = "sysctl",
    .usage = "sysctl [-a] [-w] [-n] [-N] [-e] [-q] [-j] [-r PATTERN] [-p FILE] [KNOB[=VALUE]]...",
    .doc = "the stack's knobs, under Linux's names",
    .more = "NAME may be the beginning of several (net.ipv4.conf). -n values alone, -N names "
            "alone, -r those with PATTERN in "
            "their\nname (or of its form: '*rmem*'), -e passes over names that aren't there, -p "
            "sets what a file's lines "
            "say\n(`name = value`). Several are set all or none.\n"
            "Examples:\n"
            "  sysctl net.ipv4.ip_forward\n"
            "  sysctl -w net.ipv4.tcp_rmem=\"4096 131072 6291456\"\n"
            "  sysctl -w tapdeck.journal.level=2",
    .fn = sysctl_main,
};

/* ---- nstat ---- */

static bool wanted(const struct run *r, int first, const char *name)
{
    if (first >= r->argc)
        return true;
    for (int i = first; i < r->argc; i++)
        if (fnmatch(r->argv[i], name, 0) == 0)
            return true;
    return false;
}

/* Not counters but states: they have no increase. */
static bool is_gauge(const char *name)
{
    return strcmp(name, "TcpCurrEstab") == 0 || strcmp(name, "IpForwarding") == 0;
}

static int nstat_main(struct run *r)
{
    struct deck *d = r->deck;
    bool absolute = false, zeros = false, reset = false, keep = false, silent = false;
    int i = 1;
    for (; i < r->argc && r->argv[i][0] == '-'; i++) {
        if (strcmp(r->argv[i], "-j") == 0 || strcmp(r->argv[i], "--json") == 0) {
            r->json = true;
            continue;
        }
        for (const char *c = r->argv[i] + 1; *c; c++) {
            if (*c == 'a')
                absolute = true;
            else if (*c == 'z')
                zeros = true;
            else if (*c == 'r')
                reset = true;
            else if (*c == 's')
                keep = true;
            else if (*c == 'n')
                silent = true;
            else if (*c == 'j')
                r->json = true;
            else
                return run_bad_word(r, i, "the options here are -a, -z, -n, -r, -s and -j");
        }
    }
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_open(&r->jw, "kernel", '{');
    } else if (!silent) {
        run_puts(r, "#tapdeck\n");
    }
    for (int c = 0; c < CNT_COUNT; c++) {
        const struct counter_info *info = &counter_info[c];
        uint64_t now = d->st->counters.v[c];
        uint64_t since = absolute || is_gauge(info->name) ? 0 : reset ? now : d->nstat_last[c];
        uint64_t v = now - since;
        if (!wanted(r, i, info->name))
            continue;
        if (v != 0 || zeros) {
            if (r->json)
                jw_u64(&r->jw, info->name, v);
            else if (!silent)
                run_printf(r, "%-32s%-16llu%6.1f\n", info->name, (unsigned long long)v, 0.0);
        }
        if (!keep && !absolute)
            d->nstat_last[c] = now;
    }
    if (r->json) {
        jw_close(&r->jw, '}');
        jw_close(&r->jw, '}');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

const struct command command_nstat = {
    .name = "nstat",
    .usage = "nstat [-a] [-z] [-n] [-r] [-s] [-j] [COUNTER]...",
    .doc = "the stack's counters, under the MIBs' names as nstat prints them",
    .more = "Without -a: what was added since the last nstat; -a: since the start; -z: zeros too; "
            "-s: doesn't count as an\n"
            "nstat; -r: begins anew; -n: prints nothing.\n"
            "Examples:\n  nstat -az 'Tcp*'\n  nstat -a IcmpInEchos",
    .fn = nstat_main,
};
