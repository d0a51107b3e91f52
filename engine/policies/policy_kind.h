// What a file in policies/ provides: a description and a factory. policies/NAME.cpp defines
// `PolicyKind mixoscope::policies::NAME::kind()`; the build makes the table of all of them from the file names.
#pragma once

#include <cassert>
#include <charconv>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/calibration.h"
#include "engine/routing_policy.h"

namespace mixoscope {

/// Values of a part's parameters: one for each ParameterSpec, checked against its type and range, in normal form.
class PolicyArguments {
public:
    void set(std::string key, std::string value) { m_values[std::move(key)] = std::move(value); }
    bool has(const std::string& key) const { return m_values.contains(key); }

    std::int64_t integer(const std::string& key) const { return parsed<std::int64_t>(key); }
    /// "inf" is infinity.
    double number(const std::string& key) const {
        return text(key) == "inf" ? std::numeric_limits<double>::infinity() : parsed<double>(key);
    }
    bool boolean(const std::string& key) const { return text(key) == "true"; }
    kernels::Renormalise renormalise(const std::string& key) const {
        return boolean(key) ? kernels::Renormalise::kYes : kernels::Renormalise::kNo;
    }
    /// Numbers of a kList, ascending; nothing for the word that stands for none or all.
    std::vector<std::int32_t> list(const std::string& key) const;
    const std::string& text(const std::string& key) const { return m_values.at(key); }

    /// Of the file that the parameter names; null where it names none.
    std::shared_ptr<const Calibration> calibration;

private:
    template <typename T>
    T parsed(const std::string& key) const {
        const std::string& value = text(key);
        T result{};
        [[maybe_unused]] const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
        assert(error == std::errc{} && end == value.data() + value.size());
        return result;
    }
    std::map<std::string, std::string> m_values;
};

/// Either a choosing rule or an edit: one of the two factories is there. They throw Error for values that do not fit
/// together; `where` is left to the caller.
struct PolicyKind {
    /// Ranges and defaults are the model's.
    PolicySpec (*spec)(const ModelConfig& config) = nullptr;
    std::shared_ptr<const ChoosingRule> (*choosing)(const PolicyArguments& arguments,
                                                    const ModelConfig& config) = nullptr;
    std::shared_ptr<const EditRule> (*edit)(const PolicyArguments& arguments, const ModelConfig& config) = nullptr;
};

// Parameters that several policies share.
ParameterSpec countParameter(const ModelConfig& config);        // k
ParameterSpec renormaliseParameter(const ModelConfig& config);  // renorm
ParameterSpec expertsParameter(const ModelConfig& config);      // experts, a list that must be given
ParameterSpec seedParameter();                                  // seed
ParameterSpec calibrationParameter();                           // calibration
/// `min` and `max`; throws Error when they are the wrong way round.
struct CountRange {
    int min;
    int max;
};
CountRange countRange(const PolicyArguments& arguments);

}  // namespace mixoscope
