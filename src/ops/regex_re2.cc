// Regular expressions: RE2 behind a C face. The one place for C++: no exception leaves it. To read next: regex.c.
#include "ops/regex_re2.h"

#include <cstdio>
#include <new>
#include <re2/re2.h>
#include <string>

struct bt_regex {
    RE2 re;
    bt_regex(const char *pattern, size_t n) : re(std::string(pattern, n), RE2::Quiet) {}
};

bt_regex *bt_regex_new(const char *pattern, size_t n, char *error, size_t room)
try {
    bt_regex *regex = new bt_regex(pattern, n);
    if (regex->re.ok()) return regex;
    snprintf(error, room, "%s", regex->re.error().c_str());
    delete regex;
    return nullptr;
} catch (const std::exception &) {
    snprintf(error, room, "out of memory");
    return nullptr;
}

void bt_regex_free(bt_regex *regex) { delete regex; }

int bt_regex_full(const bt_regex *regex, const char *text, size_t n)
try {
    return RE2::FullMatch(re2::StringPiece(text, n), regex->re);
} catch (const std::exception &) {
    return -1;
}

bool bt_regex_replace(const bt_regex *regex, const char *text, size_t n, const char *rewrite, size_t rewrite_n,
                      bool all, bt_regex_emit *emit, void *user)
try {
    std::string out(text, n);
    re2::StringPiece with(rewrite, rewrite_n);
    if (all) RE2::GlobalReplace(&out, regex->re, with);
    else RE2::Replace(&out, regex->re, with);
    emit(user, out.data(), out.size());
    return true;
} catch (const std::exception &) {
    return false;
}
