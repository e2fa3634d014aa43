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

struct sysctl {
    struct run *run;
    const char *prefix; /* NULL = all */
    bool values_only, found;
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
    else if (s->values_only)
        run_printf(s->run, "%s\n", value);
    else
        run_printf(s->run, "%s = %s\n", name, value);
}

static void sysctl_each(void *ctx, const char *name, const char *doc)
{
    (void)doc;
    struct sysctl *s = ctx;
    size_t n = s->prefix != NULL ? strlen(s->prefix) : 0;
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
            return run_fail(r, EXIT_USAGE, "'%s' doesn't fit %s: write some of, in quotes: %s", value,
                            name, knob_info[i].words);
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

static int sysctl_main(struct run *r)
{
    struct sysctl s = {.run = r};
    bool all = false, write = false, quiet = false, asked = false;
    int status = EXIT_DONE;
    char name[128];
    for (int i = 1; i < r->argc; i++) {
        const char *w = r->argv[i];
        if (w[0] != '-')
            continue;
        if (strcmp(w, "-a") == 0)
            all = true;
        else if (strcmp(w, "-w") == 0)
            write = true;
        else if (strcmp(w, "-n") == 0)
            s.values_only = true;
        else if (strcmp(w, "-q") == 0)
            quiet = true;
        else if (strcmp(w, "-j") == 0)
            r->json = true;
        else
            return run_bad_word(r, i, "the options here are -a, -w, -n, -q and -j");
    }
    if (r->json)
        jw_open(&r->jw, NULL, '{');
    for (int i = 1; i < r->argc && status == EXIT_DONE; i++) {
        const char *w = r->argv[i], *eq = strchr(w, '=');
        if (w[0] == '-')
            continue;
        asked = true;
        if (eq != NULL) {
            char left[128];
            snprintf(left, sizeof(left), "%.*s", (int)(eq - w), w);
            for (size_t n = strlen(left); n > 0 && left[n - 1] == ' '; n--)
                left[n - 1] = '\0';
            normalise(left, name, sizeof(name));
            for (eq++; *eq == ' '; eq++)
                ;
            status = sysctl_set(r, name, eq);
            if (status == EXIT_DONE && !quiet)
                sysctl_print(&s, name);
        } else if (write) {
            status = run_fail(r, EXIT_USAGE, "'%s' has no value: write `sysctl -w %s=VALUE`", w, w);
        } else {
            normalise(w, name, sizeof(name));
            s.prefix = name;
            s.found = false;
            td_knob_each(r->deck->st, sysctl_each, &s);
            if (!s.found)
                sysctl_print(&s, name);
            if (!s.found)
                status = no_knob(r, name);
        }
    }
    if (all) {
        s.prefix = NULL;
        td_knob_each(r->deck->st, sysctl_each, &s);
    } else if (!asked) {
        status = run_fail(
            r, EXIT_USAGE,
            "which knob? write `sysctl NAME`, `sysctl -w NAME=VALUE`, or `sysctl -a` for all");
    }
    if (r->json) {
        jw_close(&r->jw, '}');
        run_puts(r, "\n");
    }
    return status;
}

const struct command command_sysctl = {
    .name = "sysctl",
    .usage = "sysctl [-a] [-w] [-n] [-q] [-j] [KNOB[=VALUE]]...",
    .doc = "the stack's knobs, under Linux's names",
    .more = "NAME may be the beginning of several (net.ipv4.conf). Examples:\n"
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
