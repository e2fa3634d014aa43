/* drill/sysctl.c: what scripts ask of the shell, as knobs of the stack.
 *
 * Theory of operation. Scripts set up the kernel with shell commands: nearly always sysctl, or a
 * helper that writes /proc/sys, or the suites' common init script. No shell runs here. A text is
 * cut into commands (lines, ;, &&) and these into words, with quotes and redirections as a shell
 * has them, and each command must be one of the few below; the first that isn't makes the script
 * unsupported, never passed (behind it, || may offer another way). nstat is one of them: its
 * counters are the stack's, and a grep behind it that finds nothing fails. A knob the stack hasn't
 * got makes it unsupported too, except for those that only steer offloads, queues and caches of a
 * kernel and that nothing on the wire shows here. Attributes of the route to the remote host (ip
 * route … rto_min, initcwnd, congctl) are knobs, too: no other host is in a script.
 */
#include "tapdeck/drill/sysctl.h"

#include "common/parse.h"
#include "tapdeck/drill/nstat.h"
#include "tapdeck/stack.h"
#include "tcp/tcp.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64
#define WORD_LEN  256

/* Kernel tuning without a trace on this stack's wire: segmentation offload, local queues, caches.
 */
static const char *const harmless[] = {
    "net.ipv4.tcp_tso_win_divisor",
    "net.ipv4.tcp_tso_rtt_log",
    "net.ipv4.tcp_autocorking",
    "net.ipv4.tcp_limit_output_bytes",
    "net.ipv4.tcp_no_metrics_save",
    "net.ipv4.tcp_no_ssthresh_metrics_save",
    "net.ipv4.tcp_backlog_ack_defer",
    "net.ipv4.tcp_early_demux",
    "net.ipv4.ip_early_demux",
    "net.ipv4.tcp_low_latency",
    "net.ipv4.tcp_available_congestion_control",
    "net.ipv4.tcp_allowed_congestion_control",
    "net.core.default_qdisc",
    "net.core.optmem_max",
    "net.core.netdev_max_backlog",
    "net.core.bpf_jit_enable",
    "net.core.busy_poll",
    "net.core.busy_read",
    "net.ipv4.tcp_retrans_collapse",
    "net.ipv4.tcp_adv_win_scale", /* without effect in Linux, too, since 6.6 */
    "net.ipv4.tcp_app_win",
    "net.ipv4.tcp_child_ehash_entries",
    "net.ipv4.tcp_comp_sack_slack_ns",
    "net.ipv4.tcp_ecn_option", /* of accurate ECN, which tcp_ecn doesn't offer here */
    "net.ipv4.tcp_ecn_option_beacon",
};

/* What the stack hasn't got, and so is as if it were off. */
static const char *const absent[] = {
    "net.ipv4.tcp_plb_enabled",     "net.ipv4.tcp_thin_linear_timeouts",
    "net.ipv4.tcp_stdurg",          "net.ipv4.tcp_migrate_req",
    "net.ipv4.tcp_reflect_tos",     "net.ipv4.tcp_workaround_signed_windows",
    "net.ipv4.tcp_l3mdev_accept",   "net.ipv4.tcp_fwmark_accept",
    "net.ipv4.ip_forward_use_pmtu", "net.mptcp.enabled",
};

/* What the common init script establishes. A knob the stack hasn't got is passed over: the
 * scripts that need it set it by name. */
static const struct {
    const char *name, *value;
} common[] = {
    {"net.ipv4.tcp_congestion_control", "cubic"},
    {"net.ipv4.tcp_sack", "1"},
    {"net.ipv4.tcp_dsack", "1"},
    {"net.ipv4.tcp_timestamps", "1"},
    {"net.ipv4.tcp_window_scaling", "1"},
    {"net.ipv4.tcp_rmem", "4096 540000 15728640"},
    {"net.ipv4.tcp_wmem", "4096 262144 4194304"},
    {"net.ipv4.tcp_max_window", "15728640"},
    {"net.ipv4.tcp_initial_cwnd", "10"},
    {"net.ipv4.tcp_syn_retries", "5"},
    {"net.ipv4.tcp_synack_retries", "5"},
    {"net.ipv4.tcp_frto", "2"},
    {"net.ipv4.tcp_recovery", "1"},
    {"net.ipv4.tcp_early_retrans", "3"},
    {"net.ipv4.tcp_reordering", "3"},
    {"net.ipv4.tcp_slow_start_after_idle", "0"},
    {"net.ipv4.tcp_moderate_rcvbuf", "1"},
    {"net.ipv4.tcp_ecn", "0"},
    {"net.ipv4.tcp_syncookies", "1"},
    {"net.ipv4.tcp_fastopen", "1027"}, /* client, server, on every listener */
    {"net.ipv4.tcp_fastopen_key", "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4"},
    {"net.ipv4.tcp_notsent_lowat", "4294967295"},
    {"net.ipv4.tcp_mtu_probing", "0"},
};

static enum shell_answer no(struct shell *sh, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static enum shell_answer no(struct shell *sh, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sh->why, sizeof sh->why, fmt, ap);
    va_end(ap);
    return SHELL_UNSUPPORTED;
}

/* ---- knobs ---- */

/* "0x70403" as the decimal number knobs are written in; anything else as it stands. */
static void decimal(const char *value, char *out, size_t size)
{
    char *end;
    if (strncmp(value, "0x", 2) == 0) {
        unsigned long long v = strtoull(value, &end, 16);
        if (*end == '\0') {
            snprintf(out, size, "%llu", v);
            return;
        }
    }
    snprintf(out, size, "%s", value);
}

/* Nothing would be different if it were set. */
static bool is_harmless(const char *name, const char *value)
{
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
        if (strcmp(harmless[i], name) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        if (strcmp(absent[i], name) == 0 && strcmp(value, "0") == 0) {
            return true;
        }
    }
    return false;
}

static enum shell_answer set_knob(struct shell *sh, const char *name, const char *value)
{
    char plain[WORD_LEN], dotted[WORD_LEN], now[WORD_LEN];
    snprintf(dotted, sizeof dotted, "%s", name);
    for (char *c = dotted; *c != '\0'; c++) {
        *c = *c == '/' ? '.' : *c;
    }
    if (is_harmless(dotted, value)) {
        return SHELL_DONE;
    }
    decimal(value, plain, sizeof plain);
    int err = td_knob_get(sh->st, dotted, now, sizeof now);
    if (err >= 0) {
        err = sh->dry ? 0 : td_knob_set(sh->st, dotted, plain);
    }
    if (err == -ENOENT) {
        return no(sh, "the stack has no knob %s", dotted);
    }
    if (err == -ERANGE && td_knob_get(sh->st, dotted, now, sizeof now) > 0) {
        return no(sh, "%s can't be %s (it is %s)", dotted, value, now);
    }
    if (err != 0) {
        return no(sh, "%s can't be '%s'", dotted, value);
    }
    return SHELL_DONE;
}

/* "net.ipv4.tcp_ecn=1", "/proc/sys/net/ipv4/tcp_ecn=1" */
static enum shell_answer assign(struct shell *sh, const char *word)
{
    char name[WORD_LEN];
    const char *eq = strchr(word, '=');
    if (eq == NULL || eq == word) {
        return no(sh, "'%s' sets no knob", word);
    }
    snprintf(name, sizeof name, "%.*s", (int)(eq - word), word);
    const char *n = strncmp(name, "/proc/sys/", 10) == 0 ? name + 10 : name;
    return set_knob(sh, n, eq + 1);
}

/* The init script stands in a directory "common" in one suite, beside the scripts in the other;
 * that one doesn't make every listener a Fast Open listener. */
static enum shell_answer common_init(struct shell *sh, const char *path)
{
    for (size_t i = 0; !sh->dry && i < sizeof common / sizeof common[0]; i++) {
        (void)td_knob_set(sh->st, common[i].name, common[i].value);
    }
    if (!sh->dry && strstr(path, "common/") == NULL) {
        (void)td_knob_set(sh->st, "net.ipv4.tcp_fastopen", "3");
    }
    return SHELL_DONE;
}

/* ---- commands ---- */

struct command {
    char word[WORDS_MAX][WORD_LEN];
    unsigned n;
    char to[WORD_LEN];                                     /* > here */
    enum { JOIN_NEXT, JOIN_AND, JOIN_OR, JOIN_PIPE } join; /* with what comes behind it */
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static bool sysctl_option(const char *word)
{
    static const char *const words[] = {"--quiet", "--write", "--ignore", "--values"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(word, words[i]) == 0) {
            return true;
        }
    }
    return strspn(word + 1, "qwen") == strlen(word + 1);
}

/* A name alone: sysctl would show its value. */
static enum shell_answer show_knob(struct shell *sh, const char *name)
{
    char now[WORD_LEN];
    return is_harmless(name, "0") || td_knob_get(sh->st, name, now, sizeof now) >= 0
               ? SHELL_DONE
               : no(sh, "the stack has no knob %s", name);
}

static enum shell_answer do_sysctl(struct shell *sh, const struct command *c, unsigned from)
{
    bool any = false;
    for (unsigned i = from; i < c->n; i++) {
        if (c->word[i][0] == '-') {
            if (!sysctl_option(c->word[i])) {
                return no(sh, "sysctl %s", c->word[i]);
            }
            continue;
        }
        any = true;
        enum shell_answer a =
            strchr(c->word[i], '=') != NULL ? assign(sh, c->word[i]) : show_knob(sh, c->word[i]);
        if (a != SHELL_DONE) {
            return a;
        }
    }
    return any ? SHELL_DONE : no(sh, "a sysctl that sets nothing");
}

/* Queues of the kernel's tun0: the stack's own queue is never full here, and paces nothing: TCP
 * does that itself where the script wants fq. */
static enum shell_answer do_tc(struct shell *sh, const struct command *c)
{
    static const char *const plain[] = {"pfifo", "pfifo_fast", "fq", "fq_codel", "noqueue"};
    bool qdisc = c->n >= 6 && strcmp(c->word[1], "qdisc") == 0 && strcmp(c->word[3], "dev") == 0 &&
                 strcmp(c->word[5], "root") == 0;
    const char *verb = qdisc ? c->word[2] : "";
    if (c->n == 6 && (strcmp(verb, "del") == 0 || strcmp(verb, "delete") == 0)) {
        return SHELL_DONE;
    }
    bool make = strcmp(verb, "add") == 0 || strcmp(verb, "replace") == 0;
    bool room = c->n == 7 || (c->n == 9 && strcmp(c->word[7], "limit") == 0 &&
                              strtoul(c->word[8], NULL, 10) >= 100);
    for (size_t i = 0; make && room && i < sizeof plain / sizeof plain[0]; i++) {
        if (strcmp(c->word[6], plain[i]) == 0) {
            return set_knob(sh, "net.ipv4.tcp_pacing", strcmp(plain[i], "fq") == 0 ? "1" : "0");
        }
    }
    return no(sh, "this tc command");
}

static enum shell_answer do_ethtool(struct shell *sh, const struct command *c)
{
    if (c->n < 5 || c->n % 2 != 1 ||
        (strcmp(c->word[1], "-K") != 0 && strcmp(c->word[1], "-k") != 0 &&
         strcmp(c->word[1], "--offload") != 0 && strcmp(c->word[1], "--features") != 0)) {
        return no(sh, "this ethtool command");
    }
    return SHELL_DONE; /* offloads: segments are cut and sums are made by the stack itself */
}

/* ---- routes ---- */

/* Is the remote host behind this destination: "default", "192.0.2.0/24", "192.0.2.1"? */
static bool covers_remote(const struct shell *sh, const char *prefix)
{
    td_ip4 addr;
    char host[WORD_LEN];
    unsigned long bits = 32;
    const char *slash = strchr(prefix, '/');
    if (strcmp(prefix, "default") == 0 || strcmp(prefix, "0/0") == 0) {
        return true;
    }
    snprintf(host, sizeof host, "%.*s", (int)(slash != NULL ? slash - prefix : 200), prefix);
    if (slash != NULL) {
        char *end;
        bits = strtoul(slash + 1, &end, 10);
        if (*end != '\0' || end == slash + 1) {
            return false;
        }
    }
    return parse_ip4(host, &addr) && bits <= 32 &&
           (bits == 0 || ((addr ^ sh->remote) >> (32 - bits)) == 0);
}

/* "5ms", "1s", "200us"; a number alone is of milliseconds. False: it is no such time. */
static bool route_time(const char *word, unsigned long long *us)
{
    char *end;
    unsigned long long v = strtoull(word, &end, 10);
    bool ok = *word >= '0' && *word <= '9' && v <= 1000000000;
    if (strcmp(end, "s") == 0) {
        *us = v * 1000000;
    } else if (strcmp(end, "ms") == 0 || *end == '\0') {
        *us = v * 1000;
    } else if (strcmp(end, "us") == 0) {
        *us = v;
    } else {
        ok = false;
    }
    return ok;
}

/* An attribute of the route to the remote host is a knob here: a script has no other host. */
static enum shell_answer route_attribute(struct shell *sh, const char *name, const char *value)
{
    char plain[32];
    unsigned long long us;
    if (strcmp(name, "initcwnd") == 0) {
        return set_knob(sh, "net.ipv4.tcp_initial_cwnd", value);
    }
    if (strcmp(name, "congctl") == 0) {
        return set_knob(sh, "net.ipv4.tcp_congestion_control", value);
    }
    if (strcmp(name, "rto_min") == 0 && route_time(value, &us)) {
        snprintf(plain, sizeof plain, "%llu", us);
        return set_knob(sh, "net.ipv4.tcp_rto_min_us", plain);
    }
    return no(sh, "the route attribute %s %s", name, value);
}

/* ip route change|replace PREFIX [via A] [dev D] [proto|scope|src|metric X] ATTRIBUTE VALUE… */
static enum shell_answer do_route(struct shell *sh, const struct command *c)
{
    static const char *const place[] = {"via", "dev", "proto", "scope", "src", "metric"};
    const char *verb = c->n > 2 ? c->word[2] : "show";
    if (strcmp(verb, "show") == 0 || strcmp(verb, "list") == 0 || strcmp(verb, "ls") == 0) {
        return SHELL_DONE;
    }
    if ((strcmp(verb, "change") != 0 && strcmp(verb, "replace") != 0) || c->n < 4 ||
        !covers_remote(sh, c->word[3])) {
        return no(sh, "this ip route command");
    }
    for (unsigned i = 4; i < c->n; i++) {
        bool where = false;
        for (size_t k = 0; k < sizeof place / sizeof place[0]; k++) {
            where |= strcmp(c->word[i], place[k]) == 0;
        }
        const char *name = c->word[i++];
        if (i < c->n && strcmp(c->word[i], "lock") == 0) {
            i++;
        }
        if (i >= c->n) {
            return no(sh, "a route attribute %s without its value", name);
        }
        enum shell_answer a = where ? SHELL_DONE : route_attribute(sh, name, c->word[i]);
        if (a != SHELL_DONE) {
            return a;
        }
    }
    return SHELL_DONE;
}

static enum shell_answer do_ip(struct shell *sh, const struct command *c)
{
    const char *what = c->n > 1 ? c->word[1] : "";
    if (strcmp(what, "route") == 0 || strcmp(what, "ro") == 0 || strcmp(what, "r") == 0) {
        return do_route(sh, c);
    }
    if (c->n >= 3 && strcmp(c->word[1], "tcp_metrics") == 0 && strcmp(c->word[2], "flush") == 0) {
        if (!sh->dry) {
            tcp_fastopen_forget(sh->st);
        }
        return SHELL_DONE;
    }
    return no(sh, "this ip command");
}

static enum shell_answer do_sleep(struct shell *sh, const struct command *c)
{
    char *end;
    double seconds = c->n == 2 ? strtod(c->word[1], &end) : -1;
    if (c->n != 2 || *end != '\0' || !(seconds >= 0 && seconds <= 100000)) {
        return no(sh, "this sleep command");
    }
    sh->sleep += (td_time)(seconds * 1e9);
    return SHELL_DONE;
}

/* Parameters of the kernel's CUBIC: HyStart as a whole, and which of its two signs it looks at.
 * Only both together are to be had. */
static enum shell_answer cubic_parameter(struct shell *sh, const char *name, const char *value)
{
    bool off = strcmp(name, "hystart") == 0 && strcmp(value, "0") == 0;
    bool on = (strcmp(name, "hystart") == 0 && strcmp(value, "1") == 0) ||
              (strcmp(name, "hystart_detect") == 0 && strcmp(value, "3") == 0);
    if (!off && !on) {
        return no(sh, "CUBIC's parameter %s can't be '%s'", name, value);
    }
    return set_knob(sh, "net.ipv4.tcp_cubic_hystart", off ? "0" : "1");
}

static enum shell_answer do_echo(struct shell *sh, const struct command *c)
{
    static const char cubic[] = "/sys/module/tcp_cubic/parameters/";
    if (c->n == 2 && strncmp(c->to, cubic, sizeof cubic - 1) == 0) {
        return cubic_parameter(sh, c->to + sizeof cubic - 1, c->word[1]);
    }
    if (strncmp(c->to, "/proc/sys/", 10) != 0) {
        return c->to[0] == '\0' || strcmp(c->to, "/dev/null") == 0 ? SHELL_DONE
                                                                   : no(sh, "writing to %s", c->to);
    }
    char value[WORD_LEN * 4] = "";
    for (unsigned i = 1; i < c->n; i++) {
        if (i == 1 && strcmp(c->word[i], "-n") == 0) {
            continue;
        }
        size_t used = strlen(value);
        snprintf(value + used, sizeof value - used, "%s%s", used > 0 ? " " : "", c->word[i]);
    }
    return set_knob(sh, c->to + 10, value);
}

static enum shell_answer do_command(struct shell *sh, const struct command *c)
{
    unsigned i = 0;
    while (i + 1 < c->n && (strcmp(c->word[i], "source") == 0 || strcmp(c->word[i], ".") == 0 ||
                            strcmp(c->word[i], "sh") == 0 || strcmp(c->word[i], "bash") == 0 ||
                            strcmp(c->word[i], "sudo") == 0 || strcmp(c->word[i], "python") == 0 ||
                            strcmp(c->word[i], "python3") == 0)) {
        i++;
    }
    const char *name = base_name(c->word[i]);
    if (strcmp(name, "sysctl") == 0) {
        return do_sysctl(sh, c, i + 1);
    }
    if (strcmp(name, "defaults.sh") == 0) {
        return common_init(sh, c->word[i]);
    }
    if (strcmp(name, "set_sysctls.py") == 0) {
        return i + 1 < c->n ? do_sysctl(sh, c, i + 1) : common_init(sh, c->word[i]);
    }
    if (strncmp(name, "sysctl_restore_", 15) == 0) {
        return SHELL_DONE; /* the stack ends with its script */
    }
    if (i == 0 && strcmp(name, "tc") == 0) {
        return do_tc(sh, c);
    }
    if (i == 0 && strcmp(name, "ethtool") == 0) {
        return do_ethtool(sh, c);
    }
    if (i == 0 && strcmp(name, "ip") == 0) {
        return do_ip(sh, c);
    }
    if (i == 0 && strcmp(name, "sleep") == 0) {
        return do_sleep(sh, c);
    }
    if (i == 0 && strcmp(name, "echo") == 0) {
        return do_echo(sh, c);
    }
    if (strcmp(name, "true") == 0 || strcmp(name, ":") == 0) {
        return SHELL_DONE;
    }
    return no(sh, "the shell command '%s'", c->word[0]);
}

/* ---- words ---- */

/* $((15*1024*1024)): numbers and * only. *p is behind "$((". */
static bool product(const char **p, char *out, size_t size)
{
    unsigned long long v = 1;
    const char *s = *p;
    for (;;) {
        char *end;
        s += strspn(s, " ");
        if (*s < '0' || *s > '9') {
            return false;
        }
        v *= strtoull(s, &end, 0);
        s = end + strspn(end, " ");
        if (*s != '*') {
            break;
        }
        s++;
    }
    if (strncmp(s, "))", 2) != 0) {
        return false;
    }
    *p = s + 2;
    snprintf(out, size, "%llu", v);
    return true;
}

struct scan {
    const char *p;
    char word[WORD_LEN];
    size_t n;
    bool any; /* a word has begun: "" is one */
};

static bool put(struct scan *s, char c)
{
    s->any = true;
    if (s->n + 1 >= sizeof s->word) {
        return false;
    }
    s->word[s->n++] = c;
    s->word[s->n] = '\0';
    return true;
}

/* One word, with quotes. False: a construct that isn't spoken here. */
static bool scan_word(struct scan *s)
{
    char quote = '\0';
    s->n = 0;
    s->word[0] = '\0';
    s->any = false;
    for (;; s->p++) {
        char c = *s->p;
        if (c == '\0') {
            return quote == '\0';
        }
        if (quote == '\0' && strchr(" \t\n;&|<>#", c) != NULL) {
            if (c == '#' && s->any) {
                if (!put(s, c)) {
                    return false;
                }
                continue;
            }
            return true;
        }
        if (c == quote && c != '\0') {
            quote = '\0';
        } else if (quote == '\0' && (c == '"' || c == '\'')) {
            quote = c;
            s->any = true;
        } else if (quote != '\'' && strncmp(s->p, "$((", 3) == 0) {
            char number[32];
            s->p += 3;
            if (!product(&s->p, number, sizeof number)) {
                return false;
            }
            for (const char *d = number; *d != '\0'; d++) {
                if (!put(s, *d)) {
                    return false;
                }
            }
            s->p--;
        } else if (quote == '\0' && c == '\\' && s->p[1] == '\n') {
            s->p++;
        } else if (!put(s, c)) {
            return false;
        }
    }
}

/* One command, up to what ends it. */
static enum shell_answer scan_command(struct shell *sh, struct scan *s, struct command *c)
{
    c->n = 0;
    c->to[0] = '\0';
    c->join = JOIN_NEXT;
    for (;;) {
        s->p += strspn(s->p, " \t");
        if (s->p[0] == '\\' && s->p[1] == '\n') {
            s->p += 2;
            continue;
        }
        if (*s->p == '#') {
            s->p += strcspn(s->p, "\n");
        }
        if (*s->p == '\0' || *s->p == '\n' || *s->p == ';') {
            s->p += *s->p != '\0';
            return SHELL_DONE;
        }
        if (strncmp(s->p, "&&", 2) == 0 || strncmp(s->p, "||", 2) == 0) {
            c->join = *s->p == '&' ? JOIN_AND : JOIN_OR;
            s->p += 2;
            return SHELL_DONE;
        }
        if (*s->p == '|') {
            c->join = JOIN_PIPE;
            s->p++;
            return SHELL_DONE;
        }
        if (strncmp(s->p, "2>&1", 4) == 0) {
            s->p += 4;
            continue;
        }
        if (*s->p == '>' || strncmp(s->p, "2>", 2) == 0 || strncmp(s->p, "&>", 2) == 0) {
            bool errors = *s->p == '2';
            s->p += *s->p == '>' ? 1 : 2;
            s->p += *s->p == '>';
            s->p += strspn(s->p, " \t");
            if (!scan_word(s) || !s->any) {
                return no(sh, "this redirection");
            }
            if (!errors) {
                snprintf(c->to, sizeof c->to, "%s", s->word);
            }
            continue;
        }
        if (!scan_word(s) || !s->any || c->n == WORDS_MAX) {
            return no(sh, "the shell command '%s …'", c->n > 0 ? c->word[0] : "?");
        }
        memcpy(c->word[c->n++], s->word, WORD_LEN);
    }
}

/* nstat … | grep …: what nstat prints, through the greps behind it. The last of these decides, as
 * in a shell. c is the nstat, and the last grep in the end. */
static enum shell_answer do_nstat(struct shell *sh, struct scan *s, struct command *c)
{
    struct nstat_lines lines;
    if (!nstat_run(sh->nstat, sh->st, sh->dry, c->word, c->n, &lines)) {
        return no(sh, "this nstat command");
    }
    enum shell_answer a = SHELL_DONE;
    while (c->join == JOIN_PIPE) {
        size_t i = 1;
        enum shell_answer cut = scan_command(sh, s, c);
        if (cut != SHELL_DONE) {
            return cut;
        }
        i += c->n >= 2 && strcmp(c->word[1], "-q") == 0;
        if (strcmp(c->word[0], "grep") != 0 || c->n != i + 1 ||
            strpbrk(c->word[i], "\\.*[]^$") != NULL) {
            return no(sh, "nstat through anything but grep WORD");
        }
        if (!sh->dry) {
            a = nstat_grep(&lines, c->word[i]) > 0 ? SHELL_DONE : SHELL_FAILED;
            snprintf(sh->why, sizeof sh->why, "no counter says %.100s", c->word[i]);
        } else if (isalpha((unsigned char)c->word[i][0]) && !nstat_known(c->word[i])) {
            return no(sh, "the stack has no counter %s", c->word[i]);
        }
    }
    return a;
}

enum shell_answer shell_run(struct shell *sh, const char *text)
{
    struct scan s = {.p = text};
    struct command *c = malloc(sizeof *c);
    enum shell_answer a = SHELL_DONE;
    bool skip = false; /* the left side of || was enough, that of && was not */
    if (c == NULL) {
        return no(sh, "a command for which there is no memory");
    }
    while (*s.p != '\0') {
        enum shell_answer cut = scan_command(sh, &s, c);
        if (cut != SHELL_DONE) {
            a = cut;
            break;
        }
        if (c->n > 0 && !skip) {
            bool nstat = strcmp(base_name(c->word[0]), "nstat") == 0;
            a = nstat ? do_nstat(sh, &s, c) : do_command(sh, c);
            if (!nstat && c->join == JOIN_PIPE) {
                a = no(sh, "the shell command '%s | …'", c->word[0]);
            }
        }
        bool good = a == SHELL_DONE;
        if (a == SHELL_UNSUPPORTED && c->join != JOIN_OR) {
            break;
        }
        skip = c->join == JOIN_OR ? good : c->join == JOIN_AND && !good;
    }
    free(c);
    return a;
}
