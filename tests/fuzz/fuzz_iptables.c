/* iptables: any bytes as rules. The first says how they are restored. What is refused leaves everything as it was, says so
 * in one sentence and gives every byte back; what is taken can be written out, and is the same rules when it is read
 * again. Then datagrams go through it, and none leaves with a wrong checksum where it came with a right one. */
#include "fuzz.h"
#include "ip/nf/nf.h"
#include "tapdeck/stack.h"
#include "wire/checksum.h"
#include "wire/eth.h"
#include "wire/ipv4.h"

static uint32_t ifindex[2];

static int transmit(void *dev, const struct pkt *p)
{
    static uint8_t b[65536];
    struct ipv4_hdr h;
    (void)dev;
    FUZZ_CHECK(pkt_read(p, 0, b, p->len));
    if (p->len < 34 || wire_get16(b + 12) != ETHERTYPE_IPV4)
        return 0;
    FUZZ_CHECK(ipv4_parse(&h, b + 14, p->len - 14) == WIRE_OK);
    const uint8_t *l4 = b + 14 + h.hlen;
    uint32_t n = (uint32_t)h.total_len - h.hlen;
    if (h.frag_off != 0 || (h.flags & IPV4_MF) != 0)
        return 0;
    if (h.proto == 6 || (h.proto == 17 && n >= 8 && wire_get16(l4 + 6) != 0))
        FUZZ_CHECK(checksum_fold(checksum_add(checksum_pseudo(h.src, h.dst, h.proto, n), l4, n)) == 0xffff);
    else if (h.proto == 1)
        FUZZ_CHECK(checksum(l4, n) == 0);
    return 0;
}
static const struct td_device_ops ops = {.transmit = transmit};

static struct td_stack *host(void)
{
    struct td_stack_config c = {.now = TD_SEC};
    struct td_stack *st = td_stack_new(&c);
    FUZZ_CHECK(st != NULL);
    for (unsigned i = 0; i < 2; i++) {
        struct td_if_config eth = {.mac = {{2, 0, 0, 0, 0, (uint8_t)i}}, .flags = TD_IF_UP | TD_IF_BROADCAST, .ops = &ops};
        memcpy(eth.name, i == 0 ? "eth0" : "eth1", 5);
        FUZZ_CHECK(td_if_add(st, &eth, &ifindex[i]) == 0);
        FUZZ_CHECK(td_addr_add(st, ifindex[i], TD_IP4(10, (uint8_t)i, 0, 1), 24) == 0);
        for (uint8_t k = 2; k < 6; k++)
            FUZZ_CHECK(td_neigh_add(st, ifindex[i], TD_IP4(10, (uint8_t)i, 0, k), (struct td_mac){{6, 0, 0, 0, 0, k}},
                                    TD_NEIGH_PERMANENT) == 0);
    }
    FUZZ_CHECK(td_knob_set(st, "net.ipv4.ip_forward", "1") == 0);
    return st;
}

/* All rules as iptables-save has them. */
static char *save(const struct td_stack *st)
{
    const struct nf_ruleset *s = nf_rules(st);
    size_t room = 4096 + (s != NULL ? s->nrules : 0) * (NF_SPEC_MAX + 64), n = 0;
    for (unsigned t = 0; s != NULL && t < NF_TABLES; t++)
        room += s->table[t].nchains * 64;
    char *text = malloc(room), spec[NF_SPEC_MAX];
    FUZZ_CHECK(text != NULL);
    text[0] = '\0';
    for (unsigned t = 0; s != NULL && t < NF_TABLES; t++) {
        n += (size_t)sprintf(text + n, "*%s\n", nf_table_name((enum nf_table_id)t));
        for (uint32_t i = 0; i < s->table[t].nchains; i++) {
            const struct nf_chain *c = s->table[t].chain[i];
            n += (size_t)sprintf(text + n, ":%s %s [0:0]\n", c->name, !c->builtin ? "-" : c->drop ? "DROP" : "ACCEPT");
        }
        for (uint32_t i = 0; i < s->table[t].nchains; i++)
            for (uint32_t k = 0; k < s->table[t].chain[i]->nrules; k++) {
                size_t len = nf_rule_spec(s->table[t].chain[i]->rule[k], spec, sizeof spec);
                FUZZ_CHECK(len < sizeof spec - 1);
                n += (size_t)sprintf(text + n, "-A %s %s\n", s->table[t].chain[i]->name, spec);
            }
        n += (size_t)sprintf(text + n, "COMMIT\n");
    }
    return text;
}

static void datagrams(struct td_stack *st)
{
    static const uint8_t protos[] = {6, 17, 1, 47};
    uint8_t f[100];
    td_time now = td_stack_now(st);

    for (unsigned i = 0; i < 32; i++) {
        struct eth_hdr e = {.dst = {{2, 0, 0, 0, 0, (uint8_t)(i & 1)}}, .src = {{6, 0, 0, 0, 0, 2}}, .type = ETHERTYPE_IPV4};
        struct ipv4_hdr h = {.hlen = 20, .total_len = 60, .ttl = (uint8_t)(i < 24 ? 64 : 1), .proto = protos[i / 2 % 4]};
        memset(f, 0, sizeof f);
        h.src = TD_IP4(10, (uint8_t)(i & 1), 0, (uint8_t)(2 + i % 3));
        h.dst = TD_IP4(10, (uint8_t)(i < 16 ? 1 - (i & 1) : (i & 1)), 0, (uint8_t)(i < 16 ? 2 : 1));
        size_t n = eth_emit(&e, f);
        n += ipv4_emit(&h, f + n);
        uint8_t *l4 = f + n;
        wire_put16(l4, 40000 + i % 4);
        wire_put16(l4 + 2, 80);
        if (h.proto == 6) {
            l4[12] = 0x50;
            l4[13] = i % 3 == 0 ? 2 : 16;
            wire_put16(l4 + 16, checksum_finish(checksum_add(checksum_pseudo(h.src, h.dst, 6, 40), l4, 40)));
        } else if (h.proto == 17) {
            wire_put16(l4 + 4, 40);
            wire_put16(l4 + 6, checksum_finish(checksum_add(checksum_pseudo(h.src, h.dst, 17, 40), l4, 40)));
        } else if (h.proto == 1) {
            wire_put16(l4, 0x0800);
            wire_put16(l4 + 2, 0);
            wire_put16(l4 + 4, i);
            wire_put16(l4 + 2, checksum(l4, 40));
        }
        (void)td_stack_input_bytes(st, ifindex[i & 1], f, n + 40, now);
        td_stack_flush(st, now);
    }
    td_stack_tick(st, now + TD_SEC);
    td_stack_flush(st, now + TD_SEC);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char msg[600];
    unsigned line = 0, lines = 1;
    if (size < 1 || memchr(data + 1, '\0', size - 1) != NULL)
        return 0;
    char *text = malloc(size), *before, *once, *twice;
    FUZZ_CHECK(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    for (size_t i = 0; i + 1 < size; i++)
        lines += text[i] == '\n';
    struct td_stack *st = host();
    FUZZ_CHECK(td_nf_restore(st, "-A FORWARD -s 9.9.9.9 -j DROP\n-N mine\n-t nat -A POSTROUTING -o eth1 -j MASQUERADE", 0, msg,
                             sizeof msg, NULL) == 0);
    before = save(st);
    int err = td_nf_restore(st, text, data[0] & 3, msg, sizeof msg, &line);
    once = save(st);
    if (err != 0) {
        FUZZ_CHECK(msg[0] != '\0' && strchr(msg, '\n') == NULL && line <= lines);
        FUZZ_CHECK(strcmp(before, once) == 0);
    } else {
        FUZZ_CHECK(msg[0] == '\0');
        err = td_nf_restore(st, once, TD_NF_FLUSH, msg, sizeof msg, &line);
        if (err != 0)
            fprintf(stderr, "line %u: %s\n%s\n", line, msg, once);
        FUZZ_CHECK(err == 0);
        twice = save(st);
        if (nf_rules(st) != NULL && strcmp(once, twice) != 0)
            fprintf(stderr, "%s\n---\n%s\n", once, twice);
        FUZZ_CHECK(nf_rules(st) == NULL || strcmp(once, twice) == 0);
        free(twice);
        datagrams(st);
    }
    FUZZ_CHECK(td_nf_restore(st,
                             "-F\n-X\n-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n-t nat -F\n-t nat -X\n"
                             "-t mangle -F\n-t mangle -X\n-t mangle -P INPUT ACCEPT\n-t mangle -P FORWARD ACCEPT\n"
                             "-t mangle -P OUTPUT ACCEPT\n-t mangle -P PREROUTING ACCEPT\n-t mangle -P POSTROUTING ACCEPT",
                             0, msg, sizeof msg, NULL) == 0);
    FUZZ_CHECK(td_nf_forget(st, "", msg, sizeof msg) >= 0);
    FUZZ_CHECK(nf_rules(st) == NULL);
    td_stack_free(st);
    free(before);
    free(once);
    free(text);
    return 0;
}
