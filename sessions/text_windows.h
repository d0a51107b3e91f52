// How a text is cut into windows of tokens that a model can read at once: what perplexity is measured over.
#pragma once

#include <cstdint>
#include <vector>

namespace mixoscope {

/// Tokens [begin, end) of the text are read; those from `scored` on are scored, given the ones before them.
struct TextWindow {
    std::int64_t begin = 0;
    std::int64_t scored = 0;  // above begin
    std::int64_t end = 0;

    bool operator==(const TextWindow&) const = default;
};

/// Windows of at most `window` (2 or more) tokens, each `stride` (1 to window) tokens after the one before it, as in
/// "Perplexity of fixed-length models" of the documentation of Hugging Face transformers: a window scores the tokens
/// that the one before did not reach. So every token but the text's first is scored once, except that where windows do
/// not overlap (stride = window) nothing stands before the first token of each. None for less than two tokens.
std::vector<TextWindow> textWindows(std::int64_t tokens, std::int64_t window, std::int64_t stride);

}  // namespace mixoscope
