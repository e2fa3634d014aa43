/* get/url.c: http URLs.
 *
 * libhttp-parser splits; what it splits is limited first to visible ASCII, so nothing of a URL can
 * end a request line early. There is no name service in the stack, so the host is an address. A
 * reference from a Location field is resolved as RFC 3986 5.2.2 has it, dot segments and all.
 */
#include "get/url.h"

#include <http_parser.h>
#include <stdio.h>
#include <string.h>

#include "common/parse.h"

static bool fail(char *msg, size_t msg_size, const char *text, const char *what)
{
    char shown[201];
    size_t n = 0;
    for (; n + 1 < sizeof(shown) && text[n] != '\0';
         n++) /* it may be a stranger's: nothing a terminal would obey */
        shown[n] = text[n] >= 0x20 && text[n] < 0x7f ? text[n] : '?';
    shown[n] = '\0';
    snprintf(msg, msg_size, "'%s' %s", shown, what);
    return false;
}

static bool part_is(const struct http_parser_url *p, enum http_parser_url_fields f,
                    const char *text, const char *word)
{
    return p->field_data[f].len == strlen(word) &&
           strncasecmp(text + p->field_data[f].off, word, strlen(word)) == 0;
}

static bool has(const struct http_parser_url *p, enum http_parser_url_fields f)
{
    return (p->field_set & 1U << f) != 0;
}

static bool target_from(struct url *u, const char *text, const struct http_parser_url *p)
{
    int path = has(p, UF_PATH) ? p->field_data[UF_PATH].len : 0,
        query = has(p, UF_QUERY) ? p->field_data[UF_QUERY].len : -1;
    int n = snprintf(u->target, sizeof(u->target), "%.*s%s%.*s", path > 0 ? path : 1,
                     path > 0 ? text + p->field_data[UF_PATH].off : "/", query >= 0 ? "?" : "",
                     query > 0 ? query : 0, query > 0 ? text + p->field_data[UF_QUERY].off : "");
    return n >= 0 && (size_t)n < sizeof(u->target);
}

bool url_parse(struct url *u, const char *text, char *msg, size_t msg_size)
{
    char whole[URL_MAX + 8], host[32] = "";
    struct http_parser_url p;
    for (const char *s = text; *s != '\0'; s++)
        if (*s <= 0x20 || *s >= 0x7f)
            return fail(msg, msg_size, text,
                        "has characters that no URL has: write a blank as %20");
    bool scheme = strstr(text, "://") != NULL && strstr(text, "://") < text + strcspn(text, "/?#");
    if (strlen(text) >= URL_MAX)
        return fail(msg, msg_size, text, "is longer than 2047 characters");
    snprintf(whole, sizeof(whole), "%s%s", scheme ? "" : "http://", text);
    http_parser_url_init(&p);
    if (http_parser_parse_url(whole, strlen(whole), 0, &p) != 0 || !has(&p, UF_HOST))
        return fail(msg, msg_size, text, "is not a URL: write it as http://10.0.0.1/path");
    if (part_is(&p, UF_SCHEMA, whole, "https"))
        return fail(msg, msg_size, text, "is HTTPS: there is no TLS here, write http://");
    if (!part_is(&p, UF_SCHEMA, whole, "http"))
        return fail(msg, msg_size, text, "is not an http URL: write it as http://10.0.0.1/path");
    if (has(&p, UF_USERINFO))
        return fail(msg, msg_size, text, "has a user name, which is not sent here: leave it out");
    if (p.field_data[UF_HOST].len < sizeof(host))
        memcpy(host, whole + p.field_data[UF_HOST].off, p.field_data[UF_HOST].len);
    if (!parse_ip4(host, &u->addr))
        return fail(msg, msg_size, text,
                    "names no address: there is no name service in the stack, write it as "
                    "http://10.0.0.1/path");
    if (has(&p, UF_PORT) && p.port == 0)
        return fail(msg, msg_size, text, "has port 0: ports are 1 to 65535");
    u->port = has(&p, UF_PORT) ? p.port : 80;
    snprintf(u->host, sizeof(u->host), u->port == 80 ? "%.15s" : "%.15s:%u", host, u->port);
    return target_from(u, whole, &p) || fail(msg, msg_size, text, "is longer than 2047 characters");
}

/* RFC 3986 5.2.4: what "." and ".." in a path come to. In place; path begins with '/'. */
static void remove_dots(char *path)
{
    char *out = path, *in = path;
    while (*in != '\0' && *in != '?') {
        size_t n = 1 + strcspn(in + 1, "/?");
        bool last = in[n] != '/';
        if ((n == 2 && in[1] == '.') || (n == 3 && in[1] == '.' && in[2] == '.')) {
            if (n == 3)
                while (out > path && *--out != '/')
                    ;
            if (last)
                *out++ = '/';
        } else {
            memmove(out, in, n);
            out += n;
        }
        in += n;
    }
    memmove(out, in, strlen(in) + 1);
    if (*path == '\0' || *path == '?') {
        memmove(path + 1, path, strlen(path) + 1);
        *path = '/';
    }
}

bool url_follow(const struct url *base, const char *reference, struct url *u, char *msg,
                size_t msg_size)
{
    char whole[2 * URL_MAX + 64];
    size_t scheme = strcspn(reference, ":/?#");
    int path = (int)strcspn(base->target, "?"), n;
    char *slash;
    if (reference[scheme] == ':') {
        n = snprintf(whole, sizeof(whole), "%s", reference);
    } else if (strncmp(reference, "//", 2) == 0) {
        n = snprintf(whole, sizeof(whole), "http:%s", reference);
    } else if (*reference == '/') {
        n = snprintf(whole, sizeof(whole), "http://%s%s", base->host, reference);
    } else if (*reference == '?') {
        n = snprintf(whole, sizeof(whole), "http://%s%.*s%s", base->host, path, base->target,
                     reference);
    } else if (*reference == '\0' || *reference == '#') {
        n = snprintf(whole, sizeof(whole), "http://%s%s", base->host, base->target);
    } else {
        slash = memrchr(base->target, '/', (size_t)path);
        n = snprintf(whole, sizeof(whole), "http://%s%.*s/%s", base->host,
                     slash != NULL ? (int)(slash - base->target) : 0, base->target, reference);
    }
    if (n < 0 || n >= (int)sizeof(whole))
        return fail(msg, msg_size, reference, "is longer than 2047 characters");
    if (!url_parse(u, whole, msg, msg_size))
        return false;
    remove_dots(u->target);
    return true;
}
