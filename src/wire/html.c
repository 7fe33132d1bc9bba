/* Text in a page. */
#include "wire/wire.h"

void html_escape(struct buf *out, struct str text)
{
    struct buf clean = BUF(out->max);
    text_clean(&clean, text);
    out->failed = out->failed || clean.failed;
    for (size_t i = 0; i < clean.n; i++) {
        char c = clean.p[i];
        if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
            buf_printf(out, "&#%d;", c);
        else
            buf_byte(out, c);
    }
    buf_free(&clean);
}
