// cuRAND: numbers of the right distribution, the same for the same seed, but not those that cuRAND
// gives.
#include "emulator.hpp"
#include <cmath>

namespace emulator {
namespace {

enum Status : int { rand_success = 0, rand_launch_failure = 201 };

struct Generator {
    uint64_t state = 0;
    double uniform() { // (0, 1], as in cuRAND; the numbers are SplitMix64's
        uint64_t bits = state += 0x9E3779B97F4A7C15;
        bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9;
        bits = (bits ^ bits >> 27) * 0x94D049BB133111EB;
        return double((bits ^ bits >> 31) >> 11) * 0x1p-53 + 0x1p-53;
    }
    double normal() { // Box and Muller's, one of the two
        const double radius = std::sqrt(-2 * std::log(uniform()));
        return radius * std::cos(6.283185307179586 * uniform());
    }
};

template <class T, class Next> Status generate(T* to, size_t count, Next next) {
    const Hold hold(device());
    if (!within("cuRAND", to, count * sizeof(T))) return rand_launch_failure;
    event("random %zu\n", count);
    if (!settings().skip)
        for (size_t i = 0; i < count; ++i) to[i] = T(next());
    return rand_success;
}

} // namespace

API Status curandCreateGenerator(Generator** generator, int) {
    *generator = new Generator;
    return rand_success;
}
API Status curandDestroyGenerator(Generator* generator) {
    delete generator;
    return rand_success;
}
API Status curandSetStream(Generator*, void*) { return rand_success; }
API Status curandSetPseudoRandomGeneratorSeed(Generator* generator, unsigned long long seed) {
    generator->state = seed;
    return rand_success;
}
API Status curandSetGeneratorOffset(Generator* generator, unsigned long long offset) {
    generator->state += offset * 0x9E3779B97F4A7C15;
    return rand_success;
}
API Status curandGenerateUniform(Generator* generator, float* to, size_t count) {
    return generate(to, count, [&] { return generator->uniform(); });
}
API Status curandGenerateUniformDouble(Generator* generator, double* to, size_t count) {
    return generate(to, count, [&] { return generator->uniform(); });
}
API Status curandGenerateNormal(Generator* generator, float* to, size_t count, float mean, float deviation) {
    return generate(to, count, [&] { return mean + deviation * generator->normal(); });
}
API Status curandGenerateNormalDouble(Generator* generator, double* to, size_t count, double mean, double deviation) {
    return generate(to, count, [&] { return mean + deviation * generator->normal(); });
}

} // namespace emulator
