// An emulated CUDA device: what the parts of the library share. README.md says what it is.
#pragma once
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include "machine.hpp"

#define API extern "C" __attribute__((visibility("default")))

namespace emulator {

// CUresult, as far as it is used here
enum Result : int {
    success = 0,
    invalid_value = 1,
    out_of_memory = 2,
    invalid_image = 200,
    not_found = 500,
    illegal_address = 700,
    too_many_threads = 701,
    launch_failed = 719,
    not_supported = 801,
};

struct Settings {
    bool skip;  // EMULATOR_SKIP: nothing is executed or copied, only logged
    bool check; // EMULATOR_CHECK: memory is guarded, fresh memory is NaN, kernels check the alignment of their addresses
};
const Settings& settings();

// Everything that touches the device holds this: one thing happens at a time, whatever the stream and the host's thread.
std::mutex& device();
using Hold = std::lock_guard<std::mutex>;

// one line in the file that EMULATOR_LOG names
__attribute__((format(printf, 1, 2))) void event(const char* format, ...);
// one line on standard error: why a call returns an error
__attribute__((format(printf, 1, 2))) void complain(const char* format, ...);

// ---- memory.cpp

constexpr size_t capacity = size_t(150) << 30; // about what an H200 has
size_t live_bytes();
// Does one allocation hold all of these bytes? Complains if not.
bool within(const char* user, const void* start, size_t bytes);
// Are the guards of all allocations as they were made? Complains if not; always true without EMULATOR_CHECK.
bool intact(const char* user);

// ---- nvrtc.cpp and launch.cpp

// What the "PTX" of a compiled program begins with; the path of a shared library follows, and the end of the line.
constexpr char compiled_mark[] = "// emulated: ";

// ---- threads.cpp

struct Work {
    void (*kernel)(void** arguments);
    void** arguments;
    emulated::Machine* machine;
    dim3 grid, block;
    bool cooperates; // threads wait for one another
};
// Gives what went wrong, or nothing.
std::string run(const Work& work);

// ---- candle.cpp

// An emulation of one of candle's own kernels, written by hand: its PTX does not exist where nvcc is a stand-in.
struct Launch {
    void** arguments;
    dim3 grid, block;
};
using Native = void (*)(const Launch&);
Native native(const std::string& kernel); // null if nobody wrote it

} // namespace emulator
