// The arithmetic of a convolution in two dimensions, in its three directions.
#pragma once
#include "numbers.hpp"
#include <vector>

namespace emulator {

struct Convolution {
    int images, height, width, channels;         // the input
    int out_height, out_width, out_channels;     // the output
    int kernel_height, kernel_width;
    int pad_height, pad_width, stride_height, stride_width, dilation_height, dilation_width;
    int groups;
    int channels_of_group() const { return channels / groups; }
    int out_channels_of_group() const { return out_channels / groups; }
};

// Tensors are dense and their channels last, whatever the descriptors say: input [N,H,W,C], filter [K,R,S,C of a group], output
// [N,P,Q,K]. Sum is float or double. Results are added to what is there.
template <class Sum>
void forward(const Convolution&, const std::vector<Sum>& input, const std::vector<Sum>& filter, std::vector<Sum>& output);
template <class Sum>
void backward_data(const Convolution&, const std::vector<Sum>& filter, const std::vector<Sum>& output, std::vector<Sum>& input);
template <class Sum>
void backward_filter(const Convolution&, const std::vector<Sum>& input, const std::vector<Sum>& output, std::vector<Sum>& filter);

} // namespace emulator
