#include "app/window/comparison_bar.h"

#include <QButtonGroup>
#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QSignalBlocker>
#include <QToolButton>
#include <algorithm>

#include "app/window/captioned_control.h"
#include "sessions/comparison_snapshot.h"
#include "sessions/workbench.h"
#include "views/lanes_layout.h"
#include "views/theme.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

constexpr int kCaptionsFrom = 1400;
constexpr int kCaptionsBesideForksFrom = 1900;  // where the choice of turns and forks takes room as well
constexpr int kExportFrom = 1200;
// Widths of the choices where the one of turns and forks takes room as well.
constexpr int kTightSources = 170;
constexpr int kTightestSources = 128;
constexpr int kTightQuality = 140;
constexpr int kTightestQuality = 108;
constexpr int kTightMeasure = 160;
constexpr int kTightestMeasure = 128;
constexpr int kMostSegments = 4;  // more lanes than this share the last segment

ComparisonBar::ComparisonBar(QWidget* parent) : QToolBar(tr("Comparison"), parent) {
    setObjectName(u"comparison_bar"_s);
    setMovable(false);
    setContextMenuPolicy(Qt::PreventContextMenu);
    m_quality = new QComboBox(this);
    m_quality->setObjectName(u"comparison_quality"_s);
    m_quality->setAccessibleName(tr("Quality measured"));
    m_quality->addItem(tr("teacher-forced"), true);
    m_quality->addItem(tr("free runs only"), false);
    m_quality->setToolTip(
        tr("Choose what follows the free runs: a pass in which all lanes are fed the baseline's tokens and judged, "
           "or nothing"));
    m_measure = new QComboBox(this);
    m_measure->setObjectName(u"comparison_measure"_s);
    m_measure->setAccessibleName(tr("Measure of the maps"));
    for (const LaneMeasure measure : {LaneMeasure::kLoadShare, LaneMeasure::kOverlap, LaneMeasure::kDivergence})
        m_measure->addItem(laneMeasureName(measure), static_cast<int>(measure));
    m_measure->setToolTip(tr("Choose what is mapped below each lane"));
    m_image = new QToolButton(this);
    m_image->setObjectName(u"comparison_image"_s);
    m_image->setText(tr("Image"));
    m_image->setIcon(themedIcon(u"image"_s));
    m_image->setToolTip(tr("Save a picture of the lanes"));
    m_csv = new QToolButton(this);
    m_csv->setObjectName(u"comparison_csv"_s);
    m_csv->setText(tr("CSV"));
    m_csv->setIcon(themedIcon(u"table"_s));
    m_csv->setToolTip(tr("Write texts and measures of all lanes as CSV files"));
    for (QToolButton* button : {m_image, m_csv}) {
        button->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
        button->setFocusPolicy(Qt::StrongFocus);
    }
    auto* exports = new QWidget(this);
    auto* export_row = new QHBoxLayout(exports);
    export_row->setContentsMargins(0, 0, 0, 0);
    export_row->setSpacing(6);
    export_row->addWidget(m_image);
    export_row->addWidget(m_csv);
    m_run = new QPushButton(this);
    m_run->setObjectName(u"run_all"_s);
    m_run->setFixedWidth(112);

    m_sources = new QComboBox(this);
    m_sources->setObjectName(u"comparison_source"_s);
    m_sources->setAccessibleName(tr("Lanes shown"));
    m_sources->setToolTip(tr("Show the lanes of the prompt, or a turn of the chat beside its forks"));

    addSeparator();
    m_sources_shown = addControl(tr("Shown"), m_sources);
    m_sources_shown->setVisible(false);
    m_lanes_shown = addControl(tr("Lanes, one batch"), makeLaneCount());
    m_quality_shown = addControl(tr("Quality measured"), m_quality);
    addControl(tr("Maps"), m_measure);
    auto* space = new QWidget(this);
    space->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Preferred);
    addWidget(space);
    addControl(tr("Export"), exports);
    addControl(tr("Run"), m_run);

    connect(m_sources, &QComboBox::activated, this, &ComparisonBar::sourceChosen);
    connect(m_measure, &QComboBox::currentIndexChanged, this,
            [this] { Q_EMIT measureChosen(static_cast<LaneMeasure>(m_measure->currentData().toInt())); });
    connect(m_image, &QToolButton::clicked, this, &ComparisonBar::imageAsked);
    connect(m_csv, &QToolButton::clicked, this, &ComparisonBar::csvAsked);
    connect(m_run, &QPushButton::clicked, this, [this] {
        if (m_running) {
            Q_EMIT stopAsked();
        } else {
            Q_EMIT runAsked();
        }
    });
    showRun();
}

QWidget* ComparisonBar::makeLaneCount() {
    auto* group = new QWidget(this);
    auto* row = new QHBoxLayout(group);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(0);
    m_counts = new QButtonGroup(group);
    m_counts->setExclusive(true);
    for (int lanes = static_cast<int>(kFewestComparedLanes); lanes <= kMostSegments + 1; ++lanes) {
        auto* button = new QToolButton(group);
        button->setObjectName(lanes <= kMostSegments ? u"lane_count_%1"_s.arg(lanes) : u"lane_count_more"_s);
        button->setProperty("role", u"segment"_s);
        button->setCheckable(true);
        button->setText(QString::number(lanes));
        button->setFixedWidth(30);
        button->setToolTip(tr("Compare this many lanes"));
        button->setFocusPolicy(Qt::StrongFocus);
        m_counts->addButton(button, lanes);
        row->addWidget(button);
    }
    m_add = new QToolButton(group);
    m_add->setObjectName(u"lane_add"_s);
    m_add->setProperty("role", u"segment"_s);
    m_add->setText(u"+"_s);
    m_add->setFixedWidth(30);
    m_add->setAccessibleName(tr("Add a lane"));
    m_add->setFocusPolicy(Qt::StrongFocus);
    row->addWidget(m_add);
    row->addSpacing(8);
    m_edit = new QPushButton(tr("Edit lanes…"), group);
    m_edit->setObjectName(u"edit_lanes"_s);
    m_edit->setToolTip(tr("Set policy, budget, mode and sampling of each lane"));
    row->addWidget(m_edit);
    connect(m_counts, &QButtonGroup::idClicked, this, [this](int lanes) {
        if (lanes <= kMostSegments) Q_EMIT laneCountAsked(lanes);
    });
    connect(m_add, &QToolButton::clicked, this, &ComparisonBar::addAsked);
    connect(m_edit, &QPushButton::clicked, this, &ComparisonBar::editAsked);
    return group;
}

QAction* ComparisonBar::addControl(const QString& caption, QWidget* control) {
    const auto [group, label] = captionedControl(caption, control, this);
    m_captions << label;
    return addWidget(group);
}

void ComparisonBar::setSources(const QStringList& names, int current) {
    QStringList shown;
    for (int index = 0; index < m_sources->count(); ++index) shown << m_sources->itemText(index);
    if (shown != names) {
        m_sources->clear();
        m_sources->addItems(names);
    }
    m_sources->setCurrentIndex(current);
    m_sources_shown->setVisible(names.size() > 1);
    m_forks_shown = current > 0;
    if (m_window_width > 0) fitWidth(m_window_width);
}

void ComparisonBar::showSnapshot(const WorkbenchSnapshot& snapshot) {
    const ComparisonSnapshot* comparison = snapshot.comparison.get();
    const int lanes = comparison == nullptr ? 0 : static_cast<int>(comparison->lanes.size());
    QAbstractButton* more = m_counts->button(kMostSegments + 1);
    more->setVisible(lanes > kMostSegments);
    if (lanes > kMostSegments) more->setText(QString::number(lanes));
    // An exclusive group lets none be checked only while it is not exclusive.
    m_counts->setExclusive(false);
    for (QAbstractButton* button : m_counts->buttons())
        button->setChecked(m_counts->id(button) == std::min(lanes, kMostSegments + 1));
    m_counts->setExclusive(true);
    const bool open = snapshot.model != nullptr && lanes > 0;
    for (QAbstractButton* button : m_counts->buttons()) button->setEnabled(open);
    m_edit->setEnabled(open);
    m_add->setEnabled(open && lanes < static_cast<int>(kMostComparedLanes));
    m_add->setToolTip(lanes < static_cast<int>(kMostComparedLanes) ? tr("Add a lane")
                                                                   : tr("A comparison has at most eight lanes"));
    const bool ran = comparison != nullptr && hasRun(*comparison);
    for (QToolButton* button : {m_image, m_csv}) button->setEnabled(ran);
    m_csv->setToolTip(ran ? tr("Write texts and measures of all lanes as CSV files") : tr("Nothing has run yet"));
    m_running = snapshot.state == WorkbenchState::kComparing ||
                (m_forks_shown && snapshot.state == WorkbenchState::kGenerating);
    m_quality->setEnabled(!snapshot.recorded && !m_forks_shown);
    if (snapshot.recorded || m_forks_shown) {
        m_disabled_reason = snapshot.recorded ? tr("A recording: open a model to run lanes")
                                              : tr("Forks go on from a token: select one and press Ctrl+K");
        m_edit->setEnabled(false);
        m_add->setEnabled(false);
        for (QAbstractButton* button : m_counts->buttons()) button->setEnabled(false);
        return showRun();
    }
    switch (snapshot.state) {
        case WorkbenchState::kNoModel:
            m_disabled_reason = tr("Open a model first");
            break;
        case WorkbenchState::kLoading:
            m_disabled_reason = tr("The model is being opened");
            break;
        case WorkbenchState::kGenerating:
            m_disabled_reason = tr("The chat is answering; stop it or wait for it");
            break;
        case WorkbenchState::kAttributing:
            m_disabled_reason = tr("Experts are being measured; stop that or wait for it");
            break;
        case WorkbenchState::kReady:
        case WorkbenchState::kComparing:
            m_disabled_reason.clear();
            break;
    }
    showRun();
}

void ComparisonBar::setPromptThere(bool there) {
    m_prompt_there = there;
    showRun();
}

void ComparisonBar::showRun() {
    m_run->setText(m_running ? tr("Stop") : tr("Run all"));
    m_run->setIcon(themedIcon(m_running ? u"stop"_s : u"play"_s));
    setRole(*m_run, m_running ? QString() : u"primary"_s);
    m_run->setEnabled(m_running || (m_disabled_reason.isEmpty() && m_prompt_there));
    m_run->setToolTip(m_running                      ? tr("Stop; what is there stays (Esc)")
                      : !m_disabled_reason.isEmpty() ? m_disabled_reason
                      : m_prompt_there               ? tr("Run all lanes from the prompt (Ctrl+R)")
                                                     : tr("Write a prompt first"));
}

void ComparisonBar::fitWidth(int window_width) {
    m_window_width = window_width;
    const bool forks = m_sources_shown->isVisible();
    const bool captions = window_width >= (forks ? kCaptionsBesideForksFrom : kCaptionsFrom);
    for (QLabel* caption : m_captions) caption->setVisible(captions);
    const bool tight = forks && !captions;
    const bool words = window_width >= kExportFrom && !tight;
    for (QToolButton* button : {m_image, m_csv})
        button->setToolButtonStyle(words ? Qt::ToolButtonTextBesideIcon : Qt::ToolButtonIconOnly);
    m_edit->setText(words ? tr("Edit lanes…") : tr("Edit…"));
    m_run->setFixedWidth(words ? 112 : 92);
    const auto fit = [&](QComboBox* choice, int tight_width, int tightest_width) {
        const int width = window_width >= kExportFrom ? tight_width : tightest_width;
        const bool narrow = tight && !m_forks_shown;
        choice->setMinimumWidth(narrow ? width : 0);
        choice->setMaximumWidth(narrow ? width : QWIDGETSIZE_MAX);
    };
    fit(m_sources, kTightSources, kTightestSources);
    fit(m_quality, kTightQuality, kTightestQuality);
    fit(m_measure, kTightMeasure, kTightestMeasure);
    // Forks go on by themselves: what sets up and runs lanes is disabled beside them, and leaves first.
    for (QAction* action : {m_lanes_shown, m_quality_shown}) action->setVisible(!tight || !m_forks_shown);
    measureControlsAgain(*this);
}

bool ComparisonBar::teacherForced() const {
    return m_quality->currentData().toBool();
}

}  // namespace mixoscope
