// An edit that takes experts out of the choice: what `ban` and `prune` both do.
#pragma once

#include <vector>

#include "engine/routing_rule.h"

namespace mixoscope {

class ExpertMask final : public EditRule {
public:
    using Experts = std::vector<std::vector<std::int32_t>>;  // (MoE layers), ids ascending
    explicit ExpertMask(Experts removed) : m_removed(std::move(removed)) {}

    void adjust(int layer, RoutedRow& row) const override;
    bool removes(int layer, std::int32_t expert) const override;

private:
    Experts m_removed;
};

}  // namespace mixoscope
