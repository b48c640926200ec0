// Device memory is host memory: allocations, their guards, copies.
#include "emulator.hpp"
#include <cstdlib>
#include <cstring>
#include <map>
#include <sys/mman.h>

namespace emulator {
namespace {

constexpr size_t alignment = 512;              // what cuMemAlloc promises is 256; drivers give 512
constexpr size_t guard_bytes = 64;             // on either side
constexpr unsigned char guard_pattern = 0xA5;
constexpr size_t fill_limit = size_t(64) << 20; // larger ones are not filled: touching them would make them real
constexpr size_t map_limit = size_t(32) << 20;  // larger ones come from mmap

struct Allocation {
    char* base; // what was asked of the host: `alignment` bytes before the device's pointer
    size_t bytes, whole;
    bool mapped;
    char* start() const { return base + alignment; }
    bool intact() const {
        for (size_t i = 0; i < guard_bytes; ++i)
            if ((unsigned char)start()[-1 - long(i)] != guard_pattern || (unsigned char)start()[bytes + i] != guard_pattern)
                return false;
        return true;
    }
};

// By address, so that the one holding an address is found. Never destroyed: a thread may still free
// while the program ends.
std::map<uintptr_t, Allocation>& allocations = *new std::map<uintptr_t, Allocation>;
size_t live = 0;

Result allocate(uint64_t* pointer, size_t bytes) {
    const Hold hold(device());
    if (bytes > capacity - live) return out_of_memory;
    Allocation made{nullptr, bytes, alignment + (bytes + guard_bytes + alignment - 1) / alignment * alignment, bytes > map_limit};
    if (made.mapped) {
        // NORESERVE: a step of real size may allocate far more than this machine has, as long as
        // nobody touches it
        void* base = mmap(nullptr, made.whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (base != MAP_FAILED) made.base = static_cast<char*>(base);
    } else {
        made.base = static_cast<char*>(std::aligned_alloc(alignment, made.whole));
    }
    if (!made.base) return out_of_memory;
    if (settings().check) {
        std::memset(made.start() - guard_bytes, guard_pattern, guard_bytes);
        std::memset(made.start() + bytes, guard_pattern, guard_bytes);
        if (bytes <= fill_limit && !settings().skip) std::memset(made.start(), 0xFF, bytes); // NaN in every float type
    }
    *pointer = reinterpret_cast<uint64_t>(made.start());
    allocations[*pointer] = made;
    live += bytes;
    event("alloc %zu %zu\n", bytes, live);
    return success;
}

Result release(uint64_t pointer) {
    const Hold hold(device());
    if (!pointer) return success;
    const auto found = allocations.find(pointer);
    if (found == allocations.end()) {
        complain("free of %#lx, which is not the start of a live allocation", (unsigned long)pointer);
        return invalid_value;
    }
    const Allocation gone = found->second;
    const bool whole = !settings().check || gone.intact();
    if (!whole) complain("an allocation of %zu bytes was overrun before it was freed", gone.bytes);
    allocations.erase(found);
    live -= gone.bytes;
    event("free %zu %zu\n", gone.bytes, live);
    if (gone.mapped) munmap(gone.base, gone.whole);
    else std::free(gone.base);
    return whole ? success : illegal_address;
}

void* host(uint64_t pointer) { return reinterpret_cast<void*>(pointer); }

Result fill(uint64_t pointer, unsigned char value, size_t bytes) {
    const Hold hold(device());
    if (!within("memset", host(pointer), bytes)) return invalid_value;
    event("memset %zu\n", bytes);
    if (!settings().skip) std::memset(host(pointer), value, bytes);
    return success;
}

enum Direction { htod, dtoh, dtod };

Result copy(Direction direction, void* to, const void* from, size_t bytes) {
    const Hold hold(device());
    static const char* const names[] = {"htod", "dtoh", "dtod"};
    const char* name = names[direction];
    if (direction != htod && !within(name, from, bytes)) return invalid_value;
    if (direction != dtoh && !within(name, to, bytes)) return invalid_value;
    event("%s %zu\n", name, bytes);
    if (!settings().skip) std::memmove(to, from, bytes);
    else if (direction == dtoh) std::memset(to, 0, bytes); // the host must not read what was never written
    return success;
}

} // namespace

size_t live_bytes() { return live; }

bool within(const char* user, const void* start, size_t bytes) {
    if (bytes == 0) return true;
    const uintptr_t first = reinterpret_cast<uintptr_t>(start);
    auto next = allocations.upper_bound(first);
    if (next != allocations.begin()) {
        const auto& [address, allocation] = *--next;
        if (first - address <= allocation.bytes && bytes <= allocation.bytes - (first - address)) return true;
        if (first - address < allocation.bytes) {
            complain("%s: %zu bytes from byte %zu of an allocation of %zu", user, bytes, size_t(first - address), allocation.bytes);
            return false;
        }
    }
    complain("%s: %zu bytes at %p, where no allocation is", user, bytes, start);
    return false;
}

bool intact(const char* user) {
    if (!settings().check) return true;
    bool all = true;
    for (auto& [address, allocation] : allocations) {
        if (allocation.intact()) continue;
        complain("%s wrote outside an allocation of %zu bytes", user, allocation.bytes);
        // made whole again, so that the next user is not blamed
        std::memset(allocation.start() - guard_bytes, guard_pattern, guard_bytes);
        std::memset(allocation.start() + allocation.bytes, guard_pattern, guard_bytes);
        all = false;
    }
    return all;
}

// ---- the driver's functions

// No bytes at all: an error here, a null pointer there.
API Result cuMemAlloc_v2(uint64_t* pointer, size_t bytes) { return bytes ? allocate(pointer, bytes) : invalid_value; }
API Result cuMemAllocAsync(uint64_t* pointer, size_t bytes, void*) {
    *pointer = 0;
    return bytes ? allocate(pointer, bytes) : success;
}
API Result cuMemFree_v2(uint64_t pointer) { return release(pointer); }
API Result cuMemFreeAsync(uint64_t pointer, void*) { return release(pointer); }

API Result cuMemHostAlloc(void** pointer, size_t bytes, unsigned) {
    *pointer = std::malloc(bytes);
    return *pointer ? success : out_of_memory;
}
API Result cuMemFreeHost(void* pointer) {
    std::free(pointer);
    return success;
}

API Result cuMemGetInfo_v2(size_t* available, size_t* total) {
    const Hold hold(device());
    *total = capacity;
    *available = capacity - live;
    return success;
}

API Result cuMemsetD8_v2(uint64_t pointer, unsigned char value, size_t bytes) { return fill(pointer, value, bytes); }
API Result cuMemsetD8Async(uint64_t pointer, unsigned char value, size_t bytes, void*) { return fill(pointer, value, bytes); }

API Result cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t bytes) { return copy(htod, host(to), from, bytes); }
API Result cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void*) { return copy(htod, host(to), from, bytes); }
API Result cuMemcpyDtoH_v2(void* to, uint64_t from, size_t bytes) { return copy(dtoh, to, host(from), bytes); }
API Result cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void*) { return copy(dtoh, to, host(from), bytes); }
API Result cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t bytes) { return copy(dtod, host(to), host(from), bytes); }
API Result cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void*) {
    return copy(dtod, host(to), host(from), bytes);
}
API Result cuMemcpyPeerAsync(uint64_t to, void*, uint64_t from, void*, size_t bytes, void*) {
    return copy(dtod, host(to), host(from), bytes);
}

// CUDA_MEMCPY2D
struct Copy2D {
    struct Side {
        size_t x, y; // x in bytes
        unsigned kind;
        void* host;
        uint64_t device;
        void* array;
        size_t pitch;
        bool on_device() const { return kind == 2; }
        char* row(size_t index) const {
            char* base = on_device() ? reinterpret_cast<char*>(device) : static_cast<char*>(host);
            return base + (y + index) * pitch + x;
        }
    } from, to;
    size_t width, height; // width in bytes
};
static_assert(sizeof(Copy2D) == 128);

API Result cuMemcpy2DAsync_v2(const Copy2D* plan, void*) {
    const auto& [from, to, width, height] = *plan;
    for (const Copy2D::Side& side : {from, to})
        if (side.kind != 1 && side.kind != 2) return not_supported; // neither host nor device: CUDA arrays
    const Direction direction = !from.on_device() ? htod : to.on_device() ? dtod : dtoh;
    for (size_t row = 0; row < height; ++row)
        if (const Result result = copy(direction, to.row(row), from.row(row), width)) return result;
    return success;
}
API Result cuMemcpy2D_v2(const Copy2D* plan) { return cuMemcpy2DAsync_v2(plan, nullptr); }

} // namespace emulator
