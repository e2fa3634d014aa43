/* replay/host_setup.c: the played host's stack as it was when the capture began (host.h).
 *
 * Interfaces first, then knobs, addresses, routes and neighbours as the capture shows them, then
 * the commands that were given, so that these have the last word. All this happens in the second
 * before the first packet, and what is sent then is nobody's business.
 */
#include "replay/host_internal.h"
#include "replay/knob_words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/parse.h"
#include "ip/ip.h"
#include "wire/arp.h"

#define COMMAND_PATIENCE (60 * TD_SEC)

static td_ip4 first_of(td_ip4 a, uint8_t plen)
{
    return a & ip4_mask(plen);
}

/* ---- commands ---- */

int host_command(struct host *h, const char *line, char *msg, size_t msg_size)
{
    char **argv;
    int argc = words_split(line, &argv, msg, msg_size);
    if (argc <= 0) {
        words_free(argv);
        return argc == 0 ? EXIT_DONE : EXIT_USAGE;
    }
    struct run *r = run_start(&h->deck, argc, argv, false, false);
    words_free(argv);
    run_input(r, NULL, 0, true);
    td_time end = td_stack_now(h->st) + COMMAND_PATIENCE;
    td_stack_flush(h->st, td_stack_now(h->st));
    while (r->status == RUN_MORE && td_stack_now(h->st) < end) {
        td_time now = td_stack_now(h->st), next = td_stack_next_deadline(h->st);
        next = r->ready ? now : r->wake < next ? r->wake : next;
        next = next < end ? next : end;
        td_stack_tick(h->st, next > now ? next : now);
        td_stack_flush(h->st, td_stack_now(h->st));
        run_step(r, td_stack_now(h->st));
    }
    int status = r->status == RUN_MORE ? EXIT_DONE : r->status;
    if (status != EXIT_DONE)
        (void)snprintf(msg, msg_size, "--run '%s': %s", line,
                       r->err[0] != '\0' ? r->err : "it failed");
    run_free(r);
    return status;
}

static int config(struct host *h, char *msg, size_t msg_size)
{
    char line[4096], why[1024];
    FILE *f = fopen(h->o.config, "re");
    unsigned n = 0;
    int status = EXIT_DONE;
    if (f == NULL) {
        (void)snprintf(msg, msg_size, "--config %s: %s", h->o.config, strerror(errno));
        return EXIT_USAGE;
    }
    while (status == EXIT_DONE && fgets(line, sizeof(line), f) != NULL) {
        n++;
        line[strcspn(line, "\n")] = '\0';
        const char *at = line + strspn(line, " \t");
        if (*at == '\0' || *at == '#')
            continue;
        status = host_command(h, at, why, sizeof(why));
        if (status != EXIT_DONE)
            (void)snprintf(msg, msg_size, "%s:%u: %s", h->o.config, n, why);
    }
    (void)fclose(f);
    return status;
}

/* ---- at their times ---- */

void host_timed(struct host *h, td_time at, const char *text, bool knob)
{
    unsigned i = h->ntimed;
    if (h->ntimed == HOST_TIMED)
        return;
    for (; i > 0 && h->timed[i - 1].at > at; i--)
        h->timed[i] = h->timed[i - 1];
    h->timed[i].at = at;
    h->timed[i].text = text;
    h->timed[i].knob = knob;
    h->ntimed++;
}

void host_do_timed(struct host *h, td_time until)
{
    char msg[1024];
    while (h->next_timed < h->ntimed && HOST_START + h->timed[h->next_timed].at <= until) {
        unsigned i = h->next_timed++;
        host_run(h, HOST_START + h->timed[i].at, true);
        if (h->timed[i].knob)
            (void)knob_word(h->st, h->timed[i].text);
        else if (host_command(h, h->timed[i].text, msg, sizeof(msg)) != EXIT_DONE)
            host_note(h, "%s", msg);
        host_settle(h);
    }
}

/* "+SECONDS COMMAND". False: it begins otherwise. */
static bool timed_word(struct host *h, const char *word)
{
    char seconds[32];
    td_time at;
    size_t n = word[0] == '+' ? strcspn(word + 1, " ") : 0;
    if (n == 0 || n >= sizeof(seconds) || word[1 + n] != ' ')
        return false;
    (void)memcpy(seconds, word + 1, n);
    seconds[n] = '\0';
    if (!parse_seconds(seconds, &at))
        return false;
    host_timed(h, at, word + 1 + n, false);
    return true;
}

/* Its knobs, as the diary in the capture has them: first those it began with, then each when it was
 * set. */
static void diary_knobs(struct host *h)
{
    const struct diary_stack *s = host_diary(h, 0);
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->nknobs; i++)
        (void)knob_word(h->st, s->knob[i]);
    for (size_t i = 0; i < s->ncalls; i++)
        if (s->call[i].what == DIARY_KNOB && s->call[i].text != NULL &&
            s->call[i].wall >= h->first_wall)
            host_timed(h, (td_time)(s->call[i].wall - h->first_wall), s->call[i].text, true);
        else if (s->call[i].what == DIARY_KNOB && s->call[i].text != NULL)
            (void)knob_word(h->st, s->call[i].text);
    host_note(h, "its knobs are those that the capture says it had (%zu)", s->nknobs);
}

/* ---- what the capture shows ---- */

static bool set_if(struct host *h, const char *pattern, const char *who, const char *value)
{
    char name[128];
    (void)snprintf(name, sizeof(name), pattern, who);
    return td_knob_set(h->st, name, value) == 0;
}

static bool add_interface(struct host *h, unsigned k)
{
    struct host_if *i = &h->iface[k];
    struct td_if_config c = {.mac = i->f.mac,
                             .flags = TD_IF_UP | TD_IF_BROADCAST | TD_IF_MULTICAST,
                             .ops = host_device(),
                             .dev = i};
    (void)memcpy(c.name, i->name, sizeof(c.name));
    c.mtu = h->o.mtu != 0                                              ? h->o.mtu
            : (i->f.mtu >= 1493 && i->f.mtu <= 1500) || i->f.mtu < 576 ? 1500
                                                                       : i->f.mtu;
    if (!i->f.captured) { /* nobody's: made up */
        c.mac = (struct td_mac){{2, 0, 0, 0, 0xff, (uint8_t)k}};
        i->f.mac = c.mac;
    }
    if (c.mtu != 1500)
        host_note(h, "%s has an MTU of %u%s", i->name, c.mtu,
                  h->o.mtu != 0 ? "" : ", as the capture shows");
    return td_if_add(h->st, &c, &i->index) == 0;
}

static bool has_words(const struct host *h, const char *a, const char *b)
{
    for (unsigned i = 0; i < h->o.nruns; i++)
        if (strstr(h->o.run[i], a) != NULL && (b == NULL || strstr(h->o.run[i], b) != NULL))
            return true;
    return false;
}

static bool within(const struct facts *f, td_ip4 ip)
{
    return first_of(ip, f->plen) == first_of(f->addr, f->plen);
}

/* The station behind this MAC address that has an address on the link. */
static const struct station *gateway_of(const struct facts *f, struct td_mac mac)
{
    for (unsigned i = 0; i < f->nstations; i++)
        if (mac_eq(f->station[i].mac, mac) && within(f, f->station[i].ip))
            return &f->station[i];
    return NULL;
}

static void given(struct host *h, struct host_if *i, td_ip4 ip, struct td_mac mac)
{
    char a[16], m[18];
    format_ip4(ip, a);
    format_mac(mac, m);
    if (td_neigh_add(h->st, i->index, ip, mac, TD_NEIGH_REACHABLE) == 0 && h->sum.notes.len < 4096)
        host_note(h, "it knew already that %s is at %s (%s): it sent there and hadn't asked", a, m,
                  i->name);
}

static void way_to(struct host *h, struct host_if *i, const struct destination *d,
                   bool *has_default)
{
    const struct station *gw = gateway_of(&i->f, d->mac);
    char a[16], g[16];
    struct td_route r = {.ifindex = i->index, .gateway = gw != NULL ? gw->ip : 0};
    if (!*has_default) {
        *has_default = td_route_add(h->st, &r, false) == 0;
        if (*has_default && gw != NULL) {
            format_ip4(gw->ip, g);
            host_note(
                h, "its default route is guessed: via %s, to which it sent what was for elsewhere",
                g);
        } else if (*has_default) {
            host_note(h, "its default route is guessed: everybody on %s", i->name);
        }
    }
    struct ip_route_result now;
    if (ip_route(h->st, d->ip, 0, 0, &now) == 0 && now.nif->index == i->index &&
        now.nexthop == (gw != NULL ? gw->ip : d->ip))
        return;
    r.prefix = d->ip;
    r.plen = 32;
    format_ip4(d->ip, a);
    format_ip4(r.gateway, g);
    if (td_route_add(h->st, &r, true) == 0)
        host_note(h, "a route is guessed: %s via %s", a, gw != NULL ? g : i->name);
}

void host_address(struct host *h, unsigned k)
{
    struct host_if *i = &h->iface[k];
    struct facts *f = &i->f;
    bool has_default = has_words(h, "ip route", "default"),
         ways = !has_words(h, "ip route", NULL) && h->o.config == NULL;
    struct ip_route_result now;
    char knob[64], probes[16] = "0";
    (void)snprintf(knob, sizeof(knob), "net.ipv4.conf.%s.arp_acd", i->name);
    (void)td_knob_get(h->st, knob, probes, sizeof(probes));
    (void)td_knob_set(h->st, knob, "0"); /* it has had this address for long */
    (void)td_addr_add(h->st, i->index, f->addr, f->plen);
    (void)td_knob_set(h->st, knob, probes);
    has_default |= ip_route(h->st, TD_IP4(192, 0, 2, 254), 0, 0, &now) == 0;
    for (unsigned n = 0; n < f->ndsts; n++) {
        const struct destination *d = &f->dst[n];
        bool near = within(f, d->ip);
        if (!near && ways && !ip_is_local(h->st, d->ip))
            way_to(h, i, d, &has_default);
        const struct station *s = near ? facts_station(f, d->ip) : gateway_of(f, d->mac);
        if (!f->arp) /* nothing shows that it had to ask */
            (void)td_neigh_add(h->st, i->index, s != NULL ? s->ip : d->ip,
                               s != NULL ? s->mac : d->mac, TD_NEIGH_REACHABLE);
        else if (s == NULL)
            given(h, i, d->ip, d->mac);
        else if (s->arp_at == 0 || s->arp_at > d->at)
            given(h, i, s->ip, s->mac);
    }
}

static void describe(struct host *h, unsigned k)
{
    struct host_if *i = &h->iface[k];
    char a[16], m[18];
    format_ip4(i->f.addr, a);
    format_mac(i->f.mac, m);
    host_note(h, "the stack is %s/%u at %s on %s%s", a, i->f.plen, m, i->name,
              !i->f.captured            ? ", which nobody captured: everybody there answers"
              : h->o.iface[k].plen > 32 ? "; the netmask is guessed"
                                        : "");
    if (i->f.captured && !i->f.arp)
        host_note(h,
                  "no ARP was captured on %s: what the stack asks is answered at once, and isn't "
                  "compared",
                  i->name);
}

int host_setup(struct host *h, char *msg, size_t msg_size)
{
    struct td_stack_config sc = {.now = HOST_START - TD_SEC};
    int status = EXIT_DONE;
    memset(sc.seed, 7, sizeof(sc.seed));
    h->st = td_stack_new(&sc);
    if (h->st == NULL) {
        (void)snprintf(msg, msg_size, "out of memory");
        return EXIT_FAILED;
    }
    deck_init(&h->deck, h->st, "replay");
    h->deck.wall_offset = h->first_wall - (int64_t)HOST_START;
    for (unsigned k = 0; k < h->o.nifs; k++) {
        struct host_if *i = &h->iface[k];
        describe(h, k);
        if (!add_interface(h, k)) {
            (void)snprintf(msg, msg_size, "an interface %s with an MTU of %u can't be made",
                           i->name, h->o.mtu);
            return EXIT_USAGE;
        }
        if (i->f.redirected) {
            (void)set_if(h, "net.ipv4.conf.%s.accept_redirects", "all", "1");
            (void)set_if(h, "net.ipv4.conf.%s.accept_redirects", i->name, "1");
            host_note(
                h, "it obeys redirects, as the capture shows (net.ipv4.conf.%s.accept_redirects)",
                i->name);
        }
    }
    if (h->o.nifs > 1) {
        (void)td_knob_set(h->st, "net.ipv4.ip_forward", "1");
        host_note(h, "with several interfaces it is a router (net.ipv4.ip_forward=1)");
    }
    diary_knobs(h);
    status = knob_words(h->st, h->o.knob, h->o.nknobs, msg, msg_size);
    for (unsigned k = 0; status == EXIT_DONE && k < h->o.nifs; k++)
        if (!h->iface[k].f.announced_first)
            host_address(h, k);
    for (unsigned i = 0; status == EXIT_DONE && i < h->o.nruns; i++)
        if (!timed_word(h, h->o.run[i]))
            status = host_command(h, h->o.run[i], msg, msg_size);
    if (status == EXIT_DONE && h->o.config != NULL)
        status = config(h, msg, msg_size);
    if (status == EXIT_DONE && td_stack_now(h->st) >= HOST_START) {
        (void)snprintf(
            msg, msg_size,
            "the commands take longer than the second that there is before the first packet");
        status = EXIT_USAGE;
    }
    return status;
}
