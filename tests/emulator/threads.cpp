// Runs the threads of a launch: block after block, and in a block thread after thread.
//
// Threads that wait for one another are fibres, each with a stack of its own. They are entered in
// turn; one that waits goes back to the scheduler. makecontext starts a fibre, but _setjmp and
// _longjmp switch between them: swapcontext would ask the kernel for the signal mask each time,
// which is what a block reduction would then spend its time on. Fibres are kept for the next block
// and launch.
#undef _FORTIFY_SOURCE // its longjmp refuses to leave one stack for another
#include "emulator.hpp"
#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <sys/mman.h>
#include <ucontext.h>

namespace emulator {
namespace {

constexpr size_t stack_bytes = 128 << 10;
constexpr unsigned lanes = 32;

struct Fibre {
    enum State { ready, at_barrier, meeting, finished } state = finished;
    bool started = false;
    jmp_buf context;
    char* stack = nullptr;
    unsigned number; // in the block; its lane is the rest by the size of a warp
    uint3 index;     // the same as threadIdx
    unsigned mask = 0;            // meeting: whom
    unsigned long long value = 0; // meeting: what this lane shows the others
};

std::deque<Fibre> fibres; // as many as the largest block had threads
unsigned count;           // of the running block
const Work* work;
Fibre* current;
jmp_buf scheduler;
std::string failure;

void fail(const char* what) {
    if (!failure.empty()) return;
    const auto& [x, y, z] = work->machine->block;
    const auto& [i, j, k] = work->machine->thread;
    char text[500];
    std::snprintf(text, sizeof text, "%s (block %u,%u,%u, thread %u,%u,%u)", what, x, y, z, i, j, k);
    failure = text;
}

// ---- inside a fibre

__attribute__((noinline)) void leave(Fibre::State why) {
    current->state = why;
    if (!_setjmp(current->context)) _longjmp(scheduler, 1);
}

void fibre_main() {
    for (;;) {
        work->kernel(work->arguments);
        leave(Fibre::finished);
    }
}

// the fibre of a lane of the running warp; null if the block ends before it or it has returned
Fibre* neighbour(unsigned lane) {
    const unsigned wanted = current->number - current->number % lanes + lane;
    if (lane >= lanes || wanted >= count || fibres[wanted].state == Fibre::finished) return nullptr;
    return &fibres[wanted];
}

void barrier() { leave(Fibre::at_barrier); }

void meet(unsigned mask) {
    if (!(mask >> current->number % lanes & 1)) return fail("a warp intrinsic whose mask leaves out its own lane");
    current->mask = mask;
    leave(Fibre::meeting);
}

unsigned long long exchange(unsigned mask, unsigned long long bits, unsigned lane) {
    current->value = bits;
    meet(mask); // now all have shown theirs
    const Fibre* source = neighbour(lane);
    if (source && (mask >> lane & 1)) bits = source->value;
    else fail("a shuffle that reads a lane which takes no part");
    meet(mask); // now all have read
    return bits;
}

unsigned ballot(unsigned mask, bool vote) {
    current->value = vote;
    meet(mask);
    unsigned votes = 0;
    for (unsigned lane = 0; lane < lanes; ++lane)
        if (mask >> lane & 1)
            if (const Fibre* voter = neighbour(lane); voter && voter->value) votes |= 1u << lane;
    meet(mask);
    return votes;
}

// ---- the scheduler

__attribute__((noinline)) void enter(Fibre& fibre) {
    current = &fibre;
    work->machine->thread = fibre.index;
    if (_setjmp(scheduler)) return; // the fibre has left
    if (fibre.started) _longjmp(fibre.context, 1);
    fibre.started = true;
    static ucontext_t start;
    getcontext(&start);
    start.uc_stack.ss_sp = fibre.stack;
    start.uc_stack.ss_size = stack_bytes;
    makecontext(&start, fibre_main, 0);
    setcontext(&start);
}

void provide_fibres() {
    while (fibres.size() < count) {
        Fibre& made = fibres.emplace_back();
        // a page below each stack that may not be touched: a kernel with too large an array stops
        // there
        const size_t page = 4096;
        void* memory = mmap(nullptr, page + stack_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) std::abort();
        made.stack = static_cast<char*>(memory) + page;
        mprotect(made.stack, stack_bytes, PROT_READ | PROT_WRITE);
    }
}

// Lets go the lanes of a warp that have all met; says whether there were any.
bool let_go(unsigned first) {
    const unsigned end = std::min(first + lanes, count);
    bool any = false;
    for (unsigned i = first; i < end; ++i) {
        if (fibres[i].state != Fibre::meeting) continue;
        const unsigned mask = fibres[i].mask;
        bool all = true;
        for (unsigned j = first; j < end; ++j)
            if (mask >> (j - first) & 1 && fibres[j].state != Fibre::finished)
                all &= fibres[j].state == Fibre::meeting && fibres[j].mask == mask;
        if (!all) continue;
        for (unsigned j = first; j < end; ++j)
            if (mask >> (j - first) & 1 && fibres[j].state == Fibre::meeting) fibres[j].state = Fibre::ready;
        any = true;
    }
    return any;
}

void run_fibres() {
    for (unsigned i = 0; i < count; ++i) {
        Fibre& fibre = fibres[i];
        const dim3& size = work->block;
        fibre.number = i;
        fibre.index = {i % size.x, i / size.x % size.y, i / (size.x * size.y)};
        fibre.state = Fibre::ready;
    }
    for (;;) {
        for (unsigned first = 0; first < count; first += lanes)
            do {
                for (unsigned i = first; i < std::min(first + lanes, count); ++i)
                    if (fibres[i].state == Fibre::ready) enter(fibres[i]);
            } while (let_go(first));
        // now every thread has returned or waits, and only the barrier can still let it go
        unsigned living = 0, waiting = 0;
        for (unsigned i = 0; i < count; ++i) {
            living += fibres[i].state != Fibre::finished;
            waiting += fibres[i].state == Fibre::at_barrier;
        }
        if (!living) return;
        if (waiting != living) {
            fail("threads wait for one another for ever: some at __syncthreads, others at a warp intrinsic");
            for (Fibre& fibre : fibres) fibre.started = false; // what they were doing is given up
            return;
        }
        for (unsigned i = 0; i < count; ++i)
            if (fibres[i].state == Fibre::at_barrier) fibres[i].state = Fibre::ready;
    }
}

void run_plainly() {
    uint3& thread = work->machine->thread;
    const dim3& size = work->block;
    for (thread.z = 0; thread.z < size.z; ++thread.z)
        for (thread.y = 0; thread.y < size.y; ++thread.y)
            for (thread.x = 0; thread.x < size.x; ++thread.x) work->kernel(work->arguments);
}

} // namespace

std::string run(const Work& given) {
    work = &given;
    count = given.block.x * given.block.y * given.block.z;
    failure.clear();
    emulated::Machine& machine = *given.machine;
    machine.block_size = given.block;
    machine.grid = given.grid;
    machine.barrier = barrier;
    machine.meet = meet;
    machine.exchange = exchange;
    machine.ballot = ballot;
    machine.fail = fail;
    if (given.cooperates) provide_fibres();
    uint3& block = machine.block;
    for (block.z = 0; block.z < given.grid.z; ++block.z)
        for (block.y = 0; block.y < given.grid.y; ++block.y)
            for (block.x = 0; block.x < given.grid.x && failure.empty(); ++block.x)
                given.cooperates ? run_fibres() : run_plainly();
    return failure;
}

} // namespace emulator
