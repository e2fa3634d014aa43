/* httpd/escape.c: text from elsewhere in pages and URLs.
 *
 * Names of files and parts of requests reach a page or a header only through these two, so no name
 * can become markup, a header line or another site's URL.
 */
#include "httpd/escape.h"

#include <string.h>

void escape_html(struct text *t, const char *s)
{
    for (; *s != '\0'; s++) {
        switch (*s) {
        case '&':
            text_puts(t, "&amp;");
            break;
        case '<':
            text_puts(t, "&lt;");
            break;
        case '>':
            text_puts(t, "&gt;");
            break;
        case '"':
            text_puts(t, "&quot;");
            break;
        case '\'':
            text_puts(t, "&#39;");
            break;
        default:
            text_add(t, s, 1);
        }
    }
}

/* RFC 3986 2.3: unreserved */
static bool url_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("-._~/", c) != NULL;
}

void escape_url(struct text *t, const char *s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (; *s != '\0'; s++) {
        if (url_plain(*s)) {
            text_add(t, s, 1);
        } else {
            unsigned char c = (unsigned char)*s;
            const char code[3] = {'%', hex[c >> 4], hex[c & 15]};
            text_add(t, code, sizeof code);
        }
    }
}
