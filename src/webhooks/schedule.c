/* When the next attempt of a delivery is made. */
#include <time.h>

#include "webhooks/webhooks_internal.h"

#define WAIT_MAX_S (30 * 86400)
#define RETRY_AFTER_MAX DAY_US
#define SLOW_DOWN MINUTE_US

err_t schedule_read(struct schedule *s, struct str text, struct err_info *reterr)
{
    *s = (struct schedule){.n = 0};
    for (size_t at = 0; at <= text.n;) {
        const char *comma = at < text.n ? memchr(text.p + at, ',', text.n - at) : NULL;
        size_t end = comma ? (size_t)(comma - text.p) : text.n;
        int64_t seconds;
        if (!str_to_i64((struct str){text.p + at, end - at}, &seconds) || seconds < 0 ||
            seconds > WAIT_MAX_S || s->n == SCHEDULE_MAX)
            return error_set(reterr, ERR_CONFIG,
                             "webhook_schedule must be 1 to %d whole numbers of seconds, up to %d, "
                             "separated by commas.",
                             SCHEDULE_MAX, WAIT_MAX_S);
        s->wait_us[s->n++] = seconds * SECOND_US;
        s->longest_us = num_max(s->longest_us, seconds * SECOND_US);
        at = end + 1;
    }
    ASSERT(s->n > 0);
    return OK;
}

int64_t retry_after_us(struct str header, int64_t now_us)
{
    int64_t seconds;
    char text[40];
    if (!header.p || header.n == 0 || header.n >= sizeof text)
        return 0;
    if (str_to_i64(header, &seconds))
        return seconds <= 0 ? 0 : num_min(seconds, RETRY_AFTER_MAX / SECOND_US) * SECOND_US;
    memcpy(text, header.p, header.n);
    text[header.n] = 0;
    struct tm tm = {.tm_sec = 0};
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (!end || *end)
        return 0;
    int64_t at = (int64_t)timegm(&tm);
    if (at <= now_us / SECOND_US)
        return 0;
    return num_min(at - now_us / SECOND_US, RETRY_AFTER_MAX / SECOND_US) * SECOND_US;
}

bool schedule_next(const struct schedule *s, int made, int status, int64_t retry_after,
                   struct det *det, int64_t *ret_wait_us)
{
    ASSERT(made >= 1 && retry_after >= 0);
    if (made >= s->n)
        return false;
    int64_t wait = s->wait_us[made];
    /* a schedule that was shortened shortens this too */
    if (status == 429 || status == 502 || status == 504)
        wait = num_max(wait, num_min(SLOW_DOWN, s->longest_us));
    int64_t asked_max = num_max(wait, num_min(2 * wait, RETRY_AFTER_MAX));
    int64_t fifth = wait / 5;
    int64_t jittered = wait - fifth + (int64_t)det_below(det, (uint64_t)(2 * fifth) + 1);
    *ret_wait_us = num_max(jittered, num_min(retry_after, asked_max));
    return true;
}

err_t webhooks_tidy(struct store_tx *tx, const char *schedule, int64_t now_us)
{
    struct schedule s;
    struct err_info ignored = {0};
    if (schedule_read(&s, str_from(schedule), &ignored) != OK)
        return OK;
    return job_not_after(tx, JOB_DELIVERY, now_us + 2 * s.longest_us); /* see asked_max */
}
