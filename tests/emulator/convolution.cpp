// One loop visits every meeting of an output position with a tap of the kernel; the directions
// differ in what they do there. All of them go along channels in their innermost loop.
#include "convolution.hpp"

namespace emulator {
namespace {

// Calls use(output position, tap, input position), positions counted in pixels over all images.
template <class Use> void for_each_meeting(const Convolution& c, Use use) {
    for (int n = 0; n < c.images; ++n)
        for (int p = 0; p < c.out_height; ++p)
            for (int q = 0; q < c.out_width; ++q)
                for (int r = 0; r < c.kernel_height; ++r) {
                    const int h = p * c.stride_height - c.pad_height + r * c.dilation_height;
                    if (h < 0 || h >= c.height) continue;
                    for (int s = 0; s < c.kernel_width; ++s) {
                        const int w = q * c.stride_width - c.pad_width + s * c.dilation_width;
                        if (w < 0 || w >= c.width) continue;
                        use((size_t(n) * c.out_height + p) * c.out_width + q, size_t(r) * c.kernel_width + s,
                            (size_t(n) * c.height + h) * c.width + w);
                    }
                }
}

} // namespace

template <class Sum>
void forward(const Convolution& c, const std::vector<Sum>& input, const std::vector<Sum>& filter, std::vector<Sum>& output) {
    const size_t taps = size_t(c.kernel_height) * c.kernel_width, in = c.channels_of_group(), out = c.out_channels_of_group();
    // [group, tap, C, K]: output channels last, as they are what the innermost loop goes along
    std::vector<Sum> turned(filter.size());
    for (size_t k = 0; k < size_t(c.out_channels); ++k)
        for (size_t tap = 0; tap < taps; ++tap)
            for (size_t i = 0; i < in; ++i)
                turned[((k / out * taps + tap) * in + i) * out + k % out] = filter[(k * taps + tap) * in + i];
    for_each_meeting(c, [&](size_t there, size_t tap, size_t here) {
        for (size_t group = 0; group < size_t(c.groups); ++group)
            for (size_t i = 0; i < in; ++i)
                add_scaled(out, input[here * c.channels + group * in + i], &turned[((group * taps + tap) * in + i) * out],
                           &output[there * c.out_channels + group * out]);
    });
}

template <class Sum>
void backward_data(const Convolution& c, const std::vector<Sum>& filter, const std::vector<Sum>& output, std::vector<Sum>& input) {
    const size_t taps = size_t(c.kernel_height) * c.kernel_width, in = c.channels_of_group(), out = c.out_channels_of_group();
    for_each_meeting(c, [&](size_t there, size_t tap, size_t here) {
        for (size_t k = 0; k < size_t(c.out_channels); ++k)
            add_scaled(in, output[there * c.out_channels + k], &filter[(k * taps + tap) * in],
                       &input[here * c.channels + k / out * in]);
    });
}

template <class Sum>
void backward_filter(const Convolution& c, const std::vector<Sum>& input, const std::vector<Sum>& output, std::vector<Sum>& filter) {
    const size_t taps = size_t(c.kernel_height) * c.kernel_width, in = c.channels_of_group(), out = c.out_channels_of_group();
    for_each_meeting(c, [&](size_t there, size_t tap, size_t here) {
        for (size_t k = 0; k < size_t(c.out_channels); ++k)
            add_scaled(in, output[there * c.out_channels + k], &input[here * c.channels + k / out * in],
                       &filter[(k * taps + tap) * in]);
    });
}

#define FOR_TYPE(Sum)                                                                                                  \
    template void forward(const Convolution&, const std::vector<Sum>&, const std::vector<Sum>&, std::vector<Sum>&);    \
    template void backward_data(const Convolution&, const std::vector<Sum>&, const std::vector<Sum>&, std::vector<Sum>&); \
    template void backward_filter(const Convolution&, const std::vector<Sum>&, const std::vector<Sum>&, std::vector<Sum>&);
FOR_TYPE(float)
FOR_TYPE(double)

} // namespace emulator
