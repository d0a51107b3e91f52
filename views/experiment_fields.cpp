#include "views/experiment_fields.h"

#include <QObject>
#include <QStringList>
#include <algorithm>

#include "views/format.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

[[noreturn]] void fail(const QString& what, const QString& expected, const QString& found) {
    throw Error({.what = what.toStdString(), .expected = expected.toStdString(), .found = found.toStdString()});
}

template <typename T, typename Read>
std::vector<T> parseList(const QString& text, QChar separator, const Read& read) {
    std::vector<T> values;
    for (const QString& part : text.split(separator)) {
        const QString choice = part.trimmed();
        if (choice.isEmpty()) continue;
        T value = read(choice);
        if (std::ranges::find(values, value) != values.end())
            fail(QObject::tr("This choice is given twice"), QObject::tr("different choices"), choice);
        values.push_back(std::move(value));
    }
    if (values.empty())
        fail(QObject::tr("There must be something to choose from"), QObject::tr("at least one choice"),
             QObject::tr("none"));
    return values;
}

double numberOf(const QString& text, double low, double high) {
    bool is_number = false;
    const double number = text.toDouble(&is_number);
    if (!is_number || !(number >= low) || !(number <= high))
        fail(QObject::tr("This is no value of it"), QObject::tr("a number from %1 to %2").arg(low).arg(high), text);
    return number;
}

Experiment::Sampling samplingOf(const QString& text) {
    if (text == u"greedy"_s) return {.greedy = true};
    Experiment::Sampling sampling;
    if (text == u"default"_s) return sampling;
    for (const QString& part : text.split(u',')) {
        const QString key = part.section(u'=', 0, 0).trimmed();
        const QString value = part.section(u'=', 1).trimmed();
        constexpr double kLargestInteger = 2147483647.0;
        if (key == u"temperature"_s) {
            sampling.temperature = numberOf(value, 0.0, 100.0);
        } else if (key == u"top_p"_s) {
            sampling.top_p = numberOf(value, 0.0, 1.0);
        } else if (key == u"top_k"_s) {
            sampling.top_k = static_cast<std::int64_t>(numberOf(value, 0.0, kLargestInteger));
        } else if (key == u"min_p"_s) {
            sampling.min_p = numberOf(value, 0.0, 1.0);
        } else {
            fail(QObject::tr("This is no sampling"),
                 QObject::tr("greedy, default, or values of temperature, top_p, top_k, min_p"), part.trimmed());
        }
    }
    return sampling;
}

QString samplingFieldText(const Experiment::Sampling& sampling) {
    if (sampling.greedy) return u"greedy"_s;
    QStringList parts;
    if (sampling.temperature) parts << u"temperature=%1"_s.arg(*sampling.temperature);
    if (sampling.top_p) parts << u"top_p=%1"_s.arg(*sampling.top_p);
    if (sampling.top_k) parts << u"top_k=%1"_s.arg(*sampling.top_k);
    if (sampling.min_p) parts << u"min_p=%1"_s.arg(*sampling.min_p);
    return parts.isEmpty() ? u"default"_s : parts.join(u", "_s);
}

}  // namespace

QString budgetsText(const std::vector<std::int32_t>& budgets) {
    QStringList parts;
    for (const std::int32_t budget : budgets)
        parts << (budget == kUnlimitedBudget ? u"unlimited"_s : QString::number(budget));
    return parts.join(u", "_s);
}

QString lanesText(const std::vector<std::int32_t>& lanes) {
    QStringList parts;
    for (const std::int32_t size : lanes) parts << QString::number(size);
    return parts.join(u", "_s);
}

QString seedsText(const std::vector<std::uint64_t>& seeds) {
    QStringList parts;
    for (const std::uint64_t seed : seeds) parts << QString::number(seed);
    return parts.join(u", "_s);
}

QString samplingsText(const std::vector<Experiment::Sampling>& samplings) {
    QStringList parts;
    for (const Experiment::Sampling& sampling : samplings) parts << samplingFieldText(sampling);
    return parts.join(u"; "_s);
}

std::vector<std::int32_t> parseBudgets(const QString& text) {
    return parseList<std::int32_t>(text, u',', [](const QString& choice) -> std::int32_t {
        if (choice == u"unlimited"_s || choice == u"∞"_s) return kUnlimitedBudget;
        bool is_number = false;
        const std::int32_t budget = choice.toInt(&is_number);
        if (!is_number || budget < 0 || budget == kUnlimitedBudget)
            fail(QObject::tr("This is no thinking budget"), QObject::tr("a whole number of at least 0, or unlimited"),
                 choice);
        return budget;
    });
}

std::vector<std::int32_t> parseLanes(const QString& text) {
    return parseList<std::int32_t>(text, u',', [](const QString& choice) -> std::int32_t {
        bool is_number = false;
        const std::int32_t lanes = choice.toInt(&is_number);
        if (!is_number || lanes < 1 || lanes > Experiment::kMostLanes)
            fail(QObject::tr("This is no number of runs in a batch"),
                 QObject::tr("a whole number from 1 to %1").arg(Experiment::kMostLanes), choice);
        return lanes;
    });
}

std::vector<std::uint64_t> parseSeeds(const QString& text) {
    return parseList<std::uint64_t>(text, u',', [](const QString& choice) -> std::uint64_t {
        bool is_number = false;
        const std::uint64_t seed = choice.toULongLong(&is_number);
        if (!is_number) fail(QObject::tr("This is no seed"), QObject::tr("a whole number of at least 0"), choice);
        return seed;
    });
}

std::vector<Experiment::Sampling> parseSamplings(const QString& text) {
    return parseList<Experiment::Sampling>(text, u';', samplingOf);
}

QString fieldError(const ErrorParts& error) {
    QString text = format::plainText(error.what);
    if (!error.where.empty()) text = format::plainText(error.where) + u": "_s + text;
    if (!error.expected.empty()) text += QObject::tr("; expected %1").arg(format::plainText(error.expected));
    if (!error.found.empty()) text += QObject::tr("; found %1").arg(format::plainText(error.found));
    return text;
}

}  // namespace mixoscope
