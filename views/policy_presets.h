// Policies worth a try on a model, so that nobody has to begin with an empty form.
#pragma once

#include <QString>
#include <vector>

#include "engine/config.h"

namespace mixoscope {

struct PolicyPreset {
    QString title;
    QString text;  // in normal form
};

/// Valid for the model, none twice; a dense model has none.
std::vector<PolicyPreset> policyPresets(const ModelConfig& config);

}  // namespace mixoscope
