/* RFC 3339 times by arithmetic on the proleptic Gregorian calendar. */
#include "wire/wire_internal.h"

#define US_PER_DAY INT64_C(86400000000)
#define DAYS_PER_400_YEARS 146097
#define DAYS_TO_1970 719468 /* from 1 March of year 0, where a 400-year cycle begins */
#define TIME_MAX_US INT64_C(253402300799999999) /* the last microsecond of 9999 */

/* Years are counted from March so that the leap day is a year's last day. */
static int64_t days_from_civil(int year, int month, int day)
{
    int y = year - (month <= 2), m = (month + 9) % 12;
    return (int64_t)y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 -
           DAYS_TO_1970;
}

static void civil_from_days(int64_t days, int *year, int *month, int *day)
{
    int z = (int)days + DAYS_TO_1970, cycle = z / DAYS_PER_400_YEARS, d = z % DAYS_PER_400_YEARS;
    int y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
    int in_year = d - (365 * y + y / 4 - y / 100), m = (5 * in_year + 2) / 153;
    *day = in_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = y + cycle * 400 + (*month <= 2);
}

static void put(char *p, int digits, int v)
{
    for (int i = digits - 1; i >= 0; i--, v /= 10)
        p[i] = (char)('0' + v % 10);
}

void time_write(char out[TIME_CHARS], int64_t us)
{
    us = num_max(0, num_min(us, TIME_MAX_US));
    int year, month, day, ms = (int)(us % US_PER_DAY / 1000), s = ms / 1000;
    civil_from_days(us / US_PER_DAY, &year, &month, &day);
    memcpy(out, "YYYY-MM-DDThh:mm:ss.mmmZ", TIME_CHARS);
    put(out, 4, year);
    put(out + 5, 2, month);
    put(out + 8, 2, day);
    put(out + 11, 2, s / 3600);
    put(out + 14, 2, s / 60 % 60);
    put(out + 17, 2, s % 60);
    put(out + 20, 3, ms % 1000);
}

int time_month(int64_t us, int *ret_month)
{
    int year, day;
    civil_from_days(num_max(0, num_min(us, TIME_MAX_US)) / US_PER_DAY, &year, ret_month, &day);
    return year;
}

void time_text(struct buf *out, int64_t us)
{
    char t[TIME_CHARS];
    time_write(t, us);
    buf_add(out, t, sizeof t);
}

/* Reads `pattern` at *at: 'd' is a digit, anything else stands for itself. false: it is not there.
 */
static bool match(struct str s, size_t *at, const char *pattern)
{
    for (; *pattern; pattern++, (*at)++) {
        if (*at >= s.n)
            return false;
        char c = s.p[*at];
        if (*pattern == 'd' ? c < '0' || c > '9' : c != *pattern)
            return false;
    }
    return true;
}

static int number(struct str s, size_t at, int digits)
{
    int v = 0;
    for (int i = 0; i < digits; i++)
        v = v * 10 + (s.p[at + (size_t)i] - '0');
    return v;
}

static int days_in_month(int year, int month)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

/* Digits after the point, to microseconds; more precise ones are cut off. */
static bool read_fraction(struct str s, size_t *at, int64_t *us)
{
    size_t from = *at;
    int64_t unit = 100000;
    for (; *at < s.n && s.p[*at] >= '0' && s.p[*at] <= '9'; (*at)++, unit /= 10)
        *us += (s.p[*at] - '0') * unit;
    return *at > from;
}

/* "Z" or "+hh:mm" up to the end; *us is what has to be subtracted. */
static bool read_offset(struct str s, size_t at, int64_t *us)
{
    if (at + 1 == s.n && (s.p[at] == 'Z' || s.p[at] == 'z'))
        return true;
    if (at >= s.n || (s.p[at] != '+' && s.p[at] != '-'))
        return false;
    size_t from = at++;
    if (!match(s, &at, "dd:dd") || at != s.n)
        return false;
    int h = number(s, from + 1, 2), m = number(s, from + 4, 2);
    *us = (h * 60 + m) * INT64_C(60000000) * (s.p[from] == '-' ? -1 : 1);
    return h <= 23 && m <= 59;
}

bool time_parse(struct str s, int64_t *ret_us)
{
    size_t at = 0;
    if (!match(s, &at, "dddd-dd-dd") || at >= s.n || (s.p[at] != 'T' && s.p[at] != 't'))
        return false;
    at++;
    if (!match(s, &at, "dd:dd:dd"))
        return false;
    int year = number(s, 0, 4), month = number(s, 5, 2), day = number(s, 8, 2);
    int h = number(s, 11, 2), m = number(s, 14, 2), sec = number(s, 17, 2);
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || h > 23 ||
        m > 59 || sec > 59)
        return false;
    int64_t us = 0, offset = 0;
    if (at < s.n && s.p[at] == '.') {
        at++;
        if (!read_fraction(s, &at, &us))
            return false;
    }
    if (!read_offset(s, at, &offset))
        return false;
    us += days_from_civil(year, month, day) * US_PER_DAY +
          ((h * 60 + m) * 60 + sec) * INT64_C(1000000) - offset;
    if (us < 0 || us > TIME_MAX_US)
        return false;
    *ret_us = us;
    return true;
}
