/* The commonest events of a fold, counted straight from the bytes of a record batch.
 *
 * Optional: `streams.packed` uses it where it is built; without it every record takes the path of
 * `streams.processing.partition` in Python, and what follows is the same. So this file decides nothing of its own. It
 * counts a response that is no 400, of a target in memory, that it can read without a doubt; everything else (a 400, an
 * unknown target, a skewed time, an escape or a byte beyond ASCII in a field that is read, a field twice, a number with
 * an exponent, what is no JSON, ...) is left to Python, one record or one event of an array at a time, in order.
 *
 * The scanner accepts a subset of what `streams.processing.decoding.decode_counted` accepts, with the same values.
 * Stable ABI of Python 3.11: one build serves every later version.
 */
#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

typedef const uint8_t *Place;

enum {
    SHORTEST = 7,           /* bytes of a record without key, value and headers */
    HEADER = 61,            /* bytes of a record batch before its records, format version 2 */
    DEEPEST = 64,           /* levels of JSON that are scanned */
    LONGEST_NAME = 255,     /* halt400.records.Name */
    MOST_EVENTS = 10000,    /* streams.processing.envelopes.MOST_EVENTS */
    MOST_DIGITS = 18,       /* they fit into 64 bits */
    FINE_MS = 5000,         /* halt400.windows.FINE_MS */
    SLOTS = 256,            /* targets at hand in one call */
    JOBS = 4,               /* jobs of each whose requests are added up */
};

/* ---- JSON ---- */

static Place blank(Place p, Place end) {
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) p++;
    return p;
}

static int hex(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind one escape, from its backslash on; NULL where it is none, or half of a surrogate pair. */
static Place escape(Place p, Place end) {
    int code = 0;
    if (end - p < 2) return NULL;
    if (p[1] != 'u') return p[1] && strchr("\"\\/bfnrt", p[1]) ? p + 2 : NULL;
    if (end - p < 6) return NULL;
    for (int i = 2; i < 6; i++) {
        int digit = hex(p[i]);
        if (digit < 0) return NULL;
        code = code << 4 | digit;
    }
    return code >= 0xD800 && code < 0xE000 ? NULL : p + 6;
}

/* Behind one character beyond ASCII; NULL where it is no UTF-8 (RFC 3629). */
static Place wide(Place p, Place end) {
    uint8_t c = p[0], low = 0x80, high = 0xBF;
    int more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : 1;
    if (c < 0xC2 || c > 0xF4 || end - p <= more) return NULL;
    if (c == 0xE0) low = 0xA0;
    if (c == 0xED) high = 0x9F;
    if (c == 0xF0) low = 0x90;
    if (c == 0xF4) high = 0x8F;
    if (p[1] < low || p[1] > high) return NULL;
    for (int i = 2; i <= more; i++)
        if ((p[i] & 0xC0) != 0x80) return NULL;
    return p + more + 1;
}

/* Whether a byte of a string is for itself: no quote, backslash or control character, and ASCII. */
static int is_plain(uint8_t c) {
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* The first byte from p on that is not plain, or the end. */
static Place behind_plain(Place p, Place end) {
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), blank = _mm_set1_epi8(0x20);
    for (; end - p >= 16; p += 16) { /* bytes above 0x7F are below 0x20, too: they are compared with their sign */
        __m128i some = _mm_loadu_si128((const __m128i *)p);
        __m128i found = _mm_or_si128(_mm_cmpeq_epi8(some, quote), _mm_cmpeq_epi8(some, slash));
        int mask = _mm_movemask_epi8(_mm_or_si128(found, _mm_cmplt_epi8(some, blank)));
        if (mask) return p + __builtin_ctz((unsigned)mask);
    }
#else
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    for (; end - p >= 8; p += 8) {
        uint64_t some, quote, slash;
        memcpy(&some, p, 8);
        quote = some ^ ones * '"', slash = some ^ ones * '\\';
        if (((quote - ones) | (slash - ones) | (some - ones * 0x20) | some) & tops) break;
    }
#endif
    while (p < end && is_plain(*p)) p++;
    return p;
}

/* The closing quote of a string, p behind the opening one; `plain` says whether it is ASCII without escapes. */
static Place string(Place p, Place end, int *plain) {
    *plain = 1;
    for (;;) {
        p = behind_plain(p, end);
        if (p == end || *p < 0x20) return NULL;
        if (*p == '"') return p;
        *plain = 0;
        p = *p == '\\' ? escape(p, end) : wide(p, end);
        if (!p) return NULL;
    }
}

/* Behind a natural number of up to 18 digits; NULL where there is none, or where it goes on as another kind. */
static Place natural(Place p, Place end, int64_t *value) {
    Place first = p;
    int64_t found = 0;
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        if (p - first >= MOST_DIGITS) return NULL;
        found = found * 10 + (*p - '0');
    }
    if (p == first || (*first == '0' && p - first > 1)) return NULL;
    if (p < end && (*p == '.' || *p == 'e' || *p == 'E')) return NULL;
    *value = found;
    return p;
}

static Place number(Place p, Place end) {
    Place first;
    if (p < end && *p == '-') p++;
    for (first = p; p < end && *p >= '0' && *p <= '9'; p++) {}
    if (p == first || p - first > MOST_DIGITS || (*first == '0' && p - first > 1)) return NULL;
    if (p < end && *p == '.') {
        for (first = ++p; p < end && *p >= '0' && *p <= '9'; p++) {}
        if (p == first || p - first > MOST_DIGITS) return NULL;
    }
    return p < end && (*p == 'e' || *p == 'E') ? NULL : p;
}

static Place literal(Place p, Place end, const char *word) {
    Py_ssize_t size = (Py_ssize_t)strlen(word);
    return end - p >= size && !memcmp(p, word, (size_t)size) ? p + size : NULL;
}

/* From a key's opening quote to the value behind its colon. */
static Place key_of(Place p, Place end, Place *from, Py_ssize_t *size, int *plain) {
    if (p == end || *p != '"') return NULL;
    *from = p + 1;
    if (!(p = string(p + 1, end, plain))) return NULL;
    *size = p - *from;
    p = blank(p + 1, end);
    return p < end && *p == ':' ? blank(p + 1, end) : NULL;
}

/* Behind any value. */
static Place skip(Place p, Place end, int depth) {
    Place from;
    Py_ssize_t size;
    int plain;
    uint8_t open, close;
    if (p == end || depth > DEEPEST) return NULL;
    switch (*p) {
    case '"':
        p = string(p + 1, end, &plain);
        return p ? p + 1 : NULL;
    case 't': return literal(p, end, "true");
    case 'f': return literal(p, end, "false");
    case 'n': return literal(p, end, "null");
    case '{':
    case '[': break;
    default: return number(p, end);
    }
    open = *p, close = open == '{' ? '}' : ']';
    p = blank(p + 1, end);
    if (p < end && *p == close) return p + 1;
    for (;;) {
        if (open == '{' && !(p = key_of(p, end, &from, &size, &plain))) return NULL;
        if (!(p = skip(p, end, depth + 1))) return NULL;
        p = blank(p, end);
        if (p == end) return NULL;
        if (*p == close) return p + 1;
        if (*p != ',') return NULL;
        p = blank(p + 1, end);
    }
}

typedef struct {
    Place at;
    Py_ssize_t size;
} Text;

/* streams.processing.decoding.CountedEvent; `begin` to `end` is its JSON. */
typedef struct {
    Text id, target, job;
    int64_t time, attempt, status;
    Place begin, end;
} Event;

enum { ID = 1, TARGET = 2, JOB = 4, TIME = 8, RESPONSE = 16, ATTEMPT = 32, VERSION = 64 };

/* Behind a Name in plain ASCII. */
static Place name(Place p, Place end, Text *found) {
    int plain;
    if (p == end || *p != '"') return NULL;
    found->at = p + 1;
    if (!(p = string(p + 1, end, &plain)) || !plain) return NULL;
    found->size = p - found->at;
    return found->size >= 1 && found->size <= LONGEST_NAME ? p + 1 : NULL;
}

static int is(Place from, Py_ssize_t size, const char *word) {
    return size == (Py_ssize_t)strlen(word) && !memcmp(from, word, (size_t)size);
}

static int field_of(Place from, Py_ssize_t size) {
    switch (size) {
    case 2: return is(from, size, "id") ? ID : 0;
    case 4: return is(from, size, "time") ? TIME : 0;
    case 6: return is(from, size, "target") ? TARGET : is(from, size, "job_id") ? JOB : 0;
    case 7: return is(from, size, "attempt") ? ATTEMPT : is(from, size, "version") ? VERSION : 0;
    case 8: return is(from, size, "response") ? RESPONSE : 0;
    default: return 0;
    }
}

/* Behind a response: an object of which `status` is read. */
static Place response(Place p, Place end, int64_t *status) {
    Place from;
    Py_ssize_t size;
    int plain, seen = 0;
    if (p == end || *p != '{') return NULL;
    p = blank(p + 1, end);
    for (;;) {
        if (!(p = key_of(p, end, &from, &size, &plain)) || !plain) return NULL;
        if (is(from, size, "status")) {
            if (seen++) return NULL;
            p = natural(p, end, status);
        } else {
            p = skip(p, end, 2);
        }
        if (!p) return NULL;
        p = blank(p, end);
        if (p == end) return NULL;
        if (*p == '}') return seen && *status >= 100 && *status <= 599 ? p + 1 : NULL;
        if (*p != ',') return NULL;
        p = blank(p + 1, end);
    }
}

/* Behind an event; NULL where anything about it is unusual. */
static Place event_at(Place p, Place end, Event *found) {
    Place from;
    Py_ssize_t size;
    int plain, field, seen = 0;
    int64_t version = 1;
    if (p == end || *p != '{') return NULL;
    found->begin = p;
    found->attempt = 1;
    p = blank(p + 1, end);
    for (;;) {
        if (!(p = key_of(p, end, &from, &size, &plain)) || !plain) return NULL;
        field = field_of(from, size);
        if (seen & field) return NULL;
        seen |= field;
        switch (field) {
        case ID: p = name(p, end, &found->id); break;
        case TARGET: p = name(p, end, &found->target); break;
        case JOB: p = name(p, end, &found->job); break;
        case TIME: p = natural(p, end, &found->time); break;
        case ATTEMPT: p = natural(p, end, &found->attempt); break;
        case VERSION: p = natural(p, end, &version); break;
        case RESPONSE: p = response(p, end, &found->status); break;
        default: p = skip(p, end, 1);
        }
        if (!p) return NULL;
        p = blank(p, end);
        if (p == end) return NULL;
        if (*p == '}') break;
        if (*p != ',') return NULL;
        p = blank(p + 1, end);
    }
    found->end = p + 1;
    if ((seen & (ID | TARGET | JOB | TIME | RESPONSE)) != (ID | TARGET | JOB | TIME | RESPONSE)) return NULL;
    return found->attempt >= 1 && version == 1 ? p + 1 : NULL;
}

/* ---- the batch ---- */

typedef struct {
    Text key, value; /* `at` is NULL for a null */
    int64_t offset, timestamp;
    Place headers, end;
    int64_t header_count;
} Record;

typedef struct {
    PyObject_HEAD
    PyObject *data;         /* the bytes that everything points into */
    Record *records;
    Py_ssize_t count;
    int timestamp_type;
    Event *events;          /* those of the record `scanned`, -1 for none */
    Py_ssize_t event_count, event_room, scanned;
} Batch;

static int64_t big_endian(Place p, int size) {
    uint64_t found = 0;
    for (int i = 0; i < size; i++) found = found << 8 | p[i];
    return size == 8 ? (int64_t)found : size == 4 ? (int32_t)(uint32_t)found : (int16_t)(uint16_t)found;
}

static Place varint(Place p, Place end, int64_t *value) {
    uint64_t found = 0;
    for (int shift = 0; p < end && shift < 64; shift += 7) {
        uint8_t c = *p++;
        found |= (uint64_t)(c & 0x7F) << shift;
        if (!(c & 0x80)) {
            *value = (int64_t)(found >> 1) ^ -(int64_t)(found & 1);
            return p;
        }
    }
    return NULL;
}

/* Behind a length and so many bytes; a length of -1 is a null. */
static Place counted(Place p, Place end, Text *found) {
    int64_t size;
    if (!(p = varint(p, end, &size)) || size < -1 || size > end - p) return NULL;
    found->at = size < 0 ? NULL : p;
    found->size = size < 0 ? 0 : (Py_ssize_t)size;
    return p + found->size;
}

static int read_records(Batch *batch, Place head, Place p, Place end, int64_t start) {
    int64_t base = big_endian(head, 8), first_ms = big_endian(head + 27, 8), last_ms = big_endian(head + 35, 8);
    int64_t count = big_endian(head + 57, 4), size, delta_ms, delta;
    batch->timestamp_type = (big_endian(head + 21, 2) & 8) != 0;
    if (count < 0 || count > (end - p) / SHORTEST) return 0;
    if (!(batch->records = PyMem_Malloc(sizeof(Record) * (size_t)(count ? count : 1)))) return 0;
    for (int64_t i = 0; i < count; i++) {
        Record *record = batch->records + batch->count;
        Place last;
        if (!(p = varint(p, end, &size)) || size < 1 || size > end - p || (*p & 0x80)) return 0;
        last = p + size;
        if (!(p = varint(p + 1, last, &delta_ms)) || !(p = varint(p, last, &delta))) return 0;
        if (!(p = counted(p, last, &record->key)) || !(p = counted(p, last, &record->value))) return 0;
        if (!(p = varint(p, last, &record->header_count)) || record->header_count < 0) return 0;
        record->headers = p, record->end = last;
        for (int64_t one = 0; one < record->header_count; one++) {
            Text key, value;
            if (!(p = counted(p, last, &key)) || !key.at || !(p = counted(p, last, &value))) return 0;
        }
        if (p != last) return 0;
        record->offset = (int64_t)((uint64_t)base + (uint64_t)delta);
        record->timestamp = batch->timestamp_type ? last_ms : (int64_t)((uint64_t)first_ms + (uint64_t)delta_ms);
        if (record->timestamp == -1) return 0; /* aiokafka makes it None */
        if (record->offset >= start) batch->count++;
    }
    return p == end;
}

static PyObject *batch_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    PyObject *head, *data;
    Py_ssize_t begin, end;
    long long start;
    char *header, *bytes;
    Py_ssize_t header_size, size;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Batch *batch;
    if (!PyArg_ParseTuple(arguments, "SSnnL", &head, &data, &begin, &end, &start)) return NULL;
    (void)keywords;
    if (PyBytes_AsStringAndSize(head, &header, &header_size) || PyBytes_AsStringAndSize(data, &bytes, &size)) return NULL;
    if (begin < 0 || end < begin || end > size || header_size < HEADER || header[16] != 2)
        return PyErr_Format(PyExc_ValueError, "%zd to %zd of %zd bytes are no record batch", begin, end, size);
    if (!(batch = (Batch *)alloc(type, 0))) return NULL;
    Py_INCREF(data);
    batch->data = data;
    batch->scanned = -1;
    if (!read_records(batch, (Place)header, (Place)bytes + begin, (Place)bytes + end, start)) {
        Py_DECREF(batch);
        return PyErr_Format(PyExc_ValueError, "the records of a batch of %zd bytes are not framed", end - begin);
    }
    return (PyObject *)batch;
}

static void batch_free(PyObject *self) {
    Batch *batch = (Batch *)self;
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(batch->data);
    PyMem_Free(batch->records);
    PyMem_Free(batch->events);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static Py_ssize_t batch_length(PyObject *self) {
    return ((Batch *)self)->count;
}

static PyObject *bytes_or_none(Text text) {
    if (!text.at) Py_RETURN_NONE;
    return PyBytes_FromStringAndSize((const char *)text.at, text.size);
}

static PyObject *headers_of(const Record *record) {
    PyObject *found = PyList_New(0);
    Place p = record->headers;
    for (int64_t i = 0; found && i < record->header_count; i++) {
        Text key = {0}, value = {0};
        PyObject *one = NULL;
        if ((p = counted(p, record->end, &key)) && (p = counted(p, record->end, &value)))
            one = Py_BuildValue("(s#N)", (const char *)key.at, key.size, bytes_or_none(value));
        if (!one || PyList_Append(found, one)) Py_CLEAR(found);
        Py_XDECREF(one);
    }
    return found;
}

static Record *record_of(Batch *batch, Py_ssize_t place) {
    if (place >= 0 && place < batch->count) return batch->records + place;
    PyErr_Format(PyExc_IndexError, "record %zd of %zd", place, batch->count);
    return NULL;
}

static PyObject *batch_offset(PyObject *self, PyObject *place) {
    Record *record = record_of((Batch *)self, PyLong_AsSsize_t(place));
    return record && !PyErr_Occurred() ? PyLong_FromLongLong(record->offset) : NULL;
}

static PyObject *batch_record(PyObject *self, PyObject *place) {
    Batch *batch = (Batch *)self;
    Record *record = record_of(batch, PyLong_AsSsize_t(place));
    if (!record || PyErr_Occurred()) return NULL;
    return Py_BuildValue("(LLiNNN)", (long long)record->offset, (long long)record->timestamp, batch->timestamp_type,
                         bytes_or_none(record->key), bytes_or_none(record->value), headers_of(record));
}

static PyObject *batch_event(PyObject *self, PyObject *arguments) {
    Batch *batch = (Batch *)self;
    Py_ssize_t place, index;
    Record *record;
    Event *event;
    if (!PyArg_ParseTuple(arguments, "nn", &place, &index) || !(record = record_of(batch, place))) return NULL;
    if (batch->scanned != place || index < 0 || index >= batch->event_count)
        return PyErr_Format(PyExc_IndexError, "event %zd of record %zd", index, place);
    event = batch->events + index;
    return Py_BuildValue("(LLNNNn)", (long long)record->offset, (long long)record->timestamp,
                         bytes_or_none(event->target),
                         PyBytes_FromStringAndSize((const char *)event->begin, event->end - event->begin),
                         headers_of(record), index);
}

static int add_event(Batch *batch, const Event *event) {
    if (batch->event_count == batch->event_room) {
        Py_ssize_t room = batch->event_room ? batch->event_room * 2 : 128;
        Event *more = PyMem_Realloc(batch->events, sizeof(Event) * (size_t)room);
        if (!more) return 0;
        batch->events = more, batch->event_room = room;
    }
    batch->events[batch->event_count++] = *event;
    return 1;
}

/* Read the events of a record, one or those of an array; false where Python must read it. */
static int scan(Batch *batch, Py_ssize_t place) {
    const Record *record = batch->records + place;
    Place p = record->value.at, end = p + record->value.size;
    Event event;
    int many;
    if (batch->scanned == place) return 1;
    batch->scanned = -1, batch->event_count = 0;
    if (!p || !record->value.size) return 0;
    many = *p == '[';
    do {
        p = blank(p + many, end);
        if (batch->event_count == MOST_EVENTS || !(p = event_at(p, end, &event)) || !add_event(batch, &event)) return 0;
        p = blank(p, end);
    } while (many && p < end && *p == ',');
    if (many && (p == end || *p++ != ']')) return 0;
    if (blank(p, end) != end) return 0;
    batch->scanned = place;
    return 1;
}

/* ---- counting ---- */

typedef struct {
    Text job;
    int64_t count;
} Job;

/* A target at hand, and what is to be added to it. */
typedef struct {
    Text key;
    PyObject *row, *responses, *good;
    int64_t latest, pending;
    int jobs, changed;
    Job job[JOBS];
} Target;

/* What one call of `apply` is given, and has made. */
typedef struct {
    Batch *batch;
    PyObject *targets, *changed, *recent, *older;
    int64_t skew_ms, seen;
    int learns, failed;
    Target *at_hand;
} Call;

static PyObject *word_row, *word_responses, *word_good, *word_latest, *word_count;
static uint8_t class_of_status[600];

static int add(PyObject *counts, PyObject *key, int64_t more) {
    PyObject *found, *sum;
    int failed;
    if (!key) return -1;
    found = PyDict_GetItemWithError(counts, key);
    if (!found && PyErr_Occurred()) return -1;
    sum = PyLong_FromLongLong((found ? PyLong_AsLongLong(found) : 0) + more);
    if (!sum || PyErr_Occurred()) {
        Py_XDECREF(sum);
        return -1;
    }
    failed = PyDict_SetItem(counts, key, sum);
    Py_DECREF(sum);
    return failed;
}

static PyObject *text(Text found) {
    return PyUnicode_DecodeASCII((const char *)found.at, found.size, NULL);
}

/* Add what is pending of a target to its row and its good requests, in the order in which it came. */
static int settle(Target *target) {
    int failed = 0;
    if (target->pending) {
        PyObject *bucket = PyLong_FromLongLong(target->latest);
        failed = add(target->responses, bucket, target->pending);
        Py_XDECREF(bucket);
        target->pending = 0;
    }
    for (int i = 0; i < target->jobs && !failed; i++) {
        PyObject *job = text(target->job[i].job);
        failed = add(target->good, job, target->job[i].count);
        Py_XDECREF(job);
    }
    target->jobs = 0;
    return failed;
}

static int put_away(Target *target) {
    int failed = target->key.at ? settle(target) : 0;
    Py_CLEAR(target->row);
    Py_CLEAR(target->responses);
    Py_CLEAR(target->good);
    target->key.at = NULL;
    return failed;
}

static int read_latest(Target *target) {
    PyObject *latest = PyObject_GetAttr(target->row, word_latest);
    target->latest = latest ? PyLong_AsLongLong(latest) : -1;
    Py_XDECREF(latest);
    return PyErr_Occurred() ? -1 : 0;
}

/* The target of a key that is in memory; NULL where it is not, or where Python has failed. */
static Target *target_of(Call *call, Text key) {
    uint32_t hash = 2166136261u;
    Target *target;
    PyObject *bytes, *found;
    for (Py_ssize_t i = 0; i < key.size; i++) hash = (hash ^ key.at[i]) * 16777619u;
    target = call->at_hand + ((hash ^ hash >> 15) & (SLOTS - 1));
    if (target->key.at && target->key.size == key.size && !memcmp(target->key.at, key.at, (size_t)key.size)) return target;
    if (put_away(target)) goto failed;
    if (!(bytes = PyBytes_FromStringAndSize((const char *)key.at, key.size))) goto failed;
    found = PyDict_GetItemWithError(call->targets, bytes);
    Py_DECREF(bytes);
    if (!found) {
        if (PyErr_Occurred()) goto failed;
        return NULL;
    }
    target->row = PyObject_GetAttr(found, word_row);
    target->good = PyObject_GetAttr(found, word_good);
    target->responses = target->row ? PyObject_GetAttr(target->row, word_responses) : NULL;
    if (!target->good || !target->responses || !PyDict_Check(target->good) || !PyDict_Check(target->responses)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "a target's good requests and responses are no dicts");
        goto failed;
    }
    target->key = key;
    target->changed = 0;
    if (!read_latest(target)) return target;
failed:
    call->failed = 1;
    return NULL;
}

/* As Row.count. */
static int count(Target *target, const Event *event) {
    int64_t bucket = event->time / FINE_MS;
    PyObject *done, *time, *status;
    if (bucket == target->latest && !class_of_status[event->status]) {
        target->pending++;
        return 0;
    }
    if (settle(target)) return -1;
    time = PyLong_FromLongLong(event->time);
    status = PyLong_FromLongLong(event->status);
    done = time && status ? PyObject_CallMethodObjArgs(target->row, word_count, time, status, NULL) : NULL;
    Py_XDECREF(time);
    Py_XDECREF(status);
    Py_XDECREF(done);
    return done ? read_latest(target) : -1;
}

/* Whether an event was not seen before; it is remembered. -1 where Python has failed. */
static int is_new(Call *call, const Event *event) {
    PyObject *id = text(event->id);
    Py_ssize_t before = PySet_Size(call->recent);
    int found = -1;
    if (id && !PySet_Add(call->recent, id))
        found = PySet_Size(call->recent) == before ? 0 : PySet_Contains(call->older, id) ? 0 : 1;
    Py_XDECREF(id);
    return PyErr_Occurred() ? -1 : found;
}

static int add_good(Target *target, Text job) {
    int i = 0;
    while (i < target->jobs && (target->job[i].job.size != job.size || memcmp(target->job[i].job.at, job.at, (size_t)job.size)))
        i++;
    if (i == JOBS) {
        if (settle(target)) return -1;
        i = 0;
    }
    if (i == target->jobs) {
        target->job[i].job = job, target->job[i].count = 0;
        target->jobs++;
    }
    target->job[i].count++;
    return 0;
}

static int contains(Text whole, const char *part) {
    size_t size = strlen(part);
    Place p = whole.at, end = whole.at + whole.size;
    while (p && (size_t)(end - p) >= size && (p = memchr(p, part[0], (size_t)(end - p) - size + 1))) {
        if (!memcmp(p, part, size)) return 1;
        p++;
    }
    return 0;
}

/* Count one event: 1 where it is counted, 0 where Python must apply it, -1 where Python has failed. */
static int apply_event(Call *call, const Record *record, const Event *event, int many) {
    Text key = many ? event->target : record->key;
    Target *target;
    if (event->status == 400 || event->time - call->skew_ms > record->timestamp) return 0;
    if (!many && (!key.at || key.size != event->target.size || memcmp(key.at, event->target.at, (size_t)key.size))) return 0;
    if (!many && call->learns && event->status < 300 && contains(record->value, "\"headers\"")) return 0;
    if (!(target = target_of(call, key))) return call->failed ? -1 : 0;
    if (!target->changed) {
        PyObject *bytes = PyBytes_FromStringAndSize((const char *)key.at, key.size);
        int failed = !bytes || PySet_Add(call->changed, bytes);
        Py_XDECREF(bytes);
        if (failed) return -1;
        target->changed = 1;
    }
    if (count(target, event)) return -1;
    if (event->attempt == 1) {
        int found = is_new(call, event);
        if (found < 0 || (found && add_good(target, event->job))) return -1;
    }
    call->seen++;
    return 1;
}

/* Count events until one is for Python: its record, and its place among the record's events, -1 for the whole record. */
static int apply_from(Call *call, Py_ssize_t *place, Py_ssize_t *index) {
    Batch *batch = call->batch;
    Py_ssize_t first = *index;
    for (; *place < batch->count; ++*place, first = 0) {
        const Record *record = batch->records + *place;
        int many = record->value.size && record->value.at && *record->value.at == '[';
        int fresh = batch->scanned != *place;
        *index = -1;
        if (!scan(batch, *place)) return 0;
        if (many && fresh && call->learns && contains(record->value, "\"headers\"")) return 0;
        for (*index = first; *index < batch->event_count; ++*index) {
            int done = apply_event(call, record, batch->events + *index, many);
            if (done > 0) continue;
            if (!many) *index = -1;
            return done;
        }
    }
    return 0;
}

static PyObject *batch_apply(PyObject *self, PyObject *arguments) {
    Call call = {0};
    Py_ssize_t place, index;
    long long skew_ms;
    int failed;
    if (!PyArg_ParseTuple(arguments, "nnOOOOLp", &place, &index, &call.targets, &call.changed, &call.recent, &call.older,
                          &skew_ms, &call.learns))
        return NULL;
    if (place < 0 || index < 0 || !PyDict_Check(call.targets) || !PyAnySet_Check(call.changed) ||
        !PyAnySet_Check(call.recent) || !PyAnySet_Check(call.older)) {
        PyErr_SetString(PyExc_TypeError, "apply(place, index, targets, changed, recent, older, skew_ms, learns)");
        return NULL;
    }
    if (!class_of_status[404]) {
        PyErr_SetString(PyExc_RuntimeError, "set_classes was not called");
        return NULL;
    }
    call.batch = (Batch *)self;
    call.skew_ms = skew_ms;
    if (!(call.at_hand = PyMem_Calloc(SLOTS, sizeof(Target)))) return PyErr_NoMemory();
    failed = apply_from(&call, &place, &index) < 0;
    for (int i = 0; i < SLOTS; i++) {
        if (call.at_hand[i].row || call.at_hand[i].good) failed |= put_away(call.at_hand + i) != 0;
    }
    PyMem_Free(call.at_hand);
    if (failed) return NULL;
    return Py_BuildValue("(nnL)", place, index, (long long)call.seen);
}

static PyMethodDef batch_methods[] = {
    {"apply", batch_apply, METH_VARARGS,
     "apply(place, index, targets, changed, recent, older, skew_ms, learns)\n--\n\n"
     "Count events from one on, until one is for Python: (place, index, counted)."},
    {"event", batch_event, METH_VARARGS, "event(place, index)\n--\n\nThe parts of an `EventRecord`."},
    {"offset", batch_offset, METH_O, "offset(place)\n--\n\nThe offset of a record."},
    {"record", batch_record, METH_O, "record(place)\n--\n\nThe parts of a record of aiokafka."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot batch_slots[] = {
    {Py_tp_doc, "Batch(head, data, begin, end, start)\n--\n\n"
                "The records at offset `start` and behind it of a record batch with the header `head`; they are bytes\n"
                "[begin, end) of `data`. ValueError where that is no batch."},
    {Py_tp_new, batch_new},
    {Py_tp_dealloc, batch_free},
    {Py_tp_methods, batch_methods},
    {Py_sq_length, batch_length},
    {0, NULL},
};

static PyType_Spec batch_spec = {"streams.packed._native.Batch", sizeof(Batch), 0, Py_TPFLAGS_DEFAULT, batch_slots};

/* Takes halt400.windows.CLASS_OF_STATUS, so that it is said in one place. */
static PyObject *set_classes(PyObject *module, PyObject *classes) {
    char *bytes;
    Py_ssize_t size;
    (void)module;
    if (PyBytes_AsStringAndSize(classes, &bytes, &size)) return NULL;
    if (size != sizeof class_of_status) return PyErr_Format(PyExc_ValueError, "%zd classes instead of 600", size);
    memcpy(class_of_status, bytes, sizeof class_of_status);
    Py_RETURN_NONE;
}

#if defined(__x86_64__) && defined(__GNUC__)
#define CRC32C
__attribute__((target("sse4.2"))) static uint32_t crc32c(Place p, Place end) {
    uint64_t found = 0xFFFFFFFFu;
    for (; end - p >= 8; p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        found = __builtin_ia32_crc32di(found, word);
    }
    for (; p < end; p++) found = __builtin_ia32_crc32qi((uint32_t)found, *p);
    return ~(uint32_t)found;
}
#endif

/* The checksum of a batch by the processor's own instruction, a fifth of what tables cost; None where it has none. */
static PyObject *checksum(PyObject *module, PyObject *arguments) {
    PyObject *data;
    Py_ssize_t begin, end, size;
    char *bytes;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "Snn", &data, &begin, &end) || PyBytes_AsStringAndSize(data, &bytes, &size)) return NULL;
#ifdef CRC32C
    if (__builtin_cpu_supports("sse4.2") && begin >= 0 && begin <= end && end <= size)
        return PyLong_FromUnsignedLong(crc32c((Place)bytes + begin, (Place)bytes + end));
#endif
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
    {"checksum", checksum, METH_VARARGS, "checksum(data, begin, end)\n--\n\nCRC-32C of some bytes, or None."},
    {"set_classes", set_classes, METH_O, "set_classes(class_of_status)\n--\n\nThe slot of each HTTP status."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "streams.packed._native", "Counts the commonest events of a fold.", -1, module_methods,
    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void) {
    PyObject *made = PyModule_Create(&module), *type = PyType_FromSpec(&batch_spec);
    word_row = PyUnicode_InternFromString("row");
    word_responses = PyUnicode_InternFromString("responses");
    word_good = PyUnicode_InternFromString("good");
    word_latest = PyUnicode_InternFromString("latest");
    word_count = PyUnicode_InternFromString("count");
    if (!made || PyModule_AddIntConstant(made, "INTERFACE", 1) || !type || !word_row || !word_responses || !word_good || !word_latest || !word_count ||
        PyModule_AddObjectRef(made, "Batch", type))
        Py_CLEAR(made);
    Py_XDECREF(type);
    return made;
}
