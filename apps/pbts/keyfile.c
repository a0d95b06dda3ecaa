#include "keyfile.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "codec/text.h"
#include "exit_codes.h"
#include "files.h"
#include "say.h"

static const char MAGIC[] = "pbts-key1";

/* ---- the text ---- */

static bool next_line(pbts_span *line, pbts_span *rest) {
    const uint8_t *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;
    if (end == NULL) return false;
    line->data = rest->data;
    line->len = (size_t)(end - rest->data);
    rest->data = end + 1;
    rest->len -= line->len + 1;
    return true;
}

/* The value of a line "WORD value". */
static bool is_field(pbts_span *value, pbts_span line, const char *word) {
    size_t len = strlen(word);
    if (line.len <= len || memcmp(line.data, word, len) != 0 || line.data[len] != ' ') return false;
    *value = (pbts_span){ line.data + len + 1, line.len - len - 1 };
    return true;
}

static bool read_secret(keyfile *key, pbts_span value) {
    return pbts_hex_decode_exact(key->secret.bytes, sizeof key->secret.bytes, value) == PBTS_OK &&
           pbts_bls_secret_check(&key->secret) == PBTS_OK;
}

static bool read_uid(keyfile *key, pbts_span value) {
    if (!pbts_uid_is_valid(value) || key->uid_len != 0) return false;
    memcpy(key->uid, value.data, value.len);
    key->uid_len = (uint8_t)value.len;
    return true;
}

static bool read_iid(keyfile *key, pbts_span value) {
    if (key->has_iid) return false;
    key->has_iid = pbts_hex_decode_exact(key->iid, sizeof key->iid, value) == PBTS_OK;
    return key->has_iid;
}

static bool read_tracker(keyfile *key, pbts_span value) {
    uint8_t *bytes = key->tracker_key.bytes;
    if (key->has_tracker_key) return false;
    key->has_tracker_key =
        pbts_hex_decode_exact(bytes, sizeof key->tracker_key.bytes, value) == PBTS_OK;
    return key->has_tracker_key;
}

static const char *read_lines(keyfile *key, pbts_span text) {
    pbts_span line, value;
    if (!next_line(&line, &text) || !pbts_span_is(line, MAGIC)) {
        return "it does not begin with the line \"pbts-key1\"";
    }
    if (!next_line(&line, &text) || !is_field(&value, line, "secret") || !read_secret(key, value)) {
        return "the second line must be \"secret\" and 64 hexadecimal digits of a valid key";
    }
    while (next_line(&line, &text)) {
        bool good = (is_field(&value, line, "uid") && read_uid(key, value)) ||
                    (is_field(&value, line, "iid") && read_iid(key, value)) ||
                    (is_field(&value, line, "tracker") && read_tracker(key, value));
        if (!good) {
            return "a line is none of \"uid <name>\", \"iid <64 hexadecimal digits>\" and "
                   "\"tracker <192 hexadecimal digits>\"";
        }
    }
    return text.len == 0 ? NULL : "the last line is cut short";
}

pbts_status keyfile_parse(keyfile *out, const char **problem, pbts_span text) {
    keyfile key = { 0 };
    *problem = read_lines(&key, text);
    if (*problem == NULL) {
        pbts_bls_public_of(&key.key, &key.secret);
        *out = key;
    }
    keyfile_wipe(&key);
    return *problem == NULL ? PBTS_OK : PBTS_MALFORMED;
}

void keyfile_format(pbts_writer *writer, const keyfile *key) {
    pbts_write_text(writer, MAGIC);
    pbts_write_text(writer, "\nsecret ");
    pbts_hex_encode(writer, PBTS_SPAN_OF(key->secret.bytes));
    if (key->uid_len > 0) {
        pbts_write_text(writer, "\nuid ");
        pbts_write_bytes(writer, keyfile_uid(key));
    }
    if (key->has_iid) {
        pbts_write_text(writer, "\niid ");
        pbts_hex_encode(writer, PBTS_SPAN_OF(key->iid));
    }
    if (key->has_tracker_key) {
        pbts_write_text(writer, "\ntracker ");
        pbts_hex_encode(writer, PBTS_SPAN_OF(key->tracker_key.bytes));
    }
    pbts_write_text(writer, "\n");
}

void keyfile_wipe(keyfile *key) {
    pbts_wipe(key, sizeof *key);
}

pbts_span keyfile_uid(const keyfile *key) {
    return (pbts_span){ key->uid, key->uid_len };
}

/* ---- the file ---- */

static int check_mode(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) {
        if (errno != ENOENT) return say_errno(path);
        return say_fail(PBTS_EXIT_IO, "%s: no such key file; make one with: pbts key new --out %s",
                        path, path);
    }
    if (!S_ISREG(info.st_mode)) return say_fail(PBTS_EXIT_IO, "%s: is not a regular file", path);
    if ((info.st_mode & (S_IRWXG | S_IRWXO)) == 0) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_IO, "%s: others may read this secret key; say: chmod 600 %s", path,
                    path);
}

int keyfile_load(keyfile *out, const char *path) {
    uint8_t *text;
    size_t len;
    const char *problem;
    int code = check_mode(path);
    if (code == PBTS_EXIT_OK) code = file_read(&text, &len, path, KEYFILE_LEN_MAX);
    if (code != PBTS_EXIT_OK) return code;
    pbts_status status = keyfile_parse(out, &problem, (pbts_span){ text, len });
    pbts_wipe(text, len);
    free(text);
    if (status == PBTS_OK) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_IO, "%s: is no key file: %s", path, problem);
}

int keyfile_load_registered(keyfile *out, const char *path) {
    int code = keyfile_load(out, path);
    if (code != PBTS_EXIT_OK || out->uid_len > 0) return code;
    keyfile_wipe(out);
    return say_fail(PBTS_EXIT_REFUSED,
                    "%s: this key is not registered yet; say: pbts register --tracker URL --key %s "
                    "--uid NAME",
                    path, path);
}

/* `over`: also over a key that is there. */
static int write_file(const char *path, const keyfile *key, bool over) {
    uint8_t text[KEYFILE_LEN_MAX];
    pbts_writer writer = pbts_writer_over(text, sizeof text);
    keyfile_format(&writer, key);
    pbts_span bytes = pbts_writer_span(&writer);
    int code =
        over ? file_replace(path, bytes, 0600, MAGIC, "key file") : file_create(path, bytes, 0600);
    pbts_wipe(text, sizeof text);
    return code;
}

int keyfile_create(const char *path, const keyfile *key, bool overwrite) {
    if (!overwrite && access(path, F_OK) == 0) {
        return say_fail(PBTS_EXIT_IO,
                        "%s: exists already; a key that is overwritten is lost for good (--force "
                        "does it)",
                        path);
    }
    return write_file(path, key, overwrite);
}

int keyfile_save(const char *path, const keyfile *key) {
    return write_file(path, key, true);
}
