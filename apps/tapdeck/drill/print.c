/* drill/print.c: a script's parts in its own notation.
 *
 * What is written here can be read again by the parser and means the same; tests hold it to that.
 * The runner writes what it met with the same functions, so that both sides of a difference look
 * alike.
 */
#include "tapdeck/drill/drill.h"

#include "tapdeck/drill/names.h"
#include "wire/icmp.h"
#include "wire/tcp.h"

#include <stdio.h>
#include <string.h>

/* ---- times ---- */

/* Seconds without needless zeroes. */
static void print_seconds(struct text *t, int64_t us)
{
    text_printf(t, "%lld", (long long)(us / 1000000));
    int64_t fraction = us % 1000000;
    if (fraction == 0)
        return;
    char digits[24];
    snprintf(digits, sizeof(digits), "%06lld", (long long)fraction);
    size_t n = strlen(digits);
    while (n > 0 && digits[n - 1] == '0')
        n--;
    text_puts(t, ".");
    text_add(t, digits, n);
}

void drill_print_time(struct text *t, const struct drill_event *e)
{
    bool relative = e->time == DRILL_RELATIVE || e->time == DRILL_RELATIVE_RANGE;
    if (e->time == DRILL_ANY) {
        text_puts(t, "*");
        return;
    }
    text_puts(t, relative ? "+" : "");
    print_seconds(t, e->at);
    if (e->time == DRILL_ABSOLUTE_RANGE || e->time == DRILL_RELATIVE_RANGE) {
        text_puts(t, relative ? "~+" : "~");
        print_seconds(t, e->until);
    }
}

/* ---- packets ---- */

size_t drill_opt_size(const struct drill_opt *o)
{
    switch (o->kind) {
    case DRILL_OPT_EOL:
    case DRILL_OPT_NOP:
        return 1;
    case DRILL_OPT_MSS:
        return 4;
    case DRILL_OPT_WSCALE:
        return 3;
    case DRILL_OPT_SACKOK:
        return 2;
    case DRILL_OPT_SACK:
        return 2 + 8 * o->n;
    case DRILL_OPT_TS:
        return 10;
    case DRILL_OPT_FOEXP:
        return 4 + o->n;
    case DRILL_OPT_ACCECN:
        return 2 + 3 * o->n;
    case DRILL_OPT_FO:
    case DRILL_OPT_MD5:
    case DRILL_OPT_OTHER:
        break;
    }
    return 2 + o->n;
}

static void print_blob(struct text *t, const char *word, const struct drill_opt *o)
{
    text_puts(t, word);
    for (size_t i = 0; i < o->n && i < sizeof(o->bytes); i++)
        text_printf(t, "%s%02x", i == 0 ? " " : "", o->bytes[i]);
}

void drill_print_opt(struct text *t, const struct drill_opt *o)
{
    switch (o->kind) {
    case DRILL_OPT_EOL:
        text_puts(t, "eol");
        break;
    case DRILL_OPT_NOP:
        text_puts(t, "nop");
        break;
    case DRILL_OPT_MSS:
        text_printf(t, "mss %u", o->v[0]);
        break;
    case DRILL_OPT_WSCALE:
        text_printf(t, "wscale %u", o->v[0]);
        break;
    case DRILL_OPT_SACKOK:
        text_puts(t, "sackOK");
        break;
    case DRILL_OPT_SACK:
        text_puts(t, "sack");
        for (size_t i = 0; i < o->n; i++)
            text_printf(t, " %u:%u", o->sack[i][0], o->sack[i][1]);
        break;
    case DRILL_OPT_TS:
        text_printf(t, "TS val %u ecr %u", o->v[0], o->v[1]);
        break;
    case DRILL_OPT_FO:
        print_blob(t, "FO", o);
        break;
    case DRILL_OPT_FOEXP:
        print_blob(t, "FOEXP", o);
        break;
    case DRILL_OPT_MD5:
        print_blob(t, "md5", o);
        break;
    case DRILL_OPT_ACCECN:
        text_puts(t, "ECN");
        for (size_t i = 0; i < o->n && i < 3; i++)
            text_printf(t, " %s %u", accecn_names[o->order1][i], o->count[i]);
        break;
    case DRILL_OPT_OTHER:
        text_printf(t, "kind_%u", o->v[0]);
        print_blob(t, "", o);
        break;
    }
}

static void print_ip(struct text *t, const struct drill_packet *k)
{
    const char *comma = "";
    if (k->ecn == DRILL_ECN_ANY && !k->has_ttl)
        return;
    text_puts(t, "(");
    if (k->ecn == DRILL_TOS)
        text_printf(t, "tos 0x%02x", k->tos);
    else if (k->ecn != DRILL_ECN_ANY)
        text_puts(t, ecn_names[k->ecn]);
    if (k->ecn != DRILL_ECN_ANY)
        comma = ", ";
    if (k->has_ttl)
        text_printf(t, "%sttl %u", comma, k->ttl);
    text_puts(t, ") ");
}

static void print_flags(struct text *t, const struct drill_packet *k)
{
    const uint16_t ace = TCP_AE | TCP_CWR | TCP_ECE;
    bool any = k->has_ace;
    for (size_t i = 0; i < flag_letters_n; i++) {
        if ((k->flags & flag_letters[i].bit) == 0 ||
            (k->has_ace && (flag_letters[i].bit & ace) != 0))
            continue;
        text_add(t, &flag_letters[i].letter, 1);
        any = true;
    }
    if (k->has_ace)
        text_printf(t, "%d",
                    (k->flags & TCP_AE ? 4 : 0) + (k->flags & TCP_CWR ? 2 : 0) +
                        (k->flags & TCP_ECE ? 1 : 0));
    text_puts(t, any ? " " : "- ");
}

static void print_tcp(struct text *t, const struct drill_packet *k)
{
    print_flags(t, k);
    text_printf(t, "%u:%u(%u)", k->seq, k->seq + k->len, k->len);
    if (k->has_ack)
        text_printf(t, " ack %u", k->ack);
    if (k->has_win)
        text_printf(t, " win %u", k->win);
    if (k->has_urg)
        text_printf(t, " urg %u", k->urg);
    if (k->any_opts) {
        text_puts(t, " <...>");
    } else if (k->nopts > 0) {
        for (size_t i = 0; i < k->nopts; i++) {
            text_puts(t, i == 0 ? " <" : ",");
            drill_print_opt(t, &k->opt[i]);
        }
        text_puts(t, ">");
    }
}

static void print_icmp(struct text *t, const struct drill_packet *k)
{
    const char *type = NULL, *code = NULL;
    for (size_t i = 0; type == NULL && i < icmp_types_n; i++)
        type = icmp_types[i].type == k->icmp_type ? icmp_types[i].name : NULL;
    for (size_t i = 0; code == NULL && i < icmp_codes_n; i++) {
        if (icmp_codes[i].type == k->icmp_type && icmp_codes[i].code == k->icmp_code)
            code = icmp_codes[i].name;
    }
    text_puts(t, "icmp ");
    if (type != NULL)
        text_puts(t, type);
    else
        text_printf(t, "type_%u", k->icmp_type);
    if (code != NULL)
        text_printf(t, " %s", code);
    else if (k->icmp_code != 0)
        text_printf(t, " code_%u", k->icmp_code);
    if (k->has_mtu)
        text_printf(t, " mtu %u", k->mtu);
    if (k->has_id)
        text_printf(t, " id %u", k->id);
    if (k->quote == DRILL_QUOTE_TCP)
        text_printf(t, " [%u:%u(%u)]", k->seq, k->seq + k->len, k->len);
    else if (k->quote != DRILL_QUOTE_NONE)
        text_printf(t, " [%s (%u)]", k->quote == DRILL_QUOTE_UDP ? "udp" : "raw", k->len);
}

void drill_print_packet(struct text *t, const struct drill_packet *k)
{
    text_puts(t, k->inbound ? "< " : "> ");
    print_ip(t, k);
    if (k->proto == DRILL_UDP)
        text_puts(t, "udp ");
    if (k->proto != DRILL_ICMP && k->has_ports)
        text_printf(t, "%u > %u ", k->sport, k->dport);
    switch (k->proto) {
    case DRILL_TCP:
        print_tcp(t, k);
        break;
    case DRILL_UDP:
        text_printf(t, "(%u)", k->len);
        break;
    case DRILL_ICMP:
        print_icmp(t, k);
        break;
    }
}

/* ---- calls ---- */

static void print_items(struct text *t, struct drill_expr *const *item, size_t n, const char *comma)
{
    for (size_t i = 0; i < n; i++) {
        text_puts(t, i > 0 ? comma : "");
        drill_print_expr(t, item[i]);
    }
}

static void print_string(struct text *t, const struct drill_expr *e)
{
    text_puts(t, "\"");
    for (size_t i = 0; i < e->text_len; i++) {
        unsigned char c = (unsigned char)e->text[i];
        if (c < ' ' || c > '~') {
            text_printf(t, "\\x%02x", c);
            continue;
        }
        if (c == '"' || c == '\\')
            text_puts(t, "\\");
        text_add(t, &e->text[i], 1);
    }
    text_puts(t, "\"");
}

/* Recursion is bounded by DRILL_DEPTH_MAX. */
void drill_print_expr(struct text *t, const struct drill_expr *e)
{
    switch (e->kind) {
    case DRILL_INT:
        if (e->is_hex)
            text_printf(t, "0x%llx", (unsigned long long)e->num);
        else
            text_printf(t, "%lld", (long long)e->num);
        break;
    case DRILL_WORD:
        text_puts(t, e->text);
        break;
    case DRILL_STRING:
        print_string(t, e);
        break;
    case DRILL_ELLIPSIS:
        text_puts(t, "...");
        break;
    case DRILL_OR:
        print_items(t, e->item, e->nitems, "|");
        break;
    case DRILL_LIST:
        text_puts(t, "[");
        print_items(t, e->item, e->nitems, ", ");
        text_puts(t, "]");
        break;
    case DRILL_STRUCT:
        text_puts(t, "{");
        print_items(t, e->item, e->nitems, ", ");
        text_puts(t, "}");
        break;
    case DRILL_FIELD:
        text_puts(t, e->text);
        if (e->nitems > 1) {
            text_puts(t, "(");
            drill_print_expr(t, e->item[1]);
            text_puts(t, ")");
        }
        text_puts(t, "=");
        drill_print_expr(t, e->item[0]);
        break;
    case DRILL_CALL:
        text_printf(t, "%s(", e->text);
        print_items(t, e->item, e->nitems, ", ");
        text_puts(t, ")");
        break;
    }
}

void drill_print_call(struct text *t, const struct drill_call *c)
{
    text_printf(t, "%s(", c->name);
    print_items(t, c->arg, c->nargs, ", ");
    text_puts(t, ") = ");
    drill_print_expr(t, c->result);
    if (c->error != NULL)
        text_printf(t, " %s", c->error);
    if (c->note != NULL)
        text_printf(t, " (%s)", c->note);
}

/* ---- events ---- */

void drill_print_event(struct text *t, const struct drill_event *e)
{
    switch (e->kind) {
    case DRILL_PACKET:
        drill_print_packet(t, &e->packet);
        break;
    case DRILL_SYSCALL:
        if (e->call.blocking) {
            text_puts(t, "...");
            print_seconds(t, e->call.end);
            text_puts(t, " ");
        }
        drill_print_call(t, &e->call);
        break;
    case DRILL_SHELL:
        text_printf(t, "`%s`", e->shell);
        break;
    case DRILL_CODE:
        text_printf(t, "%%{ %s }%%", e->code);
        break;
    }
}
