// What was measured of a model's routing on a set of prompts: the figures that calibrated policies go by.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config.h"

namespace mixoscope {

/// Counts of a quantity over [0, 1] in even steps: small, and two halves of the measurement add up exactly.
class UnitHistogram {
public:
    static constexpr std::size_t kBins = 1000;

    UnitHistogram() : m_counts(kBins, 0) {}
    explicit UnitHistogram(std::vector<std::int64_t> counts) : m_counts(std::move(counts)) {}

    void add(double value);
    std::int64_t total() const;
    /// The smallest bin border below which at least the share q of the values lies; 0 without values.
    double quantile(double q) const;
    /// Mean of `of(value)` over the values, taken at the middle of their bins.
    template <typename Function>
    double mean(const Function& of) const {
        double sum = 0.0;
        for (std::size_t bin = 0; bin < m_counts.size(); ++bin)
            sum += static_cast<double>(m_counts[bin]) * of((static_cast<double>(bin) + 0.5) / kBins);
        return sum / static_cast<double>(std::max<std::int64_t>(total(), 1));
    }
    const std::vector<std::int64_t>& counts() const { return m_counts; }

    bool operator==(const UnitHistogram&) const = default;

private:
    std::vector<std::int64_t> m_counts;
};

/// One MoE layer, over all tokens that were fed.
struct LayerCalibration {
    UnitHistogram last_to_first;  // p(k) / p(1), k the checkpoint's own
    UnitHistogram entropy;        // of the router distribution, divided by ln N
    // For each expert, over the tokens that were routed to it:
    std::vector<std::int64_t> tokens;
    std::vector<double> weight_sums;         // Σ g
    std::vector<double> norm_sums;           // Σ ‖E(x)‖
    std::vector<double> weighted_norm_sums;  // Σ g ‖E(x)‖

    bool operator==(const LayerCalibration&) const = default;
};

struct Calibration {
    std::string model_name;
    std::string model_hash;    // modelHash()
    std::string policy;        // normal form of the policy that routed while it was measured
    std::string prompts_hash;  // of the prompt file
    std::int64_t prompts = 0;  // in the file
    std::int64_t done = 0;     // of them, measured
    std::int64_t tokens = 0;
    std::vector<LayerCalibration> layers;  // (MoE layers)

    bool complete() const { return done == prompts; }
    bool operator==(const Calibration&) const = default;
};

/// With nothing measured.
Calibration emptyCalibration(const ModelConfig& config);

/// Throws Error naming file and field.
Calibration readCalibration(const std::filesystem::path& file);
/// The same, read once for as long as the file has the time and size that it had: a policy that is dragged names its
/// file many times a second. From any thread.
std::shared_ptr<const Calibration> rememberedCalibration(const std::filesystem::path& file);
/// Throws Error when the calibration is of another shape than the model, or unfinished.
void checkCalibration(const Calibration& calibration, const ModelConfig& config, std::string_view file);
/// The file is there as a whole or not at all. Throws Error.
void writeCalibration(const Calibration& calibration, const std::filesystem::path& file);

/// Names of the scores by which experts can be pruned.
std::span<const std::string_view> pruneScoreNames();
/// Scores of a layer's experts; the lowest are to be pruned first.
///   frequency: tokens; weighted-frequency: Σ g; ean: Σ n; ean-mean: mean n; weighted-ean: Σ g n; reap: mean of g n
///   over the expert's own tokens, with n = ‖E(x)‖ (REAP, arXiv 2510.13999; EAN and the others as compared there). An
///   expert without tokens scores 0.
std::vector<double> pruneScores(const LayerCalibration& layer, std::string_view name);

}  // namespace mixoscope
