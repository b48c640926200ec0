// NVRTC: the source of a kernel is compiled by g++ into a shared library, and the "PTX" is a line
// that names it.
#include "emulator.hpp"
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <regex.h>
#include <spawn.h>
#include <sstream>
#include <sys/stat.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

extern char** environ;

namespace emulator {
namespace {

enum Status : int { nvrtc_success = 0, invalid_input = 3, compilation = 6 };

struct Program {
    std::string source, name, log, ptx;
};

std::string read(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// The folder with this library, where `build` puts machine.hpp and kernel.hpp as well.
const std::string& home() {
    static const std::string folder = [] {
        Dl_info self;
        dladdr(reinterpret_cast<void*>(&home), &self);
        char* path = realpath(self.dli_fname, nullptr);
        const std::string whole = path;
        std::free(path);
        return whole.substr(0, whole.rfind('/'));
    }();
    return folder;
}

// The folder of compiled kernels; empty if there can be none. The name of the default one can be
// guessed, so it has to be ours.
std::string cache() {
    std::string folder;
    if (const char* given = std::getenv("EMULATOR_CACHE"); given && *given) {
        folder = given;
    } else {
        const char* temporary = std::getenv("TMPDIR");
        folder = std::string(temporary && *temporary ? temporary : "/tmp") + "/cuda-emulator-" + std::to_string(geteuid());
    }
    mkdir(folder.c_str(), 0700);
    struct stat found;
    const bool usable = stat(folder.c_str(), &found) == 0 && S_ISDIR(found.st_mode) && found.st_uid == geteuid();
    return usable ? folder : "";
}

uint64_t hash(const std::string& text) { // FNV-1a
    uint64_t value = 0xcbf29ce484222325;
    for (const unsigned char c : text) value = (value ^ c) * 0x100000001b3;
    return value;
}

// Runs g++, its output into one file, its messages into another; says whether it succeeded.
bool compile(const std::vector<std::string>& arguments, const std::string& output, const std::string& messages) {
    std::vector<char*> words = {const_cast<char*>("g++")};
    for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
    words.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 1, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&files, 2, messages.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    pid_t child;
    const int error = posix_spawnp(&child, words[0], &files, nullptr, words.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    if (error) {
        std::ofstream(messages, std::ios::app) << "g++: " << std::strerror(error) << "\n";
        return false;
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// A POSIX expression; std::regex would take most of the time that this library takes to compile.
struct Expression {
    regex_t compiled;
    explicit Expression(const char* pattern) { regcomp(&compiled, pattern, REG_EXTENDED); }
    // The groups of the first match at or after `from`, which is moved behind it; none if there is
    // no match.
    std::vector<std::string> next(const std::string& text, size_t& from) const {
        regmatch_t found[8];
        if (regexec(&compiled, text.c_str() + from, 8, found, 0) != 0) return {};
        std::vector<std::string> groups;
        for (const regmatch_t& group : found)
            groups.push_back(group.rm_so < 0 ? "" : text.substr(from + group.rm_so, group.rm_eo - group.rm_so));
        from += found[0].rm_eo;
        return groups;
    }
};

// What is written below a source whose preprocessed text is given: an entry for each kernel.
//
// The text has been through the preprocessor, without kernel.hpp: comments, branches that are not
// taken and macros are gone, and __global__ is still there. Only `extern "C" __global__` counts, as
// only such a kernel has its own name on a device.
std::string entries(const std::string& text) {
#define BOUNDS "(__launch_bounds__[[:space:]]*\\((([^()]|\\([^()]*\\))*)\\)[[:space:]]*)?"
    static const Expression kernel("extern[[:space:]]*\"C\"[[:space:]]*__global__[[:space:]]+" BOUNDS "void[[:space:]]+" BOUNDS
                                   "([[:alnum:]_]+)[[:space:]]*\\(");
#undef BOUNDS
    // one word of these, and the threads of every kernel in the source become fibres
    static const Expression waiting("__(sync|shfl|ballot|any|all)[[:alnum:]_]*[[:space:]]*\\(");
    std::string made;
    size_t at = 0;
    for (std::vector<std::string> found; !(found = kernel.next(text, at)).empty();) {
        const std::string bound = found[2] + found[5]; // on one side of `void` or on the other
        made += "EMULATED_ENTRY(" + found[7] + (bound.empty() ? "" : ", " + bound) + ")\n";
    }
    size_t anywhere = 0;
    const char* cooperates = waiting.next(text, anywhere).empty() ? "false" : "true";
    return made + "extern \"C\" EMULATED_VISIBLE bool emulated_cooperates() { return " + cooperates + "; }\n";
}

// Compiles into `library`, which appears when it is complete: other processes may compile the same
// at the same time.
bool build(Program& program, const std::vector<std::string>& defines, const std::string& library) {
    static std::atomic<unsigned> builds{0};
    const std::string own = library + "." + std::to_string(getpid()) + "." + std::to_string(builds++);
    const std::string source = own + ".cpp", text = own + ".txt", messages = own + ".log", made = own + ".so";
    const std::string named = "#line 1 \"" + program.name + "\"\n" + program.source; // so that messages speak of the source

    std::ofstream(source) << named;
    std::vector<std::string> preprocess = {"-std=c++17", "-E", "-P", source};
    preprocess.insert(preprocess.end(), defines.begin(), defines.end());
    bool good = compile(preprocess, text, messages);
    if (good) {
        std::ofstream(source) << "#include \"kernel.hpp\"\n" << named << "\n#line 1 \"entries\"\n" << entries(read(text));
        std::vector<std::string> arguments = {"-std=c++17", "-O1", "-ffp-contract=off", "-fPIC", "-shared",
                                              "-fvisibility=hidden", "-Wno-unknown-pragmas", "-I" + home()};
        if (settings().check) arguments.push_back("-fsanitize=alignment"); // its functions are in kernel.hpp
        arguments.insert(arguments.end(), defines.begin(), defines.end());
        for (const char* last : {"-nodefaultlibs", "-o", made.c_str(), source.c_str(), "-lm", "-lc", "-lgcc"})
            arguments.push_back(last);
        good = compile(arguments, "/dev/null", messages);
    }
    program.log = read(messages);
    good = good && std::rename(made.c_str(), library.c_str()) == 0;
    for (const std::string& file : {source, text, messages, made}) unlink(file.c_str());
    return good;
}

} // namespace

API Status nvrtcVersion(int* major, int* minor) {
    *major = 13;
    *minor = 0;
    return nvrtc_success;
}

API const char* nvrtcGetErrorString(int status) {
    switch (status) {
    case nvrtc_success: return "NVRTC_SUCCESS";
    case invalid_input: return "NVRTC_ERROR_INVALID_INPUT";
    case compilation: return "NVRTC_ERROR_COMPILATION";
    default: return "NVRTC_ERROR unknown";
    }
}

API Status nvrtcCreateProgram(Program** program, const char* source, const char* name, int headers, const char* const*,
                              const char* const*) {
    if (headers) {
        complain("NVRTC: headers given as text are not emulated");
        return invalid_input;
    }
    *program = new Program{source, name ? name : "default_program", "", ""};
    return nvrtc_success;
}

API Status nvrtcDestroyProgram(Program** program) {
    delete *program;
    *program = nullptr;
    return nvrtc_success;
}

API Status nvrtcCompileProgram(Program* program, int count, const char* const* options) {
    // Definitions are passed on. What else there is, is about a device.
    std::vector<std::string> defines = {"-DEMULATED"};
    for (int i = 0; i < count; ++i) {
        const std::string option = options[i], other = "--define-macro=";
        if (option.rfind("-D", 0) == 0) defines.push_back(option);
        else if (option.rfind(other, 0) == 0) defines.push_back("-D" + option.substr(other.size()));
    }
    const std::string folder = cache();
    if (folder.empty()) {
        program->log = "the folder for compiled kernels cannot be made, or belongs to somebody else: set EMULATOR_CACHE\n";
        return compilation;
    }
    std::string identity = read(home() + "/machine.hpp") + read(home() + "/kernel.hpp") + program->name + '\0' + program->source;
    for (const std::string& define : defines) identity += '\0' + define;
    char name[40];
    std::snprintf(name, sizeof name, "/%016lx%s.so", (unsigned long)hash(identity), settings().check ? "-checked" : "");
    const std::string library = folder + name;
    if (const char* kept = std::getenv("EMULATOR_SOURCES"); kept && *kept) {
        // by what is compiled alone, so that the real compiler sees each once
        std::snprintf(name, sizeof name, "/%016lx.cu", (unsigned long)hash(program->source));
        std::ofstream(kept + std::string(name)) << program->source;
    }
    program->log.clear();
    if (access(library.c_str(), R_OK) != 0 && !build(*program, defines, library)) return compilation;
    program->ptx = compiled_mark + library + "\n";
    return nvrtc_success;
}

// Sizes include the terminating zero.
API Status nvrtcGetPTXSize(Program* program, size_t* bytes) {
    *bytes = program->ptx.size() + 1;
    return nvrtc_success;
}
API Status nvrtcGetPTX(Program* program, char* text) {
    std::memcpy(text, program->ptx.c_str(), program->ptx.size() + 1);
    return nvrtc_success;
}
API Status nvrtcGetCUBINSize(Program* program, size_t* bytes) { return nvrtcGetPTXSize(program, bytes); }
API Status nvrtcGetCUBIN(Program* program, char* text) { return nvrtcGetPTX(program, text); }
API Status nvrtcGetProgramLogSize(Program* program, size_t* bytes) {
    *bytes = program->log.size() + 1;
    return nvrtc_success;
}
API Status nvrtcGetProgramLog(Program* program, char* text) {
    std::memcpy(text, program->log.c_str(), program->log.size() + 1);
    return nvrtc_success;
}

} // namespace emulator
