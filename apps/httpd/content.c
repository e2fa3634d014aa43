/* httpd/content.c: media types by file name, and the page that lists a directory.
 *
 * A listing is sorted by name (bytes, not locale), so that it is the same everywhere. It shows
 * regular files, directories and symbolic links; names that begin with a dot aren't shown, though
 * they are served when asked for. Symbolic links are listed without following them, so that a
 * listing tells nothing about what lies outside. Every name passes escape_url() into the href and
 * escape_html() into the text.
 */
#include "httpd/content.h"
#include "httpd/date.h"
#include "httpd/escape.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *extension, *type;
} types[] = {
    {"7z", "application/x-7z-compressed"},
    {"avif", "image/avif"},
    {"bin", "application/octet-stream"},
    {"bmp", "image/bmp"},
    {"bz2", "application/x-bzip2"},
    {"c", "text/plain; charset=utf-8"},
    {"cap", "application/vnd.tcpdump.pcap"},
    {"css", "text/css; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"deb", "application/vnd.debian.binary-package"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"h", "text/plain; charset=utf-8"},
    {"htm", "text/html; charset=utf-8"},
    {"html", "text/html; charset=utf-8"},
    {"ico", "image/vnd.microsoft.icon"},
    {"iso", "application/octet-stream"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript; charset=utf-8"},
    {"json", "application/json"},
    {"log", "text/plain; charset=utf-8"},
    {"md", "text/markdown; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"ogg", "audio/ogg"},
    {"otf", "font/otf"},
    {"pcap", "application/vnd.tcpdump.pcap"},
    {"pcapng", "application/octet-stream"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"ps", "application/postscript"},
    {"sh", "text/plain; charset=utf-8"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"tgz", "application/gzip"},
    {"tsv", "text/tab-separated-values; charset=utf-8"},
    {"ttf", "font/ttf"},
    {"txt", "text/plain; charset=utf-8"},
    {"wasm", "application/wasm"},
    {"wav", "audio/wav"},
    {"webm", "video/webm"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xhtml", "application/xhtml+xml"},
    {"xml", "application/xml"},
    {"xz", "application/x-xz"},
    {"yaml", "application/yaml"},
    {"yml", "application/yaml"},
    {"zip", "application/zip"},
    {"zst", "application/zstd"},
};

static int compare_extension(const void *key, const void *member)
{
    const char *const *extension = member;
    return strcasecmp(key, *extension);
}

const char *content_type(const char *name)
{
    const char *slash = strrchr(name, '/');
    const char *base = slash != NULL ? slash + 1 : name;
    const char *dot = strrchr(base, '.');
    if (dot != NULL && dot != base) {
        size_t count = sizeof types / sizeof types[0];
        const void *hit = bsearch(dot + 1, types, count, sizeof types[0], compare_extension);
        if (hit != NULL)
            return types[((const char *)hit - (const char *)types) / (ptrdiff_t)sizeof types[0]]
                .type;
    }
    return "application/octet-stream";
}

/* ---- listings ---- */

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static void list_entry(struct text *t, int fd, const char *name)
{
    struct stat st;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    bool dir = S_ISDIR(st.st_mode), file = S_ISREG(st.st_mode);
    if (!dir && !file && !S_ISLNK(st.st_mode))
        return;
    text_puts(t, "<tr><td><a href=\"");
    escape_url(t, name);
    text_puts(t, dir ? "/\">" : "\">");
    escape_html(t, name);
    text_puts(t, dir ? "/</a></td><td></td>" : "</a></td><td>");
    if (file)
        text_printf(t, "%" PRIu64 "</td>", (uint64_t)st.st_size);
    else if (!dir)
        text_puts(t, "link</td>");
    char date[HTTPD_DATE_SIZE];
    httpd_date_format((int64_t)st.st_mtime, date);
    text_printf(t, "<td>%s</td></tr>\n", date);
}

int content_listing(struct text *t, int fd, const char *url_path)
{
    int own = dup(fd); /* closedir closes it */
    DIR *d = own < 0 ? NULL : fdopendir(own);
    if (d == NULL) {
        int err = -errno;
        if (own >= 0)
            close(own);
        return err;
    }
    rewinddir(d);
    char **names = NULL;
    size_t count = 0, room = 0;
    bool more = false;
    struct dirent *e;
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        if (count == LISTING_MAX_ENTRIES) {
            more = true;
            break;
        }
        if (count == room) {
            room = room == 0 ? 64 : room * 2;
            char **bigger = realloc(names, room * sizeof *names);
            if (bigger == NULL)
                break;
            names = bigger;
        }
        names[count] = strdup(e->d_name);
        if (names[count] == NULL)
            break;
        count++;
    }
    if (count > 0)
        qsort(names, count, sizeof *names, compare_names);

    text_puts(t, "<!doctype html>\n<html><head><meta charset=\"utf-8\"><title>Index of /");
    escape_html(t, url_path);
    text_puts(t, "</title>\n<style>body{font-family:sans-serif}td{padding:0 1em}"
                 "td:nth-child(2){text-align:right}</style></head>\n<body><h1>Index of /");
    escape_html(t, url_path);
    text_puts(t, "</h1>\n<table>\n");
    if (*url_path != '\0')
        text_puts(t, "<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n");
    for (size_t i = 0; i < count; i++) {
        list_entry(t, fd, names[i]);
        free(names[i]);
    }
    free(names);
    closedir(d);
    text_puts(t, "</table>\n");
    if (more)
        text_printf(t, "<p>There are more; this page stops at %d.</p>\n", LISTING_MAX_ENTRIES);
    text_puts(t, "</body></html>\n");
    return 0;
}
