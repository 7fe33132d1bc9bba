#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void write_line(const char *line, int n)
{
    if (n > 0 && write(2, line, (size_t)n) < 0)
        abort();
}

void check_failed(const char *what, const char *file, int line)
{
    char out[512];
    int n = snprintf(out, sizeof out, "florin: assertion failed: %s (%s:%d)\n", what, file, line);
    write_line(out, n < (int)sizeof out ? n : (int)sizeof out - 1);
    abort();
}

void check_panic(const char *fmt, ...)
{
    char msg[400], out[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    int n = snprintf(out, sizeof out, "florin: cannot go on: %s\n", msg);
    write_line(out, n < (int)sizeof out ? n : (int)sizeof out - 1);
    abort();
}
