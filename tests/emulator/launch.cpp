// Modules, functions, launches.
#include "emulator.hpp"
#include <algorithm>
#include <cstring>
#include <dlfcn.h>
#include <map>

namespace emulator {
namespace {

struct Function {
    std::string name;
    // compiled by nvrtc.cpp: the entry, what it shares with us, whether its threads wait for one
    // another, its __launch_bounds__
    void (*entry)(void** arguments) = nullptr;
    emulated::Machine* machine = nullptr;
    bool cooperates = false;
    unsigned bound = 1024;
    Native by_hand = nullptr; // or written by hand
};

struct Module {
    void* library = nullptr; // null: an image that is not ours, whose functions are looked up among those written by hand
    std::map<std::string, Function> functions;
};

template <class Pointer> Pointer symbol(void* library, const std::string& name) {
    return reinterpret_cast<Pointer>(dlsym(library, name.c_str()));
}

Result check_shape(const Function& function, const dim3& grid, const dim3& block) {
    const uint64_t threads = uint64_t(block.x) * block.y * block.z;
    const bool possible = threads && threads <= 1024 && block.z <= 64 && grid.x && grid.y && grid.z && grid.x <= 2147483647u &&
                          grid.y <= 65535 && grid.z <= 65535;
    if (!possible) {
        complain("%s: no device takes a grid of %u,%u,%u blocks of %u,%u,%u threads", function.name.c_str(), grid.x, grid.y,
                 grid.z, block.x, block.y, block.z);
        return invalid_value;
    }
    if (threads > function.bound) {
        complain("%s: %lu threads, and __launch_bounds__(%u)", function.name.c_str(), (unsigned long)threads, function.bound);
        return too_many_threads;
    }
    return success;
}

Result launch(const Function& function, const dim3& grid, const dim3& block, void** arguments) {
    const Hold hold(device());
    const char* name = function.name.c_str();
    if (const Result result = check_shape(function, grid, block)) return result;
    event("launch %s %u %u %u %u %u %u\n", name, grid.x, grid.y, grid.z, block.x, block.y, block.z);
    if (settings().skip) return success;
    if (function.entry) {
        const Work work = {function.entry, arguments, function.machine, grid, block, function.cooperates};
        if (const std::string failure = run(work); !failure.empty()) {
            complain("%s: %s", name, failure.c_str());
            return launch_failed;
        }
    } else if (function.by_hand) {
        function.by_hand({arguments, grid, block});
    } else {
        complain("%s is neither compiled by NVRTC nor written by hand in candle.cpp", name);
        return not_supported;
    }
    return intact(name) ? success : illegal_address;
}

Result load(Module** module, const void* image) {
    const char* text = static_cast<const char*>(image);
    void* library = nullptr;
    if (std::strncmp(text, compiled_mark, std::strlen(compiled_mark)) == 0) {
        const std::string rest = text + std::strlen(compiled_mark), path = rest.substr(0, rest.find('\n'));
        library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (!library) {
            complain("%s", dlerror());
            return invalid_image;
        }
    }
    *module = new Module{library, {}};
    return success;
}

} // namespace

API Result cuModuleLoadData(Module** module, const void* image) { return load(module, image); }
API Result cuModuleLoadDataEx(Module** module, const void* image, unsigned, void*, void*) { return load(module, image); }
API Result cuModuleLoad(Module** module, const char*) {
    *module = new Module; // a file: never one of ours
    return success;
}
API Result cuModuleUnload(Module* module) {
    const Hold hold(device());
    if (module->library) dlclose(module->library);
    delete module;
    return success;
}

API Result cuModuleGetFunction(Function** found, Module* module, const char* name) {
    const Hold hold(device());
    Function function;
    function.name = name;
    if (void* library = module->library) {
        function.entry = symbol<void (*)(void**)>(library, "emulated_" + function.name);
        if (!function.entry) return not_found;
        function.machine = symbol<emulated::Machine* (*)()>(library, "emulated_machine")();
        function.cooperates = symbol<bool (*)()>(library, "emulated_cooperates")();
        function.bound = symbol<unsigned (*)()>(library, "emulated_bound_" + function.name)();
    } else {
        function.by_hand = native(function.name); // if there is none, a launch says so: many are looked up that never run
    }
    *found = &module->functions.emplace(name, function).first->second;
    return success;
}

API Result cuFuncGetAttribute(int* value, int attribute, const Function* function) {
    *value = attribute == 0 ? int(function->bound) : 0; // 0: how many threads a block may have
    return success;
}
API Result cuFuncSetAttribute(Function*, int, int) { return success; }

API Result cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const Function*, int threads, size_t) {
    *blocks = 2048 / threads;
    return success;
}
API Result cuOccupancyMaxPotentialBlockSize(int* grid, int* block, const Function* function, void*, size_t, int limit) {
    *block = std::min({256, int(function->bound), limit ? limit : 1024});
    *grid = 132 * (2048 / *block);
    return success;
}

API Result cuLaunchKernel(const Function* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                          unsigned block_y, unsigned block_z, unsigned, void*, void** arguments, void**) {
    return launch(*function, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, arguments);
}

} // namespace emulator
