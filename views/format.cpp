#include "views/format.h"

#include <QStringList>
#include <cmath>

#include "engine/unrecorded.h"

namespace mixoscope::format {
namespace {

using namespace Qt::StringLiterals;

const QString kMinus = u"\u2212"_s;

QString grouped(QString digits) {
    const qsizetype point = digits.indexOf(u'.');
    for (qsizetype i = (point < 0 ? digits.size() : point) - 3; i > 0; i -= 3) digits.insert(i, u',');
    return digits;
}

/// Bytes of the UTF-8 character that begins the text, 0 if it is not one (or only its beginning).
std::size_t characterLength(std::string_view text) {
    const auto first = static_cast<unsigned char>(text.front());
    const std::size_t length = first < 0x80         ? 1
                               : (first >> 5) == 6  ? 2
                               : (first >> 4) == 14 ? 3
                               : (first >> 3) == 30 ? 4
                                                    : 0;
    if (length == 0 || length > text.size()) return 0;
    for (std::size_t i = 1; i < length; ++i) {
        if ((static_cast<unsigned char>(text[i]) >> 6) != 2) return 0;
    }
    // Overlong forms, surrogates and beyond U+10FFFF: what Qt's decoder rejects is not a character.
    const QString decoded = QString::fromUtf8(text.data(), static_cast<qsizetype>(length));
    return decoded.contains(QChar::ReplacementCharacter) && text.substr(0, length) != "\xEF\xBF\xBD" ? 0 : length;
}

}  // namespace

const QString kAbsent = u"\u2013"_s;

QString withTrueMinus(QString number) {
    number.replace(u'-', kMinus);
    return number;
}

QString count(std::int64_t value) {
    const QString digits = QString::number(value);
    return value < 0 ? kMinus + grouped(digits.mid(1)) : grouped(digits);
}

QString fixed(double value, int decimals) {
    if (std::isnan(value)) return kAbsent;
    if (std::isinf(value)) return value > 0 ? u"∞"_s : kMinus + u"∞"_s;
    const QString digits = grouped(QString::number(std::abs(value), 'f', decimals));
    // What rounds to zero has no sign.
    const bool zero = digits.count(u'0') + digits.count(u'.') == digits.size();
    return value < 0 && !zero ? kMinus + digits : digits;
}

QString probability(double value) {
    if (std::isnan(value)) return kAbsent;
    if (value == 0.0) return u"0"_s;
    if (std::abs(value) >= 0.001) return fixed(value, 4);
    const QString scientific = QString::number(std::abs(value), 'e', 1);  // "5.8e-04"
    const qsizetype e = scientific.indexOf(u'e');
    const int exponent = scientific.mid(e + 1).toInt();
    if (exponent == -3) return fixed(value, 4);  // 0.00099996 rounds up
    return (value < 0 ? kMinus : QString()) + scientific.left(e) + u'e' + withTrueMinus(QString::number(exponent));
}

QString entropy(double value) {
    return fixed(value, 2);
}

QString balance(double value) {
    return fixed(value, 2);
}

QString logProbability(double value) {
    return fixed(value, 4);
}

QString percent(double share, int decimals) {
    return std::isnan(share) ? kAbsent : fixed(share * 100.0, decimals) + u" %"_s;
}

QString milliseconds(double value) {
    if (std::isnan(value) || value < 0.0) return kAbsent;
    if (value < 9.995) return fixed(value, 2) + u" ms"_s;
    if (value < 99.95) return fixed(value, 1) + u" ms"_s;
    if (value < 999.5) return fixed(value, 0) + u" ms"_s;
    if (value < 59'995.0) return fixed(value / 1000.0, 2) + u" s"_s;
    const auto seconds = static_cast<std::int64_t>(std::llround(value / 1000.0));
    if (seconds < 3600) return u"%1 min %2 s"_s.arg(seconds / 60).arg(seconds % 60);
    return u"%1 h %2 min"_s.arg(count(seconds / 3600)).arg(seconds / 60 % 60);
}

QString microseconds(std::int64_t value) {
    return milliseconds(static_cast<double>(value) / 1000.0);
}

QString tokensPerSecond(double value) {
    if (std::isnan(value) || value <= 0.0) return kAbsent;
    return fixed(value, value < 99.95 ? 1 : 0) + u" tok/s"_s;
}

QString bytes(std::int64_t value) {
    if (value < 1000) return count(value) + u" B"_s;
    if (value < 999'500) return fixed(static_cast<double>(value) / 1e3, 0) + u" KB"_s;
    for (const auto& [unit, name] : {std::pair{1e6, u" MB"_s}, std::pair{1e9, u" GB"_s}}) {
        const double amount = static_cast<double>(value) / unit;
        if (amount < 99.95) return fixed(amount, 1) + name;
        if (amount < 999.5) return fixed(amount, 0) + name;
    }
    return fixed(static_cast<double>(value) / 1e12, 1) + u" TB"_s;
}

QString budget(std::int32_t budget) {
    if (budget == kUnknownBudget) return kAbsent;
    return budget == kUnlimitedBudget ? u"unlimited"_s : count(budget);
}

QString budgetOnAxis(std::int32_t budget) {
    return budget == kUnlimitedBudget ? u"∞"_s : format::budget(budget);
}

QString counter(std::int32_t thinking_tokens, std::int32_t limit) {
    return limit == kUnknownBudget ? count(thinking_tokens) : count(thinking_tokens) + u" / "_s + budget(limit);
}

QString range(std::int64_t first, std::int64_t last) {
    return first == last ? count(first) : count(first) + u"\u2013"_s + count(last);
}

QString tokenText(std::string_view bytes) {
    QString text;
    bool in_escape = false;
    while (!bytes.empty()) {
        const std::size_t length = characterLength(bytes);
        const auto first = static_cast<unsigned char>(bytes.front());
        if (length == 0 || (length == 1 && first < 0x20 && first != '\n' && first != '\t') || first == 0x7F) {
            if (!in_escape) text += u"\\x"_s;
            text += QString::number(first, 16).rightJustified(2, u'0').toUpper();
            in_escape = true;
            bytes.remove_prefix(1);
            continue;
        }
        in_escape = false;
        if (first == ' ') {
            text += u'·';
        } else if (first == '\n') {
            text += u'↵';
        } else if (first == '\t') {
            text += u'→';
        } else {
            text += QString::fromUtf8(bytes.data(), static_cast<qsizetype>(length));
        }
        bytes.remove_prefix(length);
    }
    return text;
}

QString plainText(std::string_view bytes) {
    return QString::fromUtf8(bytes.data(), static_cast<qsizetype>(bytes.size()));
}

}  // namespace mixoscope::format
