// Settings, the log, complaints.
#include "emulator.hpp"
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>

namespace emulator {

static bool flag(const char* name) {
    const char* value = std::getenv(name);
    return value && *value && std::strcmp(value, "0") != 0;
}

const Settings& settings() {
    static const Settings settings = {flag("EMULATOR_SKIP"), flag("EMULATOR_CHECK")};
    return settings;
}

std::mutex& device() {
    static std::mutex mutex;
    return mutex;
}

void event(const char* format, ...) {
    // Appended without a buffer: each line is there when the call returns, and several processes
    // may share the file.
    static const int file = [] {
        const char* path = std::getenv("EMULATOR_LOG");
        if (!path || !*path) return -1;
        const int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        if (file < 0) complain("cannot write the log %s: %s", path, std::strerror(errno));
        return file;
    }();
    if (file < 0) return;
    va_list arguments;
    va_start(arguments, format);
    vdprintf(file, format, arguments);
    va_end(arguments);
}

void complain(const char* format, ...) {
    char text[1000];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    std::fprintf(stderr, "emulator: %s\n", text);
}

} // namespace emulator
