/* lab/params.c: what differs from student to student (theory of operation: lab/lab.h).
 *
 * A draw is HMAC-SHA256 (RFC 2104, FIPS 180-4), keyed with the salt, of "LAB/PARAMETER/ID": its first 8 octets as a
 * big-endian number, modulo how many there are to choose from. Whoever has the salt can compute it by hand:
 *
 *     printf %s 05-three-routers/hops/alice | openssl dgst -sha256 -hmac "$(cat salt)"
 */
#include "lab/lab.h"

#include <ctype.h>
#include <inttypes.h>
#include <nettle/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/parse.h"

const struct salt *lab_salt(const struct lab_who *who)
{
    static const struct salt known = {.len = 7, .bytes = "tapdeck"};
    return who->salt != NULL ? who->salt : &known;
}

uint64_t lab_draw(const struct lab_who *who, const char *lab, const char *param, uint64_t n)
{
    struct hmac_sha256_ctx h;
    uint8_t digest[SHA256_DIGEST_SIZE];
    uint64_t v = 0;
    hmac_sha256_set_key(&h, lab_salt(who)->len, lab_salt(who)->bytes);
    const char *const parts[] = {lab, "/", param, "/", who->id};
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        hmac_sha256_update(&h, strlen(parts[i]), (const uint8_t *)parts[i]);
    hmac_sha256_digest(&h, sizeof(digest), digest);
    for (int i = 0; i < 8; i++)
        v = v << 8 | digest[i];
    return n == 0 ? 0 : v % n;
}

static void put_ip(struct text *out, td_ip4 a)
{
    text_printf(out, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

/* As it stands in a header: "0a09 0401" of an address, "1f90" of 8080, "40" of 64. */
static void put_hex(struct text *out, uint64_t n, bool address)
{
    if (address)
        text_printf(out, "%04x %04x", (unsigned)(n >> 16) & 0xffff, (unsigned)n & 0xffff);
    else
        text_printf(out, n < 0x100 ? "%02" PRIx64 : n < 0x10000 ? "%04" PRIx64 : "%08" PRIx64, n);
}

/* "1", "last", "broadcast" … of a network; or a number's name, for the host with that number. */
static bool network_part(const struct lab_param *params, const char *value, const char *part, struct text *out)
{
    char first[LAB_NAME_MAX + 1];
    const char *dot = strchr(part, '.');
    bool hex = dot != NULL && strcmp(dot, ".hex") == 0;
    if (hex) {
        snprintf(first, sizeof(first), "%.*s", (int)(dot - part), part);
        part = first;
    }
    for (const struct lab_param *p = params; p != NULL; p = p->next)
        if (p->kind == LAB_NUMBER && strcmp(p->name, part) == 0)
            part = p->value;
    td_ip4 net;
    uint8_t len;
    uint32_t n;
    if (!parse_prefix(value, &net, &len))
        return false;
    uint32_t hosts = len >= 31 ? 1 : (UINT32_C(1) << (32 - len)) - 2; /* that can be counted from 1 */
    td_ip4 mask = len == 0 ? 0 : UINT32_MAX << (32 - len);
    if (strcmp(part, "address") == 0)
        put_ip(out, net);
    else if (strcmp(part, "broadcast") == 0)
        put_ip(out, net | ~mask);
    else if (strcmp(part, "last") == 0)
        put_ip(out, net + hosts);
    else if (strcmp(part, "mask") == 0)
        put_ip(out, mask);
    else if (strcmp(part, "length") == 0)
        text_printf(out, "%u", len);
    else if (parse_u32(part, hosts, &n) && n > 0)
        hex ? put_hex(out, net + n, true) : put_ip(out, net + n);
    else
        return false;
    return true;
}

static bool number_part(const char *value, const char *part, struct text *out)
{
    uint64_t n;
    if (!parse_u64(value, UINT64_MAX - 1, &n))
        return false;
    if (strcmp(part, "more") == 0)
        text_printf(out, "%" PRIu64, n + 1);
    else if (strcmp(part, "less") == 0 && n > 0)
        text_printf(out, "%" PRIu64, n - 1);
    else if (strcmp(part, "hex") == 0)
        put_hex(out, n, false);
    else
        return false;
    return true;
}

/* "1": the first of what was shuffled. */
static bool shuffle_part(const char *value, const char *part, struct text *out)
{
    uint32_t n;
    if (!parse_u32(part, UINT32_MAX, &n) || n == 0)
        return false;
    while (--n > 0 && value != NULL) {
        value = strchr(value, ',');
        value = value != NULL ? value + 1 : NULL;
    }
    if (value == NULL)
        return false;
    text_add(out, value, strcspn(value, ","));
    return true;
}

/* What stands between the braces, n bytes. */
static bool put_value(const struct lab_param *params, const char *name, size_t n, struct text *out)
{
    const char *dot = memchr(name, '.', n);
    size_t base = dot != NULL ? (size_t)(dot - name) : n;
    char part[LAB_NAME_MAX + 1] = "";
    if (n - base > LAB_NAME_MAX)
        return false;
    if (dot != NULL)
        snprintf(part, sizeof(part), "%.*s", (int)(n - base - 1), dot + 1);
    for (const struct lab_param *p = params; p != NULL; p = p->next) {
        if (strlen(p->name) != base || memcmp(p->name, name, base) != 0)
            continue;
        if (dot != NULL)
            return p->kind == LAB_NETWORK  ? network_part(params, p->value, part, out)
                   : p->kind == LAB_NUMBER  ? number_part(p->value, part, out)
                   : p->kind == LAB_SHUFFLE ? shuffle_part(p->value, part, out)
                                            : false;
        text_puts(out, p->value);
        return true;
    }
    return false;
}

bool lab_hex(const char *s, struct text *out, unsigned *line)
{
    *line = 1;
    for (; *s != '\0'; s++) {
        if (*s == '#')
            s += strcspn(s, "\n");
        if (*s == '\n')
            ++*line;
        if (*s == '\0')
            break;
        if (isspace((unsigned char)*s))
            continue;
        const char two[3] = {s[0], isxdigit((unsigned char)s[0]) ? s[1] : '\0', '\0'};
        if (!isxdigit((unsigned char)two[0]) || !isxdigit((unsigned char)two[1]))
            return false;
        const char octet = (char)strtoul(two, NULL, 16);
        text_add(out, &octet, 1);
        s++;
    }
    return true;
}

bool lab_expand(const struct lab_param *params, const char *file, const char *bytes, size_t len, struct text *out, char *msg,
                size_t msg_size)
{
    unsigned line = 1;
    for (size_t i = 0; i < len; i++) {
        const char *end = bytes[i] == '$' && i + 1 < len && bytes[i + 1] == '{' ? memchr(bytes + i, '}', len - i) : NULL;
        if (bytes[i] == '\n')
            line++;
        if (end == NULL || !isalpha((unsigned char)bytes[i + 2])) {
            text_add(out, bytes + i, 1);
            continue;
        }
        size_t n = (size_t)(end - bytes) - i - 2;
        if (!put_value(params, bytes + i + 2, n, out)) {
            snprintf(msg, msg_size, "%s:%u: ${%.*s}: no such parameter, or it has no such part: `params:` in lab.yaml names them", file,
                     line, (int)(n < 60 ? n : 60), bytes + i + 2);
            return false;
        }
        i += n + 2;
    }
    return true;
}
