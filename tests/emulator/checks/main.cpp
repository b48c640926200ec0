// usage: checks all | plain | guards | skip      plain: all but what needs fibres, which
// AddressSanitizer does not follow
#include "check.hpp"

int failures = 0;

int main(int, char** words) {
    const std::string what = words[1] ? words[1] : "";
    EXPECT(cuInit(0) == 0);
    if (what == "all" || what == "plain") {
        check_memory();
        check_candle();
        check_random();
        check_plain_kernels();
        check_products();
        check_convolutions();
    }
    if (what == "all") check_cooperating_kernels();
    if (what == "guards") check_guards();
    if (what == "skip") check_skipping();
    std::printf("%s: %s\n", what.c_str(), failures ? "FAILED" : "good");
    return failures != 0;
}
