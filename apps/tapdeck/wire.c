/* tapdeck/wire.c: `tapdeck wire`: two TAP devices joined by an impaired wire. Needs no daemon. */
#include "tapdeck/wire.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/control.h"
#include "common/parse.h"
#include "common/qdisc.h"
#include "dev/tap.h"
#include "dev/wire.h"
#include "tapdeck/local.h"

/* A direction: disciplines by name, or netem's words without it. */
static int way_words(int argc, char *const *argv, struct td_qdisc_chain *out, char *msg, size_t msg_size)
{
    enum td_qdisc_kind kind;
    if (qdisc_kind_parse(argv[0], &kind))
        return parse_qdisc_chain(argc, argv, out, msg, msg_size);
    *out = (struct td_qdisc_chain){.depth = 1, .q[0].kind = TD_QDISC_NETEM};
    return parse_netem(argc, argv, &out->q[0].u.netem, msg, msg_size);
}

bool wire_words(int argc, char *const *argv, uint64_t seed, struct wire_options *o, char *msg,
                size_t msg_size)
{
    bool back = false, netem_seen = false;
    memset(o, 0, sizeof(*o));
    for (int i = 0; i < 2; i++)
        o->way[i] = (struct td_qdisc_chain){.depth = 1, .q[0].kind = TD_QDISC_NETEM};
    if (argc < 2) {
        snprintf(
            msg, msg_size,
            "two devices are needed: write `tapdeck wire TAP1 TAP2 [delay 20ms loss 1%% ...]`");
        return false;
    }
    o->tap[0] = argv[0];
    o->tap[1] = argv[1];
    for (int i = 2; i < argc;) {
        if (strcmp(argv[i], "persist") == 0) {
            o->persist = true;
            i++;
        } else if (strcmp(argv[i], "mtu") == 0) {
            if (i + 1 >= argc || !parse_u32(argv[i + 1], 65521, &o->mtu) || o->mtu < 68) {
                snprintf(msg, msg_size,
                         "'mtu' needs a number of bytes from 68 to 65521, for example 'mtu 1500'");
                return false;
            }
            i += 2;
        } else if (strcmp(argv[i], "back") == 0 && !back) {
            back = true;
            i++;
        } else {
            struct td_qdisc_chain n;
            int used = way_words(argc - i, argv + i, &n, msg, msg_size);
            if (used < 0)
                return false;
            if (used == 0 || (netem_seen && !back)) {
                snprintf(msg, msg_size,
                         "'%s' doesn't belong there: `tapdeck wire --help` shows the words",
                         argv[i]);
                return false;
            }
            netem_seen = true;
            if (!back)
                o->way[0] = n;
            o->way[1] = n;
            i += used;
        }
    }
    struct td_netem *n[2] = {&o->way[0].q[0].u.netem, &o->way[1].q[0].u.netem};
    bool netem[2] = {o->way[0].q[0].kind == TD_QDISC_NETEM, o->way[1].q[0].kind == TD_QDISC_NETEM};
    if (netem[0] && n[0]->seed == 0)
        n[0]->seed = seed;
    /* The same seed both ways would lose the same frames both ways. */
    if (netem[1] && (n[1]->seed == 0 || (netem[0] && n[1]->seed == n[0]->seed)))
        n[1]->seed = (netem[0] ? n[0]->seed : seed) + 1;
    return true;
}

static void report(const struct wire *w, const struct wire_options *o)
{
    for (int i = 0; i < 2; i++) {
        struct wire_stats s = wire_stats(w, i);
        printf("%s -> %s: %llu frames (%llu bytes), %llu delivered, %llu dropped by the wire, %llu "
               "lost\n",
               o->tap[i], o->tap[1 - i], (unsigned long long)s.frames, (unsigned long long)s.bytes,
               (unsigned long long)s.delivered, (unsigned long long)s.dropped,
               (unsigned long long)s.lost);
    }
}

static int open_ends(struct wire_options *o, char name[2][16], int fd[2], uint32_t *mtu)
{
    char msg[512];
    for (int i = 0; i < 2; i++) {
        struct tap_config c = {.name = o->tap[i], .mtu = o->mtu, .persist = o->persist};
        fd[i] = tap_open_fd(&c, name[i], mtu, msg, sizeof(msg));
        if (fd[i] < 0) {
            fprintf(stderr, "tapdeck: %s\n", msg);
            if (i == 1)
                close(fd[0]);
            return EXIT_USAGE;
        }
    }
    return EXIT_DONE;
}

/* Opens the ends and carries frames until stop_fd is readable. */
static int carry(struct wire_options *o, int stop_fd)
{
    char name[2][16], text[512];
    int fd[2];
    uint32_t mtu = 0;
    int status = open_ends(o, name, fd, &mtu);
    if (status != EXIT_DONE)
        return status;
    struct wire *w = wire_new(fd[0], fd[1], mtu + 22, &o->way[0], &o->way[1]);
    if (w == NULL) {
        close(fd[0]);
        close(fd[1]);
        fputs("tapdeck: there is no memory for the wire\n", stderr);
        return EXIT_FAILED;
    }
    for (int i = 0; i < 2; i++) {
        printf("%s -> %s:", o->tap[i], o->tap[1 - i]);
        for (uint32_t k = 0; k < o->way[i].depth; k++) {
            const struct td_qdisc *d = &o->way[i].q[k];
            format_qdisc(d, text, sizeof(text));
            printf("%s%s %s", k > 0 ? " / " : " ", qdisc_kind_name(d->kind), text);
        }
        puts("");
    }
    puts("ready");
    fflush(stdout);
    int err = wire_run(w, stop_fd);
    report(w, o);
    wire_free(w);
    if (err < 0)
        fprintf(stderr, "tapdeck: the wire broke: %s\n", strerror(-err));
    return err < 0 ? EXIT_FAILED : EXIT_DONE;
}

int wire_main(int argc, char **argv)
{
    struct wire_options o;
    char msg[512];
    uint64_t seed = 1;
    if (getrandom(&seed, 4, 0) != 4)
        seed = 1;
    seed &= 0xffffffff;
    if (!wire_words(argc - 1, argv + 1, seed, &o, msg, sizeof(msg))) {
        fprintf(stderr, "tapdeck: %s\n", msg);
        return EXIT_USAGE;
    }
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, &old);
    int stop = signalfd(-1, &set, SFD_CLOEXEC);
    int status = stop < 0 ? EXIT_FAILED : carry(&o, stop);
    if (stop >= 0)
        close(stop);
    sigprocmask(SIG_SETMASK, &old, NULL);
    return status;
}

static int wire_command(struct session *s, int argc, char **argv)
{
    (void)s;
    return wire_main(argc, argv);
}

const struct local_command local_wire = {
    .name = "wire",
    .usage = "wire TAP TAP [mtu N] [persist] [IMPAIRMENT...] [back IMPAIRMENT...]",
    .doc = "joins two TAP devices of this machine by an impaired wire",
    .more =
        "Makes (or attaches to) two TAP devices and carries frames between them, in real "
        "time,\n"
        "until it is interrupted. An IMPAIRMENT is in tc's words, for both directions, or with `back` for the\n"
        "way from the second to the first on its own: netem's words, or queue disciplines by name, divided by a slash\n"
        "where one stands inside the other:\n"
        "  delay TIME [JITTER]  loss P%  loss gemodel P [R [1-H [1-K]]]  duplicate P%  corrupt P%\n"
        "  reorder P% [gap N]  rate RATE  limit N  seed N\n"
        "  tbf rate 10mbit burst 15kb latency 500ms / fq_codel\n"
        "A TAP written as NETNS:NAME is made in that network namespace (`ip netns`).\n"
        "\n"
        "Example: tapdeck wire left:tap0 right:tap0 delay 20ms loss 1% rate 100mbit seed 7\n",
    .fn = wire_command,
};
