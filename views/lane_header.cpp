#include "views/lane_header.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QStyle>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>

#include "views/elided_label.h"
#include "views/format.h"
#include "views/lane_style.h"
#include "views/lanes_layout.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kMarkerRoom = 22;
constexpr int kWordsFrom = 360;  // width; narrower, the verdict leaves its words out, so that the policy has room

QToolButton* flatButton(const QString& icon, const QString& tip, QWidget* parent) {
    auto* button = new QToolButton(parent);
    button->setProperty("role", u"flat"_s);
    button->setIcon(themedIcon(icon));
    button->setIconSize({12, 12});
    button->setFixedSize(22, 22);
    button->setToolTip(tip);
    button->setAccessibleName(tip);
    return button;
}

}  // namespace

QString modeText(ThinkingMode mode) {
    switch (mode) {
        case ThinkingMode::kThink:
            return QObject::tr("think");
        case ThinkingMode::kNoThink:
            return QObject::tr("no think");
        case ThinkingMode::kAuto:
            return QObject::tr("auto");
    }
    return {};
}

QString samplingText(const SamplingSettings& sampling) {
    if (sampling.greedy) return QObject::tr("greedy");
    return QObject::tr("T %1, seed %2")
        .arg(format::fixed(static_cast<double>(sampling.temperature), 2), QString::number(sampling.seed));
}

LaneHeader::LaneHeader(QWidget* parent)
    : QWidget(parent),
      m_letter(new QLabel(this)),
      m_policy(new ElidedLabel(this)),
      m_verdict(new QLabel(this)),
      m_facts(new ElidedLabel(this)),
      m_notes(new QLabel(this)) {
    setAutoFillBackground(true);
    setBackgroundRole(QPalette::Base);
    m_edit = flatButton(u"settings"_s, tr("Edit this lane's policy, budget, mode and sampling"), this);
    m_remove = flatButton(u"close"_s, tr("Remove this lane"), this);
    m_letter->setFont(textFont(font_size::kInterface, QFont::DemiBold));
    m_policy->setFont(monoFont(font_size::kInterface, QFont::Bold));
    m_policy->setObjectName(u"lane_policy"_s);
    m_verdict->setObjectName(u"lane_verdict"_s);
    m_facts->setObjectName(u"lane_facts"_s);
    m_facts->setFont(textFont(font_size::kTable));
    m_facts->setProperty("role", u"muted"_s);
    m_notes->setObjectName(u"lane_notes"_s);
    m_edit->setObjectName(u"lane_edit"_s);
    m_remove->setObjectName(u"lane_remove"_s);
    auto* first = new QHBoxLayout;
    first->setSpacing(4);
    first->addSpacing(kMarkerRoom - 8);
    first->addWidget(m_letter);
    first->addSpacing(2);
    first->addWidget(m_policy, 1);
    first->addWidget(m_verdict);
    first->addWidget(m_edit);
    first->addWidget(m_remove);
    auto* second = new QHBoxLayout;
    second->setSpacing(6);
    second->addWidget(m_facts, 1);
    second->addWidget(m_notes);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(10, 6, 4, 3);
    column->setSpacing(0);
    column->addLayout(first);
    column->addLayout(second);
    connect(m_edit, &QToolButton::clicked, this, &LaneHeader::editAsked);
    connect(m_remove, &QToolButton::clicked, this, &LaneHeader::removeAsked);
}

void LaneHeader::showLane(const ComparisonSnapshot& comparison, std::size_t index, bool can_remove) {
    const ComparedLane& lane = comparison.lanes[index];
    m_tag = lane.origin.tag;
    setObjectName(u"lane_header_"_s + laneLetter(m_tag));
    m_letter->setText(laneLetter(m_tag));
    QPalette coloured = m_letter->palette();
    coloured.setColor(QPalette::WindowText, laneColour(m_tag));
    m_letter->setPalette(coloured);
    const QString policy = QString::fromStdString(settingsInForce(lane).policy);
    m_policy->setText(policy);
    m_policy->setToolTip(tr("Lane %1 routes by %2").arg(laneLetter(m_tag), policy));
    setAccessibleName(tr("Lane %1, %2").arg(laneLetter(m_tag), policy));
    showVerdict(comparison, lane, index == 0);
    showFacts(lane, index == 0);
    showNotes(lane);
    m_remove->setEnabled(can_remove);
    m_remove->setToolTip(can_remove ? tr("Remove this lane") : tr("A comparison has at least two lanes"));
    setAccessibleDescription(QStringList{verdict(), facts(), notes()}.join(u", "_s));
    update();
}

void LaneHeader::setFixed(const QString& reason) {
    m_edit->setEnabled(reason.isEmpty());
    m_edit->setToolTip(reason.isEmpty() ? tr("Edit this lane's policy, budget, mode and sampling") : reason);
    if (reason.isEmpty()) return;
    m_remove->setEnabled(false);
    m_remove->setToolTip(reason);
}

void LaneHeader::showVerdict(const ComparisonSnapshot& comparison, const ComparedLane& lane, bool is_base) {
    const QString base = laneLetter(comparison.lanes.front().origin.tag);
    QString text;
    QString tip;
    if (is_base) {
        text = tr("baseline");
        tip = tr("The other lanes are compared with this one");
    } else if (lane.first_divergence >= 0) {
        text = tr("≠ %1 from token %2").arg(base, format::count(lane.first_divergence));
        tip = tr("%1: the first generated token that differs from lane %2's; framed in the text").arg(text, base);
    } else if (!lane.free.turns.empty() && lane.free.turns.back().first_generated_position >= 0) {
        const bool ended = lane.free.turns.back().stop_reason != StopReason::kNone;
        text = ended ? tr("= %1").arg(base) : tr("= %1 so far").arg(base);
        tip = tr("Every token is lane %1's").arg(base);
    }
    m_verdict_words = text;
    m_verdict_sign =
        !is_base && lane.first_divergence >= 0 ? u"≠ "_s + format::count(lane.first_divergence) : QString();
    m_verdict->setVisible(!text.isEmpty());
    fitVerdict();
    m_verdict->setToolTip(tip);
    const bool outlined = !is_base && lane.first_divergence >= 0;
    setRole(*m_verdict, outlined ? u"chip-lane"_s : u"chip-prompt"_s);
    const QString colour = laneColour(lane.origin.tag).name();
    const QString sheet = outlined ? u"color: %1; border: 1px solid %1;"_s.arg(colour) : QString();
    if (m_verdict->styleSheet() != sheet) m_verdict->setStyleSheet(sheet);
}

void LaneHeader::fitVerdict() {
    m_verdict->setText(width() < kWordsFrom && !m_verdict_sign.isEmpty() ? m_verdict_sign : m_verdict_words);
}

void LaneHeader::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    fitVerdict();
}

void LaneHeader::showFacts(const ComparedLane& lane, bool is_base) {
    const LaneSettings& settings = settingsInForce(lane);
    QStringList parts;
    if (!lane.free.turns.empty()) parts << tr("executed");
    if (!lane.started_with_run && !lane.free.turns.empty() && lane.origin.role == LaneRole::kCompared && !is_base)
        parts << tr("joined late");
    if (lane.origin.role == LaneRole::kFork) parts << tr("fork, %1").arg(QString::fromStdString(lane.origin.change));
    parts << modeText(settings.mode);
    const std::int32_t used = lane.free.turns.empty() ? 0 : lane.free.turns.back().thinking_tokens;
    parts << (lane.free.turns.empty() ? tr("B %1").arg(format::budget(settings.budget))
                                      : tr("N %1").arg(format::counter(used, settings.budget)));
    parts << samplingText(settings.sampling);
    m_facts->setText(parts.join(u" · "_s));
    m_facts->setToolTip(m_facts->text());
}

void LaneHeader::showNotes(const ComparedLane& lane) {
    QString text;
    QString tip;
    QString role = u"chip-warning"_s;
    if (lane.error) {
        text = tr("✕ settings refused");
        tip = format::plainText(Error(*lane.error).what());
        role = u"chip-error"_s;
    } else if (!lane.notes.empty()) {
        QStringList notes;
        for (const std::string& note : lane.notes) notes << QString::fromStdString(note);
        text = u"⚠ "_s + notes.first() + (notes.size() > 1 ? u" +%1"_s.arg(notes.size() - 1) : QString());
        tip = notes.join(u'\n');
    }
    m_notes->setVisible(!text.isEmpty());
    m_notes->setToolTip(tip);
    m_notes->setMaximumWidth(std::max(90, width() * 3 / 5));
    m_notes->setText(text);
    setRole(*m_notes, role);
}

QString LaneHeader::verdict() const {
    return m_verdict_words;
}

QString LaneHeader::facts() const {
    return m_facts->text();
}

QString LaneHeader::notes() const {
    return m_notes->toolTip();
}

void LaneHeader::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), colours().base);
    painter.fillRect(QRect(0, 0, width(), 3), laneColour(m_tag));
    painter.fillRect(QRect(0, 0, 1, height()), colours().border);
    painter.fillRect(QRect(0, height() - 1, width(), 1), colours().border);
    paintLaneMarker(painter, QPointF(16, m_letter->geometry().center().y() + 1), 9, m_tag);
}

}  // namespace mixoscope
