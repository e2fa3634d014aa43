/* httpd/path.h: from the path of a URL to an open file, and no way out of the directory. */
#ifndef HTTPD_PATH_H
#define HTTPD_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define HTTPD_PATH_MAX 4096 /* with NUL, as PATH_MAX */

/* Decodes the path of a URL ("/a%20b/", n bytes, without the query) into a path relative to the
 * served directory: no leading slash, no empty, "." or ".." segments; a trailing slash stays ("a
 * b/"); the directory itself is "". 0; 400: not a path (percent sign without two hex digits, NUL,
 * ".." however it is written); 404: no file can have such a name (an encoded slash, too long). */
int httpd_path_decode(const char *url, size_t n, char dst[HTTPD_PATH_MAX]);

/* Opens what rel names beneath the directory root for reading: a regular file or a directory, found
 * without leaving root by "..", by a symbolic link or by an absolute path. *st is its fstat.
 * Returns the descriptor or a negative errno (-ENOENT for everything that is not to be seen: other
 * kinds of files, links that lead out; -EACCES; -EMFILE …). */
int httpd_path_open(int root, const char *rel, struct stat *st);
/* The same without openat2(2), which kernels before 5.6 lack: walks the segments and follows no
 * symbolic link at all. Used when openat2 is refused. */
int httpd_path_walk(int root, const char *rel, struct stat *st);

#endif
