/* tapdeckd/cmd_dev.c: `tap`: what stands between the stack and its cables. */
#include "tapdeckd/deck.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "link/link.h"
#include "tapdeckd/deck_time.h"

/* ---- tap ---- */

static bool frame_in(void *ctx, struct pkt *p)
{
    return deck_time_take(ctx, p);
}

static bool frame_out(void *ctx, const struct pkt *p)
{
    return deck_time_let(ctx, p);
}

static int tap_add(struct run *r)
{
    struct deck *d = r->deck;
    struct tap_config c = {.name = run_value(r, 1, "the device's name")};
    if (c.name == NULL)
        return EXIT_USAGE;
    if (strchr(c.name, ':') != NULL)
        return run_fail(r, EXIT_USAGE, "'%s' is not a name for an interface: it has a ':'", c.name);
    for (int i = 3; i < r->argc; i++) {
        const char *word = r->argv[i], *value;
        if (strcmp(word, "persist") == 0) {
            c.persist = true;
            continue;
        }
        if (strcmp(word, "as") != 0 && strcmp(word, "mtu") != 0 && strcmp(word, "mac") != 0 &&
            strcmp(word, "address") != 0 && strcmp(word, "txqueuelen") != 0)
            return run_bad_word(
                r, i, "write `tap add NAME [as eth0] [mtu N] [mac M] [txqueuelen N] [persist]`");
        if ((value = run_value(r, i++, "a value")) == NULL)
            return EXIT_USAGE;
        if (strcmp(word, "as") == 0) {
            c.stack_name = value;
        } else if (strcmp(word, "mtu") == 0) {
            if (!parse_u32(value, 65521, &c.mtu) || c.mtu < 68)
                return run_fail(r, EXIT_USAGE, "'%s' is not an MTU: write 68 to 65521 (bytes)",
                                value);
        } else if (strcmp(word, "txqueuelen") == 0) {
            if (!parse_u32(value, 1000000, &c.txqueuelen) || c.txqueuelen == 0)
                return run_fail(r, EXIT_USAGE,
                                "'%s' is not a queue length: write 1 to 1000000 (frames)", value);
        } else if (!parse_mac(value, &c.mac)) {
            return run_fail(r, EXIT_USAGE,
                            "'%s' is not a MAC address: write it as 02:00:00:00:00:01", value);
        } else if (c.mac.b[0] & 1) {
            return run_fail(r, EXIT_USAGE,
                            "'%s' is a group address: a station's first byte is even", value);
        }
    }
    struct deck_tap *t = calloc(1, sizeof(*t));
    int err = -ENOMEM;
    if (t == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    t->deck = d;
    t->tap = tap_open(d->st, &c, &err, r->err, sizeof(r->err));
    if (t->tap == NULL) {
        free(t);
        return EXIT_USAGE;
    }
    t->ifindex = tap_ifindex(t->tap);
    t->gate = (struct tap_gate){.in = frame_in, .out = frame_out, .ctx = t};
    tap_set_gate(t->tap, &t->gate);
    struct deck_tap **at = &d->taps;
    while (*at != NULL)
        at = &(*at)->next;
    *at = t;
    if (d->hooks.tap_added != NULL && (err = d->hooks.tap_added(d->hooks.ctx, t)) < 0) {
        deck_tap_remove(d, t);
        return run_fail(r, EXIT_FAILED, "the device can't be watched: %s", error_text(err));
    }
    if (tap_warning(t->tap) != NULL)
        run_printf(r, "note: %s\n", tap_warning(t->tap));
    return EXIT_DONE;
}

static int tap_show(struct run *r)
{
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    for (const struct deck_tap *t = r->deck->taps; t != NULL; t = t->next) {
        const struct netif *nif = netif_by_index(r->deck->st, tap_ifindex(t->tap));
        struct tap_stats s = tap_stats(t->tap);
        const char *name = nif != NULL ? nif->name : "-";
        if (r->json) {
            jw_open(&r->jw, NULL, '{');
            jw_str(&r->jw, "tap", tap_name(t->tap));
            jw_str(&r->jw, "ifname", name);
            jw_u64(&r->jw, "rx_frames", s.rx_frames);
            jw_u64(&r->jw, "rx_nomem", s.rx_nomem);
            jw_u64(&r->jw, "rx_errors", s.rx_errors);
            jw_u64(&r->jw, "tx_frames", s.tx_frames);
            jw_u64(&r->jw, "tx_lost", s.tx_lost);
            jw_u64(&r->jw, "tx_busy", s.tx_busy);
            jw_close(&r->jw, '}');
            continue;
        }
        run_printf(r, "%s: %s, %llu frames in, %llu out", tap_name(t->tap), name,
                   (unsigned long long)s.rx_frames, (unsigned long long)s.tx_frames);
        if (s.tx_lost + s.rx_nomem + s.rx_errors > 0)
            run_printf(r, ", %llu lost out, %llu lost in", (unsigned long long)s.tx_lost,
                       (unsigned long long)(s.rx_nomem + s.rx_errors));
        if (s.tx_busy > 0)
            run_printf(r, ", %llu times busy", (unsigned long long)s.tx_busy);
        run_puts(r, "\n");
    }
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

static int tap_main(struct run *r)
{
    const char *verb = r->argc > 1 ? r->argv[1] : "show";
    if (word_abbrev(verb, "add"))
        return tap_add(r);
    if (word_abbrev(verb, "show") || word_abbrev(verb, "list"))
        return r->argc > 2 ? run_bad_word(r, 2, "`tap show` takes no more words") : tap_show(r);
    if (!word_abbrev(verb, "del"))
        return run_bad_word(r, 1, "write `tap add|del|show`");
    const char *name = run_value(r, 1, "the device's name");
    if (name == NULL)
        return EXIT_USAGE;
    struct deck_tap *t = deck_tap_find(r->deck, name);
    if (t == NULL)
        return run_fail(r, EXIT_USAGE, "there is no TAP device '%s' here: `tap show` lists them",
                        name);
    deck_tap_remove(r->deck, t);
    return EXIT_DONE;
}

const struct command command_tap = {
    .name = "tap",
    .usage = "tap [show]\n"
             "tap add NAME [as IFACE] [mtu N] [mac MAC] [txqueuelen N] [persist]\n"
             "tap del TAP",
    .doc =
        "TAP devices: gives the stack an interface whose other end is the kernel's interface NAME",
    .more = "NAME is the kernel's side: made, or attached to if it is there (%d in it is replaced "
            "by a number). `as` names the stack's\n"
            "side (default: the same). The MTU is set on both sides, the kernel's side is brought "
            "up, its transmit queue made\n"
            "4000 frames long (txqueuelen); addresses on the kernel's side are yours to give. "
            "persist leaves the device\n"
            "when the daemon ends.\n"
            "Examples:\n"
            "  tap add tap0 as eth0\n"
            "  tap add tap1 as eth1 mtu 9000 mac 02:00:00:00:00:02\n"
            "  tap del tap1",
    .fn = tap_main,
};
