// Measures a model's routing on prompts: feeds them, and adds up what calibrated policies go by.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/calibration.h"
#include "engine/forward.h"

namespace mixoscope {

class Calibrator : private LayerObserver {
public:
    /// Goes on from `so_far`, which is of this model and policy; both model and back end must outlive it. Prompts are
    /// cut after `most_tokens`. Throws Error when the caches do not fit into memory.
    Calibrator(const Model& model, kernels::Backend& backend, std::shared_ptr<const RoutingPolicy> policy,
               std::int64_t most_tokens, Calibration so_far);

    /// Feeds one prompt, of at least one token, and counts it as done.
    void add(std::span<const TokenId> prompt);
    const Calibration& calibration() const { return m_calibration; }

private:
    void onLayer(std::int64_t layer, const LayerWeights& weights, std::span<const RoutedRow> rows) override;
    void addDistribution(LayerCalibration& layer, const RoutedRow& row);
    void addSelections(LayerCalibration& layer, std::size_t slot, const LayerWeights& weights,
                       std::span<const RoutedRow> rows);

    const Model& m_model;
    kernels::Backend& m_backend;
    std::size_t m_most_tokens;
    Calibration m_calibration;
    LaneRouting m_routing;
    KvCache m_cache;
    Activations m_activations;
    std::vector<ForwardRow> m_rows;
    std::vector<std::int32_t> m_ranked;  // (num_experts_per_tok)
    std::vector<std::int32_t> m_ids;     // (rows) one selection of each row
    std::vector<float> m_ones;           // (rows)
    std::vector<float> m_outputs;        // (rows, hidden_size)
};

}  // namespace mixoscope
