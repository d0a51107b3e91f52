// The routing of a recorded session as NumPy arrays, for notebooks.
#pragma once

#include <filesystem>

namespace mixoscope {

/// Writes `out` (.npz). T rows in the order in which they were computed, L MoE layers, S slots, E experts:
/// lane, step, position, token, phase (0 prompt, 1 thinking, 2 answer), flags, turn, thinking_tokens, budget,
/// next_token (−1: none), time_us: (T); logprob: (T), NaN where the token was not chosen by the model;
/// experts: (T, L, S) int16 in order of rank, −1 where there is none; ran: (T, L, S), false for a selection that did
/// not run; weights: (T, L, S); entropy, top1, margin: (T, L); probabilities: (T, L, E), only where they were recorded;
/// layers: (L) the model's numbers. Memory does not grow with the session. Throws Error; then what was there stays.
void exportNpz(const std::filesystem::path& session, const std::filesystem::path& out);

}  // namespace mixoscope
