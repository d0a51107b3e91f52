// Rotary embedding tables: RoPE (arXiv 2104.09864) and its YaRN extension (arXiv 2309.00071).
#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/config.h"

namespace mixoscope {

namespace {

/// Dimension whose wave makes `rotations` turns over the original context.
double correctionDimension(double rotations, double dimensions, const RopeConfig& rope) {
    return dimensions * std::log(rope.original_max_position_embeddings / (rotations * 2.0 * std::numbers::pi)) /
           (2.0 * std::log(rope.theta));
}

double yarnScale(double factor, double mscale) {
    return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

double yarnAttentionFactor(const RopeConfig& rope) {
    if (rope.attention_factor) return *rope.attention_factor;
    if (rope.mscale.value_or(0.0) != 0.0 && rope.mscale_all_dim.value_or(0.0) != 0.0) {
        return yarnScale(rope.factor, *rope.mscale) / yarnScale(rope.factor, *rope.mscale_all_dim);
    }
    return yarnScale(rope.factor, 1.0);
}

/// Blends each frequency between the original (fast waves) and the one slowed down by `factor` (slow waves).
void applyYarn(const RopeConfig& rope, double dimensions, std::vector<float>& frequencies) {
    double low = correctionDimension(rope.beta_fast, dimensions, rope);
    double high = correctionDimension(rope.beta_slow, dimensions, rope);
    if (rope.truncate) {
        low = std::floor(low);
        high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, dimensions - 1.0);
    if (low == high) high += 0.001;  // as transformers does, instead of dividing by zero
    for (std::size_t index = 0; index < frequencies.size(); ++index) {
        const double ramp = std::clamp((static_cast<double>(index) - low) / (high - low), 0.0, 1.0);
        const double original = frequencies[index];
        frequencies[index] = static_cast<float>(original / rope.factor * ramp + original * (1.0 - ramp));
    }
}

}  // namespace

RotaryTable makeRotaryTable(const ModelConfig& config) {
    const double dimensions = static_cast<double>(config.head_dim);
    RotaryTable table;
    table.inverse_frequencies.resize(static_cast<std::size_t>(config.head_dim / 2));
    for (std::size_t index = 0; index < table.inverse_frequencies.size(); ++index) {
        const double exponent = 2.0 * static_cast<double>(index) / dimensions;
        table.inverse_frequencies[index] = static_cast<float>(1.0 / std::pow(config.rope.theta, exponent));
    }
    if (config.rope.yarn) {
        applyYarn(config.rope, dimensions, table.inverse_frequencies);
        table.attention_scaling = static_cast<float>(yarnAttentionFactor(config.rope));
    }
    return table;
}

}  // namespace mixoscope
