#include "views/policy_presets.h"

#include <QObject>
#include <algorithm>

#include "engine/routing_policy.h"

namespace mixoscope {

std::vector<PolicyPreset> policyPresets(const ModelConfig& config) {
    std::vector<PolicyPreset> presets;
    if (config.num_experts == 0) return presets;
    const auto add = [&](const QString& title, const QString& text) {
        const QString normal = QString::fromStdString(parsePolicy(text.toStdString(), config)->text());
        const auto same = [&](const PolicyPreset& preset) { return preset.text == normal; };
        if (std::ranges::none_of(presets, same)) presets.push_back({title, normal});
    };
    const std::int64_t k = config.num_experts_per_tok;
    const QString half = QString::number(std::max<std::int64_t>(k / 2, 1));
    add(QObject::tr("The checkpoint's own top-%1").arg(k), QStringLiteral("model"));
    add(QObject::tr("Half the experts"), QStringLiteral("top-k:k=%1").arg(half));
    add(QObject::tr("One expert a token"), QStringLiteral("top-k:k=1"));
    add(QObject::tr("Switch: one expert, limited capacity"), QStringLiteral("top-k:k=1,capacity=1.25"));
    add(QObject::tr("All experts while thinking, half in the answer"),
        QStringLiteral("top-k:k=%1,phase=thinking+top-k:k=%2,phase=answer").arg(k).arg(half));
    add(QObject::tr("Until their probability passes 0.7"),
        QStringLiteral("top-p:p=0.7,max=%1").arg(std::min(config.num_experts, 4 * k)));
    add(QObject::tr("More experts where the router is unsure"), QStringLiteral("entropy"));
    add(QObject::tr("AnyExperts: slots by importance"), QStringLiteral("any-experts"));
    add(QObject::tr("Experts by lot: what is the router worth?"), QStringLiteral("random"));
    return presets;
}

}  // namespace mixoscope
