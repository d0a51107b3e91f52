#include "views/models/checks_model.h"

#include <QIcon>
#include <QRegularExpression>
#include <algorithm>

#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

bool sameCheck(const CheckResult& a, const CheckResult& b) {
    return a.kind == b.kind && a.holds == b.holds && a.ran == b.ran && a.equation == b.equation &&
           a.violation == b.violation;
}

}  // namespace

void ChecksModel::setChecks(std::vector<CheckResult> checks) {
    if (checks.size() == m_checks.size() && std::equal(checks.begin(), checks.end(), m_checks.begin(), sameCheck))
        return;
    const bool reset = checks.size() != m_checks.size();
    if (reset) beginResetModel();
    m_checks = std::move(checks);
    if (reset) {
        endResetModel();
    } else {
        Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, kColumns - 1));
    }
}

int ChecksModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_checks.size());
}

int ChecksModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : kColumns;
}

QVariant ChecksModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) return {};
    const CheckResult& check = m_checks[static_cast<std::size_t>(index.row())];
    const bool broken = check.ran && !check.holds;
    const auto text = [](const std::string& bytes) {
        static const QRegularExpression kExponent(u"(?<=[0-9])e-0*"_s);
        return QString::fromStdString(bytes).replace(kExponent, u"e−"_s);
    };
    switch (role) {
        case Qt::DisplayRole:
            if (index.column() == kName) return text(check.name);
            if (index.column() == kEquation) {
                if (broken) return text(check.violation);
                return check.ran || !check.equation.empty() ? text(check.equation) : tr("not run yet");
            }
            return {};
        case Qt::AccessibleTextRole:
            if (index.column() == kState) return broken ? tr("broken") : check.ran ? tr("holds") : tr("not run");
            return {};
        case Qt::DecorationRole: {
            if (index.column() != kState) return {};
            const QString icon = broken ? u"error"_s : check.ran ? u"check"_s : u"dash"_s;
            const QColor& colour = broken ? colours().error : check.ran ? colours().good : colours().muted_text;
            return themedPixmap(icon, colour, 16, 2.0);
        }
        case Qt::ForegroundRole:
            if (broken) return colours().error;
            return check.ran ? QVariant() : QVariant(colours().muted_text);
        case Qt::FontRole:
            return index.column() == kEquation ? monoFont(font_size::kCaption) : textFont(font_size::kTable);
        case Qt::ToolTipRole:
            if (broken) return tr("%1\nClick goes there").arg(text(check.violation));
            if (check.ran) return text(check.equation);
            return check.equation.empty() ? tr("There is nothing to check yet")
                                          : tr("This check has not run: %1").arg(text(check.equation));
        default:
            return {};
    }
}

QVariant ChecksModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole) return {};
    return section == kName ? tr("Check") : section == kEquation ? tr("Numbers") : QString();
}

ChecksSummary summarise(const std::vector<CheckResult>& checks) {
    const auto ran = std::count_if(checks.begin(), checks.end(), [](const CheckResult& check) { return check.ran; });
    const auto broken =
        std::count_if(checks.begin(), checks.end(), [](const CheckResult& check) { return check.ran && !check.holds; });
    if (broken > 0) return {ChecksVerdict::kBroken, QObject::tr("%1 broken").arg(broken)};
    if (ran == 0) return {ChecksVerdict::kNotRun, QObject::tr("not run yet")};
    const std::ptrdiff_t waiting = std::ssize(checks) - ran;
    const QString rest = waiting > 0 ? QObject::tr(", %1 not run").arg(waiting) : QString();
    return {ChecksVerdict::kHold, QObject::tr("%1 of %1 hold").arg(ran) + rest};
}

}  // namespace mixoscope
