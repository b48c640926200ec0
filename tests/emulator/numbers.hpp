// Element types, and the loop that the libraries are made of.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace emulator {

struct Bf16 {
    uint16_t bits;
    Bf16() = default;
    explicit Bf16(float value) {
        uint32_t wide;
        std::memcpy(&wide, &value, sizeof wide);
        if (value != value) bits = 0x7FFF; // the NaN that a device makes
        else bits = uint16_t((wide + 0x7FFF + (wide >> 16 & 1)) >> 16); // to nearest, ties to even
    }
    operator float() const {
        const uint32_t wide = uint32_t(bits) << 16;
        float value;
        std::memcpy(&value, &wide, sizeof value);
        return value;
    }
};
using F16 = _Float16;

// what a type is computed in
template <class T> struct WideOf { using Type = T; };
template <> struct WideOf<Bf16> { using Type = float; };
template <> struct WideOf<F16> { using Type = float; };
template <class T> using Wide = typename WideOf<T>::Type;

enum class Element { f32, f64, f16, bf16 };

inline size_t size_of(Element element) {
    return element == Element::f64 ? 8 : element == Element::f32 ? 4 : 2;
}

// Calls `use` with a pointer of the right type.
template <class Use> void with_elements(Element element, void* pointer, Use use) {
    switch (element) {
    case Element::f32: return use(static_cast<float*>(pointer));
    case Element::f64: return use(static_cast<double*>(pointer));
    case Element::f16: return use(static_cast<F16*>(pointer));
    case Element::bf16: return use(static_cast<Bf16*>(pointer));
    }
}
template <class Use> void with_elements(Element element, const void* pointer, Use use) {
    with_elements(element, const_cast<void*>(pointer), use);
}

// y += a x: matrix products and convolutions are arranged so that all of their time is spent here. Vectors are enough for that, and
// each element still sums its terms one after another. Compiled for two processors, as the machine that builds may not be the one
// that runs; AVX2 without FMA, so that both give the same numbers.
void add_scaled(size_t count, float a, const float* x, float* y);
void add_scaled(size_t count, double a, const double* x, double* y);

} // namespace emulator
