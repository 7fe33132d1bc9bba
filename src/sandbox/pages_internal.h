/* HTML pages of the sandbox: files of pages/, filled in. */
#ifndef FLORIN_SANDBOX_PAGES_INTERNAL_H
#define FLORIN_SANDBOX_PAGES_INTERNAL_H

#include "sandbox/sandbox_internal.h"

#define PAGE_BYTES_MAX ((size_t)1 << 20)

struct page_value {
    const char *name;
    struct str value;
};
/* Appends a file of pages/: {{name}} becomes the value as text, {{&name}} the value as it is, which
 * is HTML already. A name that nobody gave is a mistake of ours. */
void page_fill(struct buf *out, const char *file, const struct page_value *values, size_t n);
#define PAGE_FILL(out, file, ...)                                                                  \
    page_fill(out, file, (const struct page_value[]){__VA_ARGS__},                                 \
              sizeof((const struct page_value[]){__VA_ARGS__}) / sizeof(struct page_value))
/* "92.32 EUR" */
void page_amount(struct buf *out, int64_t minor, struct str currency);
/* A shop's page shows the issuer's in a frame; nobody shows ours for developers. */
enum page_frame { PAGE_ALONE, PAGE_FRAMED };
/* Takes body over. refresh: of the header of that name, "" none. */
void page_reply(struct http_request *req, int status, enum page_frame frame, const char *refresh,
                struct buf *body);
/* A page that says one thing; back is where its link leads, absent or not http: none. */
void page_message(struct http_request *req, int status, const char *title, const char *text,
                  struct str back);
/* Sends the browser on by GET. */
void page_redirect(struct http_request *req, const char *location);
/* May a browser be sent there? */
bool page_url_valid(struct str url);

#endif
