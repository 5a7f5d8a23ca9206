/* The loops that a large comparison spends its time in. Optional: syncnb does the same without, only slower.
 *
 *   read_rows      puts the rows of a SELECT of SQLite into arrays, column by column, while SQLite goes through them
 *   hash_…         PostgreSQL's hashes of 64 bits (Bob Jenkins' lookup3), cell after cell, for several seeds at once
 *   read_stamps    stamps that are written in the plain way
 *
 * Nothing of Python and nothing of SQLite is linked: arrays come from numpy, SQLite's functions as pointers from the
 * library that Python's own sqlite3 works with. Whoever calls has checked all lengths; nothing is allocated here.
 */

#include <stdint.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

/* ---------------------------------------------------------------- reading */

enum { INTEGER = 1, FLOAT = 2, TEXT = 3, BLOB = 4 };
enum { GOES_BACK = -2, NO_ROOM = -1, OK = 0, ERROR = 1, ROW = 100, DONE = 101 };
enum { UTF8 = 1, ONLY_DIRECTLY = 0x80000 };

struct api {
    int (*prepare)(void *, const char *, int, void **, const char **);
    int (*bind)(void *, int, int64_t);
    int (*step)(void *);
    int (*finalize)(void *);
    int (*create)(void *, const char *, int, int, void *, void *, void (*)(void *, int, void **), void (*)(void *), void *);
    void *(*database)(void *);
    void (*fail)(void *, const char *, int);
    int (*type)(void *);
    int64_t (*integer)(void *);
    double (*real)(void *);
    const void *(*text)(void *);
    const void *(*blob)(void *);
    int (*bytes)(void *);
};

struct column {
    uint8_t *kinds;   /* of each row: the bit whose number is SQLite's of the storage class */
    int64_t *numbers; /* integers, and the 64 bits of reals; 0 for NULL */
    int32_t *ends;    /* one more than rows: where the bytes of each row's text or blob end, from 0 on */
    uint8_t *bytes;
    int64_t room;     /* for bytes */
    uint8_t seen;     /* all kinds together */
    uint8_t high;     /* not 0 where some byte is no ASCII */
};

/* What the function that SQLite calls with each row works on. It stays known to the connection, so it holds nothing of
 * a call itself: outside of one there is none here, and it does nothing. */
struct reading {
    const struct api *api;
    void *database;
    struct column *columns;
    int64_t width, first, last, rows;
    int64_t row, at; /* how far it is: at which column of which row */
    int stopped, ended;
};

static _Thread_local struct reading *reading;

/* Most texts are short: their bytes go over eight at a time, the last eight once more as far as they overlap. */
static inline void copy(uint8_t *to, const uint8_t *from, int64_t size) {
    if (size < 8 || size > 64) {
        if (size) memcpy(to, from, size);
        return;
    }
    for (int64_t at = 0; at < size - 8; at += 8) memcpy(to + at, from + at, 8);
    memcpy(to + size - 8, from + size - 8, 8);
}

/* One value. 0 where its bytes do not fit any more. */
static inline int put(const struct api *api, void *found, struct column *column, int64_t row) {
    int kind = api->type(found);
    int32_t end = column->ends[row];
    if (kind == TEXT || kind == BLOB) {
        const uint8_t *value = kind == TEXT ? api->text(found) : api->blob(found);
        int64_t size = api->bytes(found);
        if (size > column->room - end || (size && !value)) return 0;
        copy(column->bytes + end, value, size);
        end += size;
    } else if (kind == FLOAT) {
        double real = api->real(found);
        memcpy(&column->numbers[row], &real, sizeof real);
    } else {
        column->numbers[row] = kind == INTEGER ? api->integer(found) : 0;
    }
    column->kinds[row] = 1u << kind;
    column->ends[row + 1] = end;
    return 1;
}

/* Some values of a row, and before them which column the first one is of: a function takes only so many. */
static int take(struct reading *into, int given, void **values) {
    const struct api *api = into->api;
    int64_t row = into->row;
    if (given < 2 || into->at + given - 1 > into->width || api->integer(values[0]) != into->at) return ERROR;
    if (into->at == 0) {
        int64_t id = api->integer(values[1]);
        if (row ? id <= into->columns[0].numbers[row - 1] : id < into->first) return GOES_BACK;
        if (id > into->last) return DONE;
        if (row == into->rows) return ROW;
    }
    for (int value = 1; value < given; value++) {
        if (!put(api, values[value], &into->columns[into->at++], row)) return NO_ROOM;
    }
    if (into->at == into->width) {
        into->at = 0;
        into->row++;
    }
    return OK;
}

/* The reading that a call belongs to: a callback of SQLite may ask another connection meanwhile. */
static inline struct reading *of(void *context) {
    struct reading *into = reading;
    return into && into->api->database(context) == into->database ? into : 0;
}

static void on_row(void *context, int given, void **values) {
    struct reading *into = of(context);
    if (into && !into->stopped && (into->stopped = take(into, given, values))) into->api->fail(context, "stopped", -1);
}

static void on_end(void *context) {
    struct reading *into = of(context);
    if (into) into->ended = 1; /* what it returns is NULL */
}

/* What all rows together have: of a row that did not fit, nothing. */
static void survey(struct column *column, int64_t rows) {
    uint8_t seen = 0, high = 0;
    for (int64_t row = 0; row < rows; row++) seen |= column->kinds[row];
    for (int64_t byte = 0; byte < column->ends[rows]; byte++) high |= column->bytes[byte];
    column->seen = seen;
    column->high = high & 0x80;
}

/* The first rows, from one rowid up to another, of a SELECT of the aggregate function `name`; how many they were.
 * SQLite calls the function with row after row, which costs a third less than to be given them one by one. All of it
 * in one call, so that no statement stays behind when somebody presses Ctrl-C.
 *
 * The SELECT has one bound number, the first rowid, and hands over rowids in its first column; behind the last one it is
 * stopped, which is quicker than to let it compare each. `told`: ROW where there are more rows, DONE where there are
 * none; NO_ROOM for a row whose values do not fit any more (its first ones, which did, stand in the arrays behind those
 * of the others); GOES_BACK for a rowid that does not go up; else what SQLite says. */
EXPORTED int64_t read_rows(const struct api *api, void *database, const char *name, const char *sql,
                           int64_t first, int64_t last, int64_t rows, int width, struct column *columns, int *told) {
    struct reading into = {api, database, columns, width, first, last, rows, 0, 0, OK, 0}, *outer = reading;
    void *statement = 0;
    int said = api->prepare(database, sql, -1, &statement, 0);
    if (said == ERROR) { /* most likely it does not know the function yet */
        said = api->create(database, name, -1, UTF8 | ONLY_DIRECTLY, 0, 0, on_row, on_end, 0);
        if (said == OK) said = api->prepare(database, sql, -1, &statement, 0);
    }
    if (said == OK) said = api->bind(statement, 1, first);
    reading = &into;
    if (said == OK) said = api->step(statement); /* one row, when it has gone through all of them */
    api->finalize(statement);
    reading = outer;
    if (said == ERROR && into.stopped) {
        *told = into.stopped;
    } else if (said == ROW) {
        *told = into.ended ? DONE : ERROR; /* somebody else's function of this name never ends ours */
    } else {
        *told = said;
    }
    for (int at = 0; at < width; at++) survey(&columns[at], into.row);
    return into.row;
}

/* ---------------------------------------------------------------- hashing */

#define START (0x9e3779b9u + 3923095u)

static inline uint32_t turned(uint32_t word, int bits) { return word << bits | word >> (32 - bits); }

#define MIXED(one, two, three, bits)                                                                                   \
    do {                                                                                                               \
        one -= three;                                                                                                  \
        one ^= turned(three, bits);                                                                                    \
        three += two;                                                                                                  \
    } while (0)

#define MIX(a, b, c)                                                                                                   \
    do {                                                                                                               \
        MIXED(a, b, c, 4);                                                                                             \
        MIXED(b, c, a, 6);                                                                                             \
        MIXED(c, a, b, 8);                                                                                             \
        MIXED(a, b, c, 16);                                                                                            \
        MIXED(b, c, a, 19);                                                                                            \
        MIXED(c, a, b, 4);                                                                                             \
    } while (0)

#define FINAL(one, two, bits)                                                                                          \
    do {                                                                                                               \
        one ^= two;                                                                                                    \
        one -= turned(two, bits);                                                                                      \
    } while (0)

static inline uint32_t word_at(const uint8_t *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

struct state {
    uint32_t a, b, c;
};

static inline struct state begun(uint32_t size, int64_t seed) {
    uint32_t first = START + size, a = first, b = first, c = first;
    if (seed) {
        a += (uint32_t)((uint64_t)seed >> 32);
        b += (uint32_t)seed;
        MIX(a, b, c);
    }
    return (struct state){a, b, c};
}

/* c with its lowest byte is that of the length, so no more than eleven bytes are left. */
static inline int64_t ended(struct state state) {
    uint32_t a = state.a, b = state.b, c = state.c;
    FINAL(c, b, 14);
    FINAL(a, c, 11);
    FINAL(b, a, 25);
    FINAL(c, b, 16);
    FINAL(a, c, 4);
    FINAL(b, a, 14);
    FINAL(c, b, 24);
    return (int64_t)((uint64_t)b << 32 | c);
}

static inline int64_t word_hash(uint32_t word, int64_t seed) {
    struct state state = begun(4, seed);
    state.a += word;
    return ended(state);
}

static int64_t text_hash(const uint8_t *text, int64_t size, int64_t seed) {
    struct state state = begun((uint32_t)size, seed);
    uint32_t a = state.a, b = state.b, c = state.c;
    for (; size >= 12; size -= 12, text += 12) {
        a += word_at(text);
        b += word_at(text + 4);
        c += word_at(text + 8);
        MIX(a, b, c);
    }
    uint8_t last[12] = {0};
    if (size) memcpy(last, text, size);
    a += word_at(last);
    b += word_at(last + 4);
    c += word_at(last + 8) << 8;
    return ended((struct state){a, b, c});
}

/* In all of these: `hashes` holds, seed after seed, the hash so far of each row, and holds the new one afterwards. */

EXPORTED void hash_words(int64_t *hashes, int64_t rows, int seeds, const uint32_t *words) {
    for (; seeds--; hashes += rows)
        for (int64_t row = 0; row < rows; row++) hashes[row] = word_hash(words[row], hashes[row]);
}

/* whole: of the upper half first, which PostgreSQL's own hash folds into the lower one. */
EXPORTED void hash_numbers(int64_t *hashes, int64_t rows, int seeds, const int64_t *numbers, int whole) {
    for (; seeds--; hashes += rows) {
        for (int64_t row = 0; row < rows; row++) {
            uint32_t lower = (uint32_t)numbers[row], upper = (uint32_t)((uint64_t)numbers[row] >> 32);
            int64_t hash = whole ? word_hash(upper, hashes[row]) : hashes[row];
            hashes[row] = word_hash(lower ^ (numbers[row] < 0 ? ~upper : upper), hash);
        }
    }
}

EXPORTED void hash_texts(int64_t *hashes, int64_t rows, int seeds, const uint8_t *text, const void *ends, int wide) {
    const int32_t *narrow_ends = ends;
    const int64_t *wide_ends = ends;
    for (; seeds--; hashes += rows) {
        for (int64_t row = 0; row < rows; row++) {
            int64_t from = wide ? wide_ends[row] : narrow_ends[row];
            int64_t to = wide ? wide_ends[row + 1] : narrow_ends[row + 1];
            hashes[row] = text_hash(text + from, to - from, hashes[row]);
        }
    }
}

/* The digits of four bits each: of their eight signs, the first one lowest. */
static inline uint64_t digits_of(uint32_t word) {
    uint64_t spread = (uint64_t)(word & 0xffff) << 32 | word >> 16;
    spread = (spread & 0x000000ff000000ff) << 16 | (spread >> 8 & 0x000000ff000000ff);
    spread = (spread & 0x000f000f000f000f) << 8 | (spread >> 4 & 0x000f000f000f000f);
    uint64_t letters = (spread + 0x0606060606060606) >> 4 & 0x0101010101010101;
    return spread + 0x3030303030303030 + letters * ('a' - '0' - 10);
}

/* Of the sixteen digits of 64 bits. */
EXPORTED void hash_hex(int64_t *hashes, int64_t rows, int seeds, const int64_t *numbers) {
    for (; seeds--; hashes += rows) {
        for (int64_t row = 0; row < rows; row++) {
            uint64_t first = digits_of((uint32_t)((uint64_t)numbers[row] >> 32)), last = digits_of((uint32_t)numbers[row]);
            struct state state = begun(16, hashes[row]);
            uint32_t a = state.a + (uint32_t)first, b = state.b + (uint32_t)(first >> 32), c = state.c + (uint32_t)last;
            MIX(a, b, c);
            hashes[row] = ended((struct state){a + (uint32_t)(last >> 32), b, c});
        }
    }
}

/* Decimals as whole numbers of ten-thousandths, less than 10**15: their digits to the base of 10,000, from the first
 * to the last that is not 0, and where the point is. Their sign does not count. */
EXPORTED void hash_decimals(int64_t *hashes, int64_t rows, int seeds, const int64_t *numbers) {
    for (; seeds--; hashes += rows) {
        for (int64_t row = 0; row < rows; row++) {
            int64_t rest = numbers[row] < 0 ? -numbers[row] : numbers[row];
            if (!rest) {
                hashes[row] = (int64_t)((uint64_t)hashes[row] - 1);
                continue;
            }
            int weight = 2, count = 4;
            for (; rest < INT64_C(1000000000000); weight--) rest *= 10000;
            uint32_t digits[4];
            for (int at = 3; at >= 0; at--, rest /= 10000) digits[at] = (uint32_t)(rest % 10000);
            while (!digits[count - 1]) count--;
            struct state state = begun(2 * count, hashes[row]);
            state.a += digits[0] | digits[1] << 16;
            state.b += digits[2] | digits[3] << 16;
            hashes[row] = ended(state) ^ weight;
        }
    }
}

/* ---------------------------------------------------------------- stamps */

/* So many digits; -1 where one of them is none. */
static inline int number_of(const uint8_t *text, int digits) {
    int number = 0;
    for (; digits--; text++) {
        if (*text < '0' || *text > '9') return -1;
        number = 10 * number + *text - '0';
    }
    return number;
}

/* Days from 1970, in the calendar that ISO 8601 has for all years. */
static inline int64_t days_of(int year, int month, int day) {
    int shifted = month <= 2 ? year - 1 : year, era = shifted / 400, of_era = shifted - era * 400;
    int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return (int64_t)era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static inline int length_of(int year, int month) {
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return lengths[month - 1] + (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

/* Stamps as microseconds from 1970; how many there are before the first that is not written in the plain way.
 *
 *   2026-01-31 23:59:59      2026-01-31T23:59:59.5      with a zone: …+00, …+00:00 or …Z behind it, else nothing
 *
 * nulls: rows that are left out. `exact`: whether it is written just as PostgreSQL writes it. */
EXPORTED int64_t read_stamps(const uint8_t *text, const int32_t *ends, int64_t rows, const uint8_t *nulls, int zoned,
                             int64_t *micros, uint8_t *exact) {
    for (int64_t row = 0; row < rows; row++) {
        micros[row] = 0;
        exact[row] = 0;
        if (nulls[row]) continue;
        const uint8_t *at = text + ends[row];
        int size = ends[row + 1] - ends[row], plain = 1;
        if (size < 19) return row;
        int year = number_of(at, 4), month = number_of(at + 5, 2), day = number_of(at + 8, 2);
        int hour = number_of(at + 11, 2), minute = number_of(at + 14, 2), second = number_of(at + 17, 2);
        if (at[4] != '-' || at[7] != '-' || at[13] != ':' || at[16] != ':') return row;
        if (at[10] != ' ' && at[10] != 'T') return row;
        if (year < 1 || month < 1 || month > 12 || day < 1 || day > length_of(year, month)) return row;
        if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return row;
        plain = at[10] == ' ';
        int end = 19, fraction = 0;
        if (end < size && at[end] == '.') {
            int digits = 0;
            for (; digits < 6 && end + 1 + digits < size; digits++) {
                int digit = number_of(at + end + 1 + digits, 1);
                if (digit < 0) break;
                fraction = 10 * fraction + digit;
            }
            if (!digits) return row;
            end += 1 + digits;
            plain = plain && at[end - 1] != '0';
            for (; digits < 6; digits++) fraction *= 10;
        }
        int left = size - end;
        if (zoned) {
            int is_short = left == 3 && !memcmp(at + end, "+00", 3);
            if (!is_short && !(left == 6 && !memcmp(at + end, "+00:00", 6)) && !(left == 1 && at[end] == 'Z')) return row;
            plain = plain && is_short;
        } else if (left) {
            return row;
        }
        int64_t seconds = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
        micros[row] = seconds * 1000000 + fraction;
        exact[row] = (uint8_t)plain;
    }
    return rows;
}
