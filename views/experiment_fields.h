// Lists of an experiment's choices as text, for fields: "0, 64, unlimited"; "greedy; temperature=0.7, top_p=0.9".
#pragma once

#include <QString>
#include <cstdint>
#include <vector>

#include "engine/error.h"
#include "sessions/experiment.h"

namespace mixoscope {

QString budgetsText(const std::vector<std::int32_t>& budgets);
QString lanesText(const std::vector<std::int32_t>& lanes);
QString seedsText(const std::vector<std::uint64_t>& seeds);
QString samplingsText(const std::vector<Experiment::Sampling>& samplings);

/// The choices that a field holds. Each throws Error with what was expected and found, also for an empty field and a
/// choice that is given twice.
std::vector<std::int32_t> parseBudgets(const QString& text);
std::vector<std::int32_t> parseLanes(const QString& text);
std::vector<std::uint64_t> parseSeeds(const QString& text);
std::vector<Experiment::Sampling> parseSamplings(const QString& text);

/// What an error says, for a line below its field.
QString fieldError(const ErrorParts& error);

}  // namespace mixoscope
