/* common/filter.c: filter expressions, compiled by libpcap.
 *
 * libpcap's compiler asks the resolver about any word it takes for a host's name; the daemon has
 * one thread and no time for that, so words are looked over first: those of the language, and names
 * behind `port`, `portrange` and `proto`, which are looked up in files.
 */
#include "common/filter.h"

#include <ctype.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILTER_MOST 4096 /* instructions */

static const char *const language[] = {
    "src",      "dst",       "host",       "net",       "mask",      "port",     "portrange",
    "gateway",  "proto",     "protochain", "ether",     "link",      "ip",       "ip6",
    "arp",      "rarp",      "tcp",        "udp",       "icmp",      "icmp6",    "igmp",
    "igrp",     "pim",       "vrrp",       "carp",      "esp",       "ah",       "sctp",
    "iso",      "stp",       "vlan",       "mpls",      "less",      "greater",  "len",
    "and",      "or",        "not",        "broadcast", "multicast", "tcpflags", "icmptype",
    "icmpcode", "icmp6type", "icmp6code",  "pppoed",    "pppoes",    "geneve",   NULL,
};

static bool in_language(const char *word)
{
    for (int i = 0; language[i] != NULL; i++)
        if (strcmp(word, language[i]) == 0)
            return true;
    return strncmp(word, "tcp-", 4) == 0 || strncmp(word, "icmp-", 5) == 0 ||
           strncmp(word, "icmp6-", 6) == 0;
}

/* The first word that libpcap would take for a host's name, in dst; false: none. */
static bool host_name(const char *expr, char *dst, size_t size)
{
    char before[64] = "";
    for (const char *p = expr; *p != '\0';) {
        char word[64];
        size_t n = 0;
        if (!isalnum((unsigned char)*p)) {
            p++;
            continue;
        }
        bool name = isalpha((unsigned char)*p) != 0, address = false;
        for (; isalnum((unsigned char)*p) || (*p != '\0' && strchr("._:-", *p) != NULL); p++) {
            address = address || *p == ':'; /* MAC and IPv6 addresses may begin with a letter */
            if (n + 1 < sizeof(word))
                word[n++] = *p;
        }
        word[n] = '\0';
        bool service = strcmp(before, "port") == 0 || strcmp(before, "portrange") == 0 ||
                       strcmp(before, "proto") == 0;
        if (name && !address && !service && !in_language(word)) {
            snprintf(dst, size, "%s", word);
            return true;
        }
        snprintf(before, sizeof(before), "%s", word);
    }
    return false;
}

bool filter_compile(const char *expr, struct td_bpf_insn *code, uint32_t room, uint32_t *len,
                    char *msg, size_t msg_size)
{
    struct bpf_program program;
    char name[64];
    if (host_name(expr, name, sizeof(name))) {
        snprintf(
            msg, msg_size,
            "'%s' in '%s' is no word of filter expressions, and names of hosts aren't looked up "
            "here: write addresses, for example 'tcp dst port 80 and host 10.0.0.1'",
            name, expr);
        return false;
    }
    pcap_t *p = pcap_open_dead(DLT_EN10MB, 65535);
    if (p == NULL) {
        snprintf(msg, msg_size, "out of memory");
        return false;
    }
    if (pcap_compile(p, &program, expr, 1, PCAP_NETMASK_UNKNOWN) < 0) {
        snprintf(
            msg, msg_size,
            "'%s' is not a filter expression (%s): write it as for tcpdump, for example 'tcp dst "
            "port 80'",
            expr, pcap_geterr(p));
        pcap_close(p);
        return false;
    }
    bool fits = program.bf_len <= room;
    if (!fits)
        snprintf(msg, msg_size, "'%s' is too long: it makes %u instructions where %u have room",
                 expr, program.bf_len, room);
    for (uint32_t i = 0; fits && i < program.bf_len; i++) {
        const struct bpf_insn *b = &program.bf_insns[i];
        code[i] = (struct td_bpf_insn){.code = b->code, .jt = b->jt, .jf = b->jf, .k = b->k};
    }
    *len = program.bf_len;
    pcap_freecode(&program);
    pcap_close(p);
    return fits;
}

struct bpf_insn *filter_program(const char *expr, char *msg, size_t msg_size)
{
    struct td_bpf_insn *code = calloc(FILTER_MOST, sizeof(*code));
    struct bpf_insn *program = calloc(FILTER_MOST, sizeof(*program));
    uint32_t n = 0;
    bool ok = code != NULL && program != NULL;
    if (!ok)
        snprintf(msg, msg_size, "out of memory");
    ok = ok && filter_compile(expr, code, FILTER_MOST, &n, msg, msg_size);
    for (uint32_t i = 0; ok && i < n; i++)
        program[i] = (struct bpf_insn){code[i].code, code[i].jt, code[i].jf, code[i].k};
    free(code);
    if (ok)
        return program;
    free(program);
    return NULL;
}
