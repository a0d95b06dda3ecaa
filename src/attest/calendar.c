#include "attest/calendar.h"

enum { ISO8601_LEN = 20, DAY_S = 24 * 3600 };

static bool is_leap(int year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_of_month(int year, int month) {
    static const int DAYS[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return DAYS[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

/* Leap years before `year`, counted from year 1. */
static int leaps_before(int year) {
    int last = year - 1;
    return last / 4 - last / 100 + last / 400;
}

pbts_status pbts_civil_to_unix(uint64_t *out, const pbts_civil_time *time) {
    if (time->year < 1970 || time->year > 9999) return PBTS_MALFORMED;
    if (time->month < 1 || time->month > 12) return PBTS_MALFORMED;
    if (time->day < 1 || time->day > days_of_month(time->year, time->month)) return PBTS_MALFORMED;
    if (time->hour < 0 || time->hour > 23 || time->minute < 0 || time->minute > 59 ||
        time->second < 0 || time->second > 59)
        return PBTS_MALFORMED;
    int days = (time->year - 1970) * 365 + leaps_before(time->year) - leaps_before(1970);
    for (int month = 1; month < time->month; month++) days += days_of_month(time->year, month);
    days += time->day - 1;
    *out =
        (uint64_t)days * DAY_S + (uint64_t)(time->hour * 3600 + time->minute * 60 + time->second);
    return PBTS_OK;
}

static bool read_digits(int *out, const uint8_t *text, size_t len) {
    int value = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        value = value * 10 + (text[i] - '0');
    }
    *out = value;
    return true;
}

pbts_status pbts_iso8601_to_unix(uint64_t *out, pbts_span text) {
    const uint8_t *at = text.data;
    pbts_civil_time time;
    if (text.len != ISO8601_LEN) return PBTS_MALFORMED;
    if (at[4] != '-' || at[7] != '-' || at[10] != 'T' || at[13] != ':' || at[16] != ':' ||
        at[19] != 'Z')
        return PBTS_MALFORMED;
    bool digits = read_digits(&time.year, at, 4) && read_digits(&time.month, at + 5, 2) &&
                  read_digits(&time.day, at + 8, 2) && read_digits(&time.hour, at + 11, 2) &&
                  read_digits(&time.minute, at + 14, 2) && read_digits(&time.second, at + 17, 2);
    return digits ? pbts_civil_to_unix(out, &time) : PBTS_MALFORMED;
}
