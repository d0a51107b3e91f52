#include "sessions/model_facts.h"

#include "engine/routing_policy.h"

namespace mixoscope {

std::shared_ptr<const RoutingPolicy> parsePolicy(std::string_view text, const ModelFacts& model) {
    return model.hash.empty() ? parsePolicy(text, model.config)
                              : parsePolicy(text, model.config, model.name, model.hash);
}

}  // namespace mixoscope
