/* tapdeck/extcap.c: `extcap`: interfaces of running daemons in Wireshark's own list.
 *
 * Wireshark asks every program in its extcap directory what it can capture from, and how
 * (extcap(4)); scripts/ install-extcap puts a small script there that calls this. The conversation
 * is in options:
 *
 *     --extcap-interfaces                          which interfaces there are
 *     --extcap-interface I --extcap-dlts           their link type
 *     --extcap-interface I --extcap-config         what can be chosen
 *     --extcap-interface I --extcap-capture-filter F     is F an expression? (nothing said: yes)
 *     --extcap-interface I --capture --fifo FILE [--extcap-capture-filter F] [--direction D]
 * [--snaplen N]
 *
 * An interface is called tapdeck-DAEMON:IFACE. Daemons are those whose sockets lie where clients
 * look for them, and that answer: each is asked for its interfaces, so nothing is shown that can't
 * be captured from.
 */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/filter.h"
#include "tapdeck/local.h"

#define PREFIX     "tapdeck-"
#define DAEMONS    64
#define FILTER_MAX 4096

struct extcap {
    bool interfaces, dlts, config, capture;
    const char *interface, *fifo, *filter, *direction, *snaplen;
};

/* A word of an argument vector that nobody will change. */
static char *word(const char *s)
{
    return (char *)(uintptr_t)s;
}

/* ---- words ---- */

/* "--name=value", or "--name" and the next word. NULL: it isn't that option, or has no value. */
static const char *value_of(int argc, char **argv, int *i, const char *name)
{
    size_t n = strlen(name);
    if (strncmp(argv[*i], name, n) != 0)
        return NULL;
    if (argv[*i][n] == '=')
        return argv[*i] + n + 1;
    return argv[*i][n] == '\0' && *i + 1 < argc ? argv[++*i] : NULL;
}

static bool extcap_words(int argc, char **argv, struct extcap *e, const char **bad)
{
    const struct {
        const char *name, **value;
    } values[] = {
        {"--extcap-interface", &e->interface},
        {"--fifo", &e->fifo},
        {"--extcap-capture-filter", &e->filter},
        {"--direction", &e->direction},
        {"--snaplen", &e->snaplen},
    };
    const char *ignored;
    *e = (struct extcap){0};
    for (int i = 1; i < argc; i++) {
        const char *found = NULL;
        if (strcmp(argv[i], "--extcap-interfaces") == 0)
            e->interfaces = true;
        else if (strcmp(argv[i], "--extcap-dlts") == 0)
            e->dlts = true;
        else if (strcmp(argv[i], "--extcap-config") == 0)
            e->config = true;
        else if (strcmp(argv[i], "--capture") == 0)
            e->capture = true;
        else if ((ignored = value_of(argc, argv, &i, "--extcap-version")) == NULL) {
            for (size_t k = 0; k < sizeof values / sizeof *values && found == NULL; k++)
                if ((found = value_of(argc, argv, &i, values[k].name)) != NULL)
                    *values[k].value = found;
            if (found == NULL) {
                *bad = argv[i];
                return false;
            }
        }
    }
    return true;
}

/* ---- which there are ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of daemons whose sockets lie in the usual directories, each once, in order. */
static size_t daemons(char *names[DAEMONS])
{
    char dir[256];
    size_t n = 0, distinct = 0;
    for (unsigned k = 0; run_dir_candidate(k, dir, sizeof dir); k++) {
        DIR *d = opendir(dir);
        const struct dirent *e;
        while (d != NULL && n < DAEMONS && (e = readdir(d)) != NULL) {
            size_t len = strlen(e->d_name);
            if (len <= 5 || strcmp(e->d_name + len - 5, ".sock") != 0)
                continue;
            names[n] = strndup(e->d_name, len - 5);
            if (names[n] != NULL && daemon_name_ok(names[n]))
                n++;
            else
                free(names[n]);
        }
        if (d != NULL)
            (void)closedir(d);
    }
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++) {
        if (distinct > 0 && strcmp(names[distinct - 1], names[i]) == 0)
            free(names[i]);
        else
            names[distinct++] = names[i];
    }
    return distinct;
}

/* A daemon's interfaces as JSON; NULL: it doesn't answer, or isn't ours to ask. */
static json_t *interfaces_of(const char *name)
{
    struct client c;
    char msg[1024], *text = NULL, *words[] = {word("capture"), word("interfaces")};
    size_t size = 0;
    json_t *list = NULL;
    if (client_connect(&c, name, msg, sizeof msg) != EXIT_DONE)
        return NULL;
    FILE *f = open_memstream(&text, &size);
    if (f != NULL && client_run(&c, 2, words, true, false, f, msg, sizeof msg) == EXIT_DONE) {
        (void)fflush(f);
        list = json_loads(text, 0, NULL);
    }
    if (f != NULL)
        (void)fclose(f);
    free(text);
    client_end(&c);
    return list;
}

static void list_one(FILE *out, const char *name, const char *interface, const char *what)
{
    (void)fprintf(out, "interface {value=" PREFIX "%s:%s}{display=tapdeck %s: %s}\n", name,
                  interface, name, what);
}

static int list_interfaces(struct session *s)
{
    char *names[DAEMONS];
    size_t n = daemons(names), k;
    json_t *item;
    (void)fprintf(s->out, "extcap {version=" TAPDECK_VERSION
                          "}{help=https://www.wireshark.org/docs/man-pages/extcap.html}"
                          "{display=tapdeck}\n");
    for (size_t i = 0; i < n; i++) {
        json_t *list = interfaces_of(names[i]);
        json_array_foreach(list, k, item)
        {
            const char *interface = json_string_value(json_object_get(item, "ifname"));
            if (interface != NULL && strpbrk(interface, "{}\n") == NULL)
                list_one(s->out, names[i], interface, interface);
        }
        if (list != NULL)
            list_one(s->out, names[i], "any", "all interfaces");
        json_decref(list);
        free(names[i]);
    }
    return EXIT_DONE;
}

static void config(FILE *out)
{
    (void)fputs("arg {number=0}{call=--direction}{display=Direction}{type=selector}"
                "{tooltip=Frames that come in, that go out, or both}\n"
                "value {arg=0}{value=inout}{display=Both}{default=true}\n"
                "value {arg=0}{value=in}{display=In}{default=false}\n"
                "value {arg=0}{value=out}{display=Out}{default=false}\n"
                "arg {number=1}{call=--snaplen}{display=Bytes of each "
                "packet}{type=unsigned}{range=0,262144}{default=0}"
                "{tooltip=0: all}\n",
                out);
}

/* ---- capturing ---- */

/* "tapdeck-DAEMON:IFACE" into its parts; false: it isn't that. */
static bool parts(const char *interface, char name[DAEMON_NAME_MAX + 1], const char **dev)
{
    const char *colon = interface != NULL ? strchr(interface, ':') : NULL;
    size_t n = strlen(PREFIX);
    if (colon == NULL || strncmp(interface, PREFIX, n) != 0 ||
        (size_t)(colon - interface) - n > DAEMON_NAME_MAX)
        return false;
    (void)snprintf(name, DAEMON_NAME_MAX + 1, "%.*s", (int)((size_t)(colon - interface) - n),
                   interface + n);
    *dev = colon + 1;
    return daemon_name_ok(name) && **dev != '\0';
}

struct fifo {
    FILE *to;
    bool broken;
};

/* Wireshark closes the pipe when somebody presses Stop. */
static ssize_t fifo_write(void *ctx, const char *bytes, size_t n)
{
    struct fifo *f = ctx;
    if (!f->broken && (fwrite(bytes, 1, n, f->to) != n || fflush(f->to) != 0)) {
        f->broken = true;
        interrupts = 1;
    }
    return (ssize_t)n;
}

static int capture(struct session *s, const struct extcap *e, const char *name, const char *dev)
{
    char err[1024] = "", *words[16];
    int n = 0;
    struct client c;
    struct fifo fifo = {0};
    words[n++] = word("capture");
    words[n++] = word("stream");
    words[n++] = word("dev");
    words[n++] = word(dev);
    if (e->direction != NULL) {
        words[n++] = word("-Q");
        words[n++] = word(e->direction);
    }
    if (e->snaplen != NULL) {
        words[n++] = word("-s");
        words[n++] = word(e->snaplen);
    }
    if (e->filter != NULL && *e->filter != '\0') {
        words[n++] = word("--");
        words[n++] = word(e->filter);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    int status = client_connect(&c, name, err, sizeof err);
    if (status != EXIT_DONE)
        return session_fail(s, status, "%s", err);
    fifo.to = fopen(e->fifo, "we");
    FILE *to = fifo.to != NULL
                   ? fopencookie(&fifo, "w", (cookie_io_functions_t){.write = fifo_write})
                   : NULL;
    if (to == NULL) {
        client_end(&c);
        return session_fail(s, EXIT_FAILED, "%s can't be written: %s", e->fifo, strerror(errno));
    }
    status = client_run(&c, n, words, false, false, to, err, sizeof err);
    (void)fclose(to);
    (void)fclose(fifo.to);
    client_end(&c);
    if (err[0] != '\0' && !fifo.broken)
        return session_fail(s, status, "%s", err);
    return EXIT_DONE;
}

static int check_filter(struct session *s, const char *filter)
{
    struct td_bpf_insn *code = calloc(FILTER_MAX, sizeof *code);
    uint32_t n;
    char msg[512] = "out of memory";
    if (code == NULL || !filter_compile(filter, code, FILTER_MAX, &n, msg, sizeof msg))
        (void)fprintf(s->out, "%s\n", msg);
    free(code);
    return EXIT_DONE;
}

static int extcap_main(struct session *s, int argc, char **argv)
{
    struct extcap e;
    char name[DAEMON_NAME_MAX + 1];
    const char *bad = NULL, *dev;
    if (!extcap_words(argc, argv, &e, &bad))
        return session_fail(
            s, EXIT_USAGE,
            "'%s' is none of extcap's options: Wireshark calls this, people use `tcpdump`", bad);
    if (e.interfaces)
        return list_interfaces(s);
    if (!parts(e.interface, name, &dev))
        return session_fail(s, EXIT_USAGE,
                            "say which interface, with --extcap-interface " PREFIX "DAEMON:IFACE: "
                            "--extcap-interfaces lists them");
    if (e.dlts) {
        (void)fputs("dlt {number=1}{name=EN10MB}{display=Ethernet}\n", s->out);
        return EXIT_DONE;
    }
    if (e.config) {
        config(s->out);
        return EXIT_DONE;
    }
    if (e.capture && e.fifo != NULL)
        return capture(s, &e, name, dev);
    if (e.filter != NULL && !e.capture)
        return check_filter(s, e.filter);
    return session_fail(s, EXIT_USAGE, "--capture needs --fifo FILE");
}

const struct local_command local_extcap = {
    .name = "extcap",
    .usage = "extcap --extcap-interfaces\n"
             "extcap --extcap-interface NAME [--extcap-dlts] [--extcap-config] "
             "[--extcap-capture-filter EXPR]\n"
             "extcap --capture --extcap-interface NAME --fifo FILE [--extcap-capture-filter EXPR] "
             "[--direction {in | out | inout}] [--snaplen N]",
    .doc = "for Wireshark: the interfaces of running daemons in its list (scripts/install-extcap)",
    .more = "Wireshark speaks this, not people: `scripts/install-extcap` puts it where Wireshark "
            "looks. Each interface of each\n"
            "running daemon is then in Wireshark's list (and tshark -D's), called "
            "tapdeck-DAEMON:IFACE; what is captured has the\n"
            "journal's reasons as packet comments.\n"
            "Examples:\n"
            "  extcap --extcap-interfaces\n"
            "  extcap --extcap-interface tapdeck-default:eth0 --extcap-dlts",
    .fn = extcap_main,
};
