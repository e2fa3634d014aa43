/* ip/nf/grammar_words.c: a line into words, words into numbers, addresses and ports.
 *
 * A line is split as iptables-restore does: blanks separate, quotes keep together, a backslash in double quotes takes
 * the next character as it is. Numbers are decimal and nothing else; an octet of an address has no leading zero, since
 * that means octal to some readers and not to others. Names of hosts aren't looked up: a filter must not wait for DNS.
 */
#include "ip/nf/grammar.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- words ---- */

int nf_words(char *line, char **word, int max, char *msg, size_t msg_size)
{
    char *to = line, *from = line;
    int n = 0;

    for (;;) {
        char quote = '\0';

        from += strspn(from, " \t\r");
        if (*from == '\0')
            return n;
        if (n == max) {
            (void)snprintf(msg, msg_size, "a line has at most %d words", max);
            return -1;
        }
        word[n++] = to;
        for (; *from != '\0' && (quote != '\0' || strchr(" \t\r", *from) == NULL); from++) {
            if (quote == '\0' && (*from == '"' || *from == '\'')) {
                quote = *from;
            } else if (quote != '\0' && *from == quote) {
                quote = '\0';
            } else {
                if (quote == '"' && *from == '\\' && from[1] != '\0')
                    from++;
                *to++ = *from;
            }
        }
        if (quote != '\0') {
            (void)snprintf(msg, msg_size, "a quote (%c) is opened and not closed", quote);
            return -1;
        }
        if (*from != '\0')
            from++;
        *to++ = '\0';
    }
}

/* ---- the reader ---- */

bool nf_bad(struct parse *p, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(p->msg, p->msg_size, fmt, ap);
    va_end(ap);
    return false;
}

const char *nf_word(const struct parse *p)
{
    return p->argv[p->at];
}

/* The next word, which belongs to the one in hand; NULL: there is none (said). */
const char *nf_value(struct parse *p, const char *what)
{
    if (p->at + 1 >= p->argc) {
        (void)nf_bad(p, "'%s' needs %s behind it", nf_word(p), what);
        return NULL;
    }
    return p->argv[++p->at];
}

/* Decimal digits up to `end`; false: none, or more than max. */
bool nf_number(const char **s, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    const char *at = *s;

    if (*at < '0' || *at > '9')
        return false;
    for (; *at >= '0' && *at <= '9'; at++) {
        v = v * 10 + (uint64_t)(*at - '0');
        if (v > max)
            return false;
    }
    *s = at;
    *out = v;
    return true;
}

bool nf_whole_number(const char *s, uint64_t max, uint64_t *out)
{
    return nf_number(&s, max, out) && *s == '\0';
}

bool nf_address(const char **s, td_ip4 *out)
{
    td_ip4 a = 0;
    uint64_t v;

    for (int i = 0; i < 4; i++) {
        if (i > 0 && *(*s)++ != '.')
            return false;
        if ((*s)[0] == '0' && (*s)[1] >= '0' && (*s)[1] <= '9')
            return false;
        if (!nf_number(s, 255, &v))
            return false;
        a = a << 8 | (td_ip4)v;
    }
    *out = a;
    return true;
}

/* "10.0.0.0/8", "10.0.0.0/255.0.0.0", "10.0.0.1". */
bool nf_network(const char *s, td_ip4 *a, td_ip4 *mask)
{
    uint64_t len;

    *mask = TD_IP4_BROADCAST;
    if (!nf_address(&s, a))
        return false;
    if (*s == '/') {
        const char *tail = ++s;

        if (strchr(s, '.') != NULL) {
            if (!nf_address(&s, mask))
                return false;
        } else {
            if (!nf_number(&tail, 32, &len))
                return false;
            s = tail;
            *mask = ip4_mask((unsigned)len);
        }
    }
    *a &= *mask;
    return *s == '\0';
}

static bool port_number(const char **s, uint16_t *out)
{
    static const struct {
        const char *name;
        uint16_t port;
    } known[] = {{"ftp", 21}, {"ssh", 22}, {"telnet", 23}, {"smtp", 25}, {"domain", 53}, {"http", 80},
                 {"ntp", 123}, {"https", 443}};
    uint64_t v;
    size_t n = strspn(*s, "abcdefghijklmnopqrstuvwxyz");

    for (unsigned i = 0; n > 0 && i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i].name) == n && strncmp(*s, known[i].name, n) == 0) {
            *s += n;
            *out = known[i].port;
            return true;
        }
    if (!nf_number(s, 65535, &v))
        return false;
    *out = (uint16_t)v;
    return true;
}

/* "80", "80:90", ":90", "80:" with that separator. */
bool nf_port_range(const char **s, char sep, uint16_t p[2])
{
    p[0] = 0;
    if (**s != sep && !port_number(s, &p[0]))
        return false;
    p[1] = p[0];
    if (**s != sep)
        return true;
    (*s)++;
    if (**s == '\0' || **s == ',')
        p[1] = 65535;
    else if (!port_number(s, &p[1]))
        return false;
    return p[0] <= p[1];
}

bool nf_take_not(struct parse *p, uint32_t m)
{
    if ((p->r->match & m) != 0)
        return nf_bad(p, "'%s' is said twice", nf_word(p));
    p->r->match |= m;
    if (p->not)
        p->r->not |= m;
    p->not = false;
    return true;
}

bool nf_no_not(struct parse *p)
{
    return !p->not || nf_bad(p, "'!' can't stand before '%s'", nf_word(p));
}

bool nf_positive(const struct parse *p, uint8_t proto)
{
    return (p->r->match & NF_M_PROTO) != 0 && (p->r->not & NF_M_PROTO) == 0 && p->r->proto == proto;
}

bool nf_printable(const char *s)
{
    for (; *s != '\0'; s++)
        if ((unsigned char)*s < ' ' || *s == 127)
            return false;
    return true;
}
