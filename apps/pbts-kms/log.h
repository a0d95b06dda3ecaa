/* log.h - one line per event on standard error: key=value. Never give it a secret. */
#ifndef PBTS_KMS_LOG_H
#define PBTS_KMS_LOG_H

/* `format` makes the fields: "peer=3 reason=bad-share". What a stranger sent has no place in it. */
void kms_log(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
