/* tapdeckd/cmd_arping.c: `arping`: who has this address, on this link (RFC 826, RFC 5227)?
 *
 * ARP requests leave as frames of our own (td_send_frame), so that their sender address can be what
 * the question needs: an address of ours; 0.0.0.0 to learn whether an address is free (-D, RFC
 * 5227 2.1.1); the address itself to make it known (-U a request, -A a reply; RFC 5227 3). Answers
 * are recognised by an observer of the frames that come in; the neighbour table takes of them what
 * it would take anyway. The first answer's hardware address is then asked directly, unless -b.
 *
 * Words, texts and exit statuses are those of iputils' arping: 0 when an answer came, 1 when none
 * did; with -D 1 when the address is in use.
 */
#include "tapdeckd/deck.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/args.h"
#include "ip/ip.h"
#include "link/link.h"
#include "wire/arp.h"
#include "wire/eth.h"

#define SEEN_MAX 64 /* answers between two steps */

struct arping_seen {
    struct arp_pkt a;
    bool broadcast;
    td_time at;
};

struct arping {
    /* the words */
    td_ip4 dst, src;
    char dst_text[16], src_text[16];
    bool first, quiet, keep_broadcast, probe, announce, reply, src_given;
    uint64_t count;
    td_time limit, interval;
    uint32_t ifindex;
    char ifname[NETIF_NAME_LEN];
    struct td_mac mac; /* the interface's */
    /* what goes on */
    struct run *run;
    struct link_observer observer;
    bool observing;
    struct td_mac to;
    uint64_t sent, broadcasts, received, requests, broadcast_answers;
    td_time started, next, sent_at;
    struct arping_seen seen[SEEN_MAX];
    unsigned nseen;
};

static void arping_release(struct run *r)
{
    struct arping *p = r->state;
    if (p != NULL && p->observing)
        link_unobserve(r->deck->st, &p->observer);
    free(p);
}

/* ---- answers ---- */

static void see_frame(void *ctx, const struct link_sight *s)
{
    struct arping *p = ctx;
    uint8_t b[ETH_HLEN + 12 + ARP_LEN];
    struct eth_hdr e;
    struct arp_pkt a;
    uint32_t n = s->p->len < sizeof(b) ? s->p->len : (uint32_t)sizeof(b);
    if (s->out || s->bare || !pkt_read(s->p, 0, b, n) || eth_parse(&e, b, n) != WIRE_OK ||
        e.type != ETHERTYPE_ARP || arp_parse(&a, b + e.hlen, n - e.hlen) != WIRE_OK ||
        a.spa != p->dst || p->nseen == SEEN_MAX)
        return;
    /* An answer is for who asked; a probe has asked for nobody. */
    if (!p->probe && a.tpa != p->src)
        return;
    if (p->probe && p->src != 0 && a.tpa != p->src)
        return;
    p->seen[p->nseen++] = (struct arping_seen){
        .a = a, .broadcast = mac_is_multicast(e.dst), .at = td_stack_now(p->run->deck->st)};
    p->run->ready = true;
}

static void mac_text(struct td_mac m, char dst[18])
{
    format_mac(m, dst);
    for (char *c = dst; *c != '\0'; c++)
        *c = *c >= 'a' && *c <= 'f' ? (char)(*c - 32) : *c;
}

static void show_answer(struct run *r, const struct arping *p, const struct arping_seen *s)
{
    char from[16], to[16], mac[18], tha[18];
    td_time rtt = s->at > p->sent_at ? s->at - p->sent_at : 0;
    format_ip4(s->a.spa, from);
    format_ip4(s->a.tpa, to);
    mac_text(s->a.sha, mac);
    mac_text(s->a.tha, tha);
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_str(&r->jw, "from", from);
        jw_str(&r->jw, "mac", mac);
        jw_str(&r->jw, "op", s->a.op == ARP_REPLY ? "reply" : "request");
        jw_bool(&r->jw, "broadcast", s->broadcast);
        jw_ms(&r->jw, "time_ms", rtt);
        jw_close(&r->jw, '}');
        return;
    }
    if (p->quiet)
        return;
    run_printf(r, "%s %s from %s [%s]", s->broadcast ? "Broadcast" : "Unicast",
               s->a.op == ARP_REPLY ? "reply" : "request", from, mac);
    if (s->a.tpa != p->src)
        run_printf(r, " for %s", to);
    if (s->a.op == ARP_REPLY && !mac_eq(s->a.tha, p->mac))
        run_printf(r, " for [%s]", tha);
    run_printf(r, "  %llu.%03llums\n", (unsigned long long)(rtt / TD_MS),
               (unsigned long long)(rtt / TD_US % 1000));
}

static void take_answers(struct run *r, struct arping *p)
{
    for (unsigned i = 0; i < p->nseen; i++) {
        const struct arping_seen *s = &p->seen[i];
        if (p->announce)
            continue;
        p->received++;
        p->requests += s->a.op == ARP_REQUEST;
        p->broadcast_answers += s->broadcast;
        show_answer(r, p, s);
        if (!p->keep_broadcast && !p->probe)
            p->to = s->a.sha;
    }
    p->nseen = 0;
}

/* ---- questions ---- */

static int send_one(struct run *r, struct arping *p, td_time now)
{
    uint8_t b[ARP_LEN];
    const struct arp_pkt a = {.op = p->reply ? ARP_REPLY : ARP_REQUEST,
                              .sha = p->mac,
                              .spa = p->src,
                              .tha = p->reply ? p->mac : (struct td_mac){{0}},
                              .tpa = p->dst};
    size_t n = arp_emit(&a, b);
    p->sent_at = now;
    int err = td_send_frame(r->deck->st, p->ifindex, p->to, ETHERTYPE_ARP, b, n);
    if (err != 0)
        return run_fail(r, EXIT_FAILED, "no question can be sent on %s: %s", p->ifname,
                        error_text(err));
    p->sent++;
    p->broadcasts += mac_is_broadcast(p->to);
    return RUN_MORE;
}

static int verdict(const struct arping *p)
{
    if (p->announce)
        return EXIT_DONE;
    return (p->received > 0) != p->probe ? EXIT_DONE : EXIT_FAILED;
}

static void summary(struct run *r, const struct arping *p)
{
    if (r->json) {
        jw_close(&r->jw, ']');
        jw_u64(&r->jw, "sent", p->sent);
        jw_u64(&r->jw, "broadcasts", p->broadcasts);
        jw_u64(&r->jw, "received", p->received);
        jw_close(&r->jw, '}');
        run_puts(r, "\n");
        return;
    }
    if (p->quiet)
        return;
    run_printf(r, "Sent %llu probes (%llu broadcast(s))\nReceived %llu response(s)",
               (unsigned long long)p->sent, (unsigned long long)p->broadcasts,
               (unsigned long long)p->received);
    if (p->requests > 0 || p->broadcast_answers > 0)
        run_puts(r, " (");
    if (p->requests > 0)
        run_printf(r, "%llu request(s)", (unsigned long long)p->requests);
    if (p->broadcast_answers > 0)
        run_printf(r, "%s%llu broadcast(s)", p->requests > 0 ? ", " : "",
                   (unsigned long long)p->broadcast_answers);
    run_puts(r, p->requests > 0 || p->broadcast_answers > 0 ? ")\n" : "\n");
}

static int over(struct run *r)
{
    const struct arping *p = r->state;
    summary(r, p);
    return verdict(p);
}

static int arping_step(struct run *r, td_time now)
{
    struct arping *p = r->state;
    const struct netif *nif = netif_by_index(r->deck->st, p->ifindex);
    if (nif == NULL)
        return run_fail(r, EXIT_FAILED, "the interface %s is gone", p->ifname);
    p->mac = nif->mac;
    take_answers(r, p);
    bool all_sent = p->count != 0 && p->sent >= p->count;
    if (p->received > 0 && (p->first || p->probe))
        return over(r);
    if (all_sent && (p->received >= p->sent || (now >= p->next && p->limit == 0) || p->announce))
        return over(r);
    if (p->limit != 0 && now >= p->started + p->limit)
        return over(r);
    if (!all_sent && now >= p->next) {
        int status = send_one(r, p, now);
        if (status != RUN_MORE)
            return status;
        p->next = now + p->interval;
    }
    all_sent = p->count != 0 && p->sent >= p->count;
    r->wake = all_sent && p->limit != 0 ? TD_NEVER : p->next;
    if (p->limit != 0 && p->started + p->limit < r->wake)
        r->wake = p->started + p->limit;
    if (all_sent && p->announce)
        r->ready = true;
    return RUN_MORE;
}

/* ---- the words ---- */

static const char options_are[] =
    "the options are -AbDfqU -c COUNT -i SECONDS -I IFACE -s ADDR -w SECONDS";

/* The address of the interface that is in dst's subnet, or else its first; 0: it has none. */
static td_ip4 source_on(const struct netif *nif, td_ip4 dst)
{
    for (const struct netif_addr *a = nif->addrs; a != NULL; a = a->next)
        if (((a->addr ^ dst) & ip4_mask(a->plen)) == 0)
            return a->addr;
    return nif->addrs != NULL ? nif->addrs->addr : 0;
}

/* Without -I: the interface in whose subnet dst is, or the first that has ARP. */
static struct netif *find_interface(struct td_stack *st, td_ip4 dst)
{
    struct netif *first = NULL;
    for (struct netif *nif = netif_first(st); nif != NULL; nif = nif->next) {
        if ((nif->flags & TD_IF_LOOPBACK) != 0 || (nif->flags & TD_IF_UP) == 0)
            continue;
        td_ip4 src = source_on(nif, dst);
        for (const struct netif_addr *a = nif->addrs; a != NULL; a = a->next)
            if (a->addr == src && ((src ^ dst) & ip4_mask(a->plen)) == 0)
                return nif;
        first = first == NULL ? nif : first;
    }
    return first;
}

static bool arping_option(struct run *r, struct arping *p, int letter, const char *value,
                          const char **right)
{
    switch (letter) {
    case 'A':
        p->announce = p->reply = true;
        return true;
    case 'U':
        p->announce = true;
        return true;
    case 'b':
        p->keep_broadcast = true;
        return true;
    case 'D':
        p->probe = true;
        return true;
    case 'f':
        p->first = true;
        return true;
    case 'q':
        p->quiet = true;
        return true;
    case 'c':
        *right = "write a number from 1";
        return parse_u64(value, UINT64_MAX, &p->count) && p->count > 0;
    case 'i':
        *right = "write seconds, at least 0.01";
        return parse_seconds(value, &p->interval) && p->interval >= 10 * TD_MS;
    case 'w':
        *right = "write a number of seconds, such as 3";
        return parse_seconds(value, &p->limit) && p->limit > 0;
    case 's':
        *right = "write an address of this host, such as 10.0.0.2";
        p->src_given = true;
        return parse_ip4(value, &p->src);
    case 'I':
        p->ifindex = run_interface(r, value);
        return p->ifindex != 0;
    default:
        return true;
    }
}

static int check_words(struct run *r, struct arping *p, const char *target)
{
    if (target == NULL)
        return run_fail(r, EXIT_USAGE,
                        "whom? write `arping [-I IFACE] ADDR`, for example `arping -c 3 10.0.0.1`");
    if (!parse_ip4(target, &p->dst))
        return run_fail(r, EXIT_USAGE,
                        "'%s' is not an address: write it as 10.0.0.1 (names are not looked up)",
                        target);
    if (p->probe && p->announce)
        return run_fail(
            r, EXIT_USAGE,
            "-D asks whether an address is free, -U and -A say that it is ours: choose one");
    const struct netif *nif = p->ifindex != 0 ? netif_by_index(r->deck->st, p->ifindex)
                                              : find_interface(r->deck->st, p->dst);
    if (nif == NULL)
        return run_fail(r, EXIT_USAGE, "there is no interface with ARP that is up: see `ip link`");
    p->ifindex = nif->index;
    memcpy(p->ifname, nif->name, sizeof(p->ifname));
    if ((nif->flags & TD_IF_LOOPBACK) != 0)
        return run_fail(r, EXIT_USAGE,
                        "Interface \"%s\" is not ARPable: a loopback has no link to ask on",
                        p->ifname);
    if (p->src_given && p->src != 0 && !ip_is_local(r->deck->st, p->src))
        return run_fail(r, EXIT_USAGE,
                        "the address behind -s is not one of this host's: see `ip addr`");
    if (!p->src_given)
        p->src = p->probe ? 0 : p->announce ? p->dst : source_on(nif, p->dst);
    if (p->announce && !ip_is_local(r->deck->st, p->src))
        return run_fail(r, EXIT_USAGE,
                        "'%s' is not an address of this host: -U and -A announce only one that is",
                        target);
    format_ip4(p->dst, p->dst_text);
    format_ip4(p->src, p->src_text);
    return EXIT_DONE;
}

static int arping_words(struct run *r, struct arping *p)
{
    struct args a;
    const char *word = NULL, *target = NULL, *right = "";
    int letter;
    args_init(&a, r->argc, r->argv, "Abc:DfI:i:jqs:Uw:");
    while ((letter = run_option(r, &a, &word, options_are)) != -1) {
        if (letter == '?')
            return EXIT_USAGE;
        if (letter == 'j')
            r->json = true;
        if (letter == 0 && target != NULL)
            return run_fail(r, EXIT_USAGE, "'%s' is a second address: one is asked for at a time",
                            word);
        if (letter == 0)
            target = word;
        else if (!arping_option(r, p, letter, a.value, &right))
            return r->err[0] != '\0' ? EXIT_USAGE
                                     : run_fail(r, EXIT_USAGE, "'%s' doesn't fit -%c: %s", a.value,
                                                letter, right);
    }
    return check_words(r, p, target);
}

static int arping_main(struct run *r)
{
    struct arping *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    *p = (struct arping){.run = r, .interval = TD_SEC, .to = MAC_BROADCAST};
    r->state = p;
    r->release = arping_release;
    int status = arping_words(r, p);
    if (status != EXIT_DONE)
        return status;
    p->observer = (struct link_observer){.ifindex = p->ifindex, .fn = see_frame, .ctx = p};
    link_observe(r->deck->st, &p->observer);
    p->observing = true;
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_str(&r->jw, "destination", p->dst_text);
        jw_str(&r->jw, "source", p->src_text);
        jw_str(&r->jw, "ifname", p->ifname);
        jw_open(&r->jw, "replies", '[');
    } else if (!p->quiet) {
        run_printf(r, "ARPING %s from %s %s\n", p->dst_text, p->src_text, p->ifname);
    }
    r->step = arping_step;
    r->interrupt = over;
    p->started = p->next = deck_now(r->deck);
    return arping_step(r, p->started);
}

const struct command command_arping = {
    .name = "arping",
    .usage = "arping [-AbDfqUj] [-c COUNT] [-i SECONDS] [-I IFACE] [-s ADDR] [-w SECONDS] ADDR",
    .doc = "who has an address, asked by ARP on one link",
    .more =
        "-c so many questions, -w for so long, -i seconds apart, -f until the first answer, -b "
        "always by broadcast, -q\n"
        "without words. -D asks with the sender 0.0.0.0 whether the address is in use; -U and -A "
        "announce an address of\n"
        "this host, by request or reply. -I the interface (else the one in whose subnet ADDR is), "
        "-s the sender.\n"
        "Exit status 0: an answer came; 1: none did; with -D 0: nobody has it, 1: somebody does.\n"
        "Examples:\n  arping -c 3 10.0.0.1\n  arping -D -w 2 -I eth0 10.0.0.2\n  arping -U -c 1 -I "
        "eth0 10.0.0.2",
    .fn = arping_main,
};
