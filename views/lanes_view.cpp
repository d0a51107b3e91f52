#include "views/lanes_view.h"

#include <QEvent>
#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QScrollBar>
#include <QSplitter>
#include <QToolButton>
#include <QVBoxLayout>
#include <QWheelEvent>
#include <algorithm>
#include <cmath>

#include "views/chart_refresh.h"
#include "views/composer.h"
#include "views/difference_map_view.h"
#include "views/format.h"
#include "views/lane_header.h"
#include "views/lane_style.h"
#include "views/lanes_text.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kLowestMaps = 110;
constexpr int kHighestMaps = 190;
constexpr int kSidewaysStep = 40;

/// A strip of the panel's colour that its children are placed in by hand.
QWidget* makeStrip(const QString& name, QWidget* parent) {
    auto* strip = new QWidget(parent);
    strip->setObjectName(name);
    strip->setAutoFillBackground(true);
    strip->setBackgroundRole(QPalette::Base);
    return strip;
}

}  // namespace

QString lastPrompt(const SnapshotPointer& snapshot) {
    if (snapshot == nullptr) return {};
    const auto& entries = snapshot->conversation;
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
        if (entry->role == Role::kUser) return format::plainText(entry->text);
    }
    return {};
}

LanesView::LanesView(Selection& selection, QWidget* parent) : QWidget(parent), m_selection(selection) {
    setObjectName(u"lanes_view"_s);
    m_prompt_row = makePromptRow();
    m_error = new QLabel(this);
    m_error->setObjectName(u"comparison_error"_s);
    m_error->setProperty("role", u"chip-error"_s);
    m_error->setWordWrap(true);
    m_error->hide();

    m_header_strip = makeStrip(u"lane_headers"_s, this);
    m_header_strip->setFixedHeight(LaneHeader::kHeight);
    m_header_gutter = new QLabel(tr("token"), m_header_strip);
    m_header_gutter->setProperty("role", u"caption"_s);
    m_header_gutter->setAlignment(Qt::AlignRight | Qt::AlignBottom);
    m_header_gutter->setContentsMargins(0, 0, 8, 4);
    m_header_gutter->setAutoFillBackground(true);
    m_header_gutter->setBackgroundRole(QPalette::Base);

    m_splitter = new QSplitter(Qt::Vertical, this);
    m_splitter->setChildrenCollapsible(false);
    m_splitter->setHandleWidth(5);
    auto* texts = new QWidget(m_splitter);
    m_scroll = new QScrollBar(Qt::Vertical, texts);
    m_scroll->setObjectName(u"lanes_scroll"_s);
    m_text = new LanesText(m_selection, *m_scroll, texts);
    auto* text_row = new QHBoxLayout(texts);
    text_row->setContentsMargins(0, 0, 0, 0);
    text_row->setSpacing(0);
    text_row->addWidget(m_text, 1);
    text_row->addWidget(m_scroll);
    m_map_strip = makeStrip(u"difference_maps"_s, m_splitter);
    m_map_strip->setMinimumHeight(kLowestMaps);
    m_map_strip->installEventFilter(this);
    m_map_gutter = makeStrip(u"difference_gutter"_s, m_map_strip);
    m_splitter->addWidget(texts);
    m_splitter->addWidget(m_map_strip);
    m_splitter->setStretchFactor(0, 1);
    m_splitter->setStretchFactor(1, 0);

    m_sideways = new QScrollBar(Qt::Horizontal, this);
    m_sideways->setObjectName(u"lanes_sideways"_s);
    m_sideways->setSingleStep(kSidewaysStep);
    m_sideways->hide();

    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(m_prompt_row);
    column->addWidget(m_error);
    column->addWidget(m_header_strip);
    column->addWidget(m_splitter, 1);
    column->addWidget(m_sideways);

    connect(m_splitter, &QSplitter::splitterMoved, this, [this] { m_splitter_moved = true; });
    connect(m_sideways, &QScrollBar::valueChanged, this, &LanesView::placeColumns);
    connect(m_text, &LanesText::contextMenuWanted, this,
            [this](QPoint position) { execExportMenu(*this, this, position); });
    setFocusProxy(m_prompt);
    m_map_timer.setSingleShot(true);
    m_map_timer.setInterval(kChartRefreshMs);
    connect(&m_map_timer, &QTimer::timeout, this, &LanesView::showMaps);
    fitLaneCount(0);
}

QWidget* LanesView::makePromptRow() {
    auto* row = new QWidget(this);
    m_prompt = new MessageEdit(row);
    m_prompt->setObjectName(u"comparison_prompt"_s);
    m_prompt->setAccessibleName(tr("Prompt of all lanes"));
    m_prompt->setPlaceholderText(tr("Prompt of all lanes…"));
    m_prompt->setToolTip(tr("Write the prompt that all lanes get: Enter runs them, Shift+Enter breaks the line"));
    m_prompt->setFixedHeight(m_prompt->heightForLines());
    m_last_prompt = new QPushButton(tr("Last prompt of the chat"), row);
    m_last_prompt->setObjectName(u"use_last_prompt"_s);
    m_last_prompt->setIcon(themedIcon(u"chat"_s));
    m_last_prompt->setStyleSheet(u"min-height: 32px;"_s);
    auto* layout = new QHBoxLayout(row);
    layout->setContentsMargins(10, 6, 10, 6);
    layout->setSpacing(8);
    layout->addWidget(m_prompt, 1);
    layout->addWidget(m_last_prompt, 0, Qt::AlignBottom);
    connect(m_prompt, &MessageEdit::submitted, this, &LanesView::runAsked);
    connect(m_prompt, &QPlainTextEdit::textChanged, this,
            [this] { m_prompt->setFixedHeight(m_prompt->heightForLines()); });
    connect(m_last_prompt, &QPushButton::clicked, this, [this] {
        setPrompt(lastPrompt(m_snapshot));
        m_prompt->setFocus();
    });
    return row;
}

QString LanesView::prompt() const {
    return m_prompt->toPlainText();
}

void LanesView::setPrompt(const QString& text) {
    m_prompt->setPlainText(text);
    m_prompt->moveCursor(QTextCursor::End);
}

void LanesView::setFixed(const QString& reason) {
    if (reason == m_fixed) return;
    m_fixed = reason;
    m_prompt_row->setVisible(reason.isEmpty());
    m_outdated = true;
}

QString LanesView::whyFixed() const {
    return m_snapshot->recorded ? tr("A recording: open a model to run lanes") : m_fixed;
}

void LanesView::setMeasure(LaneMeasure measure) {
    m_measure = measure;
    showMaps();
}

void LanesView::setSnapshot(const SnapshotPointer& snapshot) {
    const bool changed = m_snapshot == nullptr || snapshot->comparison != m_comparison;
    m_snapshot = snapshot;
    m_comparison = snapshot->comparison;
    const bool open = snapshot->model != nullptr && !snapshot->recorded;
    m_prompt->setEnabled(open);
    const bool offered = open && !lastPrompt(snapshot).isEmpty();
    m_last_prompt->setEnabled(offered);
    m_last_prompt->setToolTip(offered ? tr("Take the last prompt of the chat: “%1”").arg(lastPrompt(snapshot))
                                      : tr("Nothing was asked in the chat yet"));
    showEmptyState();
    m_outdated |= changed;
    if (isVisible() && m_outdated) showLanes();
}

void LanesView::fitLaneCount(std::size_t lanes) {
    while (m_headers.size() > lanes) {
        delete m_headers.back();
        delete m_map_views.back();
        m_headers.pop_back();
        m_map_views.pop_back();
    }
    while (m_headers.size() < lanes) {
        const int lane = static_cast<int>(m_headers.size());
        auto* header = new LaneHeader(m_header_strip);
        connect(header, &LaneHeader::editAsked, this, [this, lane] { Q_EMIT editAsked(lane); });
        connect(
            header, &LaneHeader::removeAsked, this, [this, lane] { Q_EMIT removeAsked(lane); },
            Qt::QueuedConnection);  // the header may go with its lane
        header->show();
        m_headers.push_back(header);
        auto* map = new DifferenceMapView(m_selection, m_map_strip);
        map->show();
        m_map_views.push_back(map);
    }
    m_header_strip->setVisible(lanes > 0);
    m_map_strip->setVisible(lanes > 0);
    orderTabs();
}

void LanesView::orderTabs() {
    // From the top to the bottom, whenever the lanes came.
    QWidget* last = m_last_prompt;
    const auto then = [&last](QWidget* widget) {
        setTabOrder(last, widget);
        last = widget;
    };
    for (const LaneHeader* header : m_headers) {
        for (QToolButton* button : header->findChildren<QToolButton*>()) then(button);
    }
    then(m_text);
    for (DifferenceMapView* map : m_map_views) then(map);
}

void LanesView::placeColumns() {
    const int room = std::max(1, width() - m_scroll->sizeHint().width());
    const int lanes = static_cast<int>(m_headers.size());
    const LaneColumns unscrolled = LaneColumns::of(room, LanesText::kGutter, lanes, 0);
    m_sideways->setRange(0, unscrolled.furthest());
    m_sideways->setPageStep(room);
    m_sideways->setVisible(unscrolled.furthest() > 0);
    m_columns = LaneColumns::of(room, LanesText::kGutter, lanes, m_sideways->value());
    for (int lane = 0; lane < lanes; ++lane) {
        const auto at = static_cast<std::size_t>(lane);
        // The last one takes what division left over.
        const int wide =
            lane + 1 == lanes && unscrolled.furthest() == 0 ? room - m_columns.left(lane) : m_columns.width;
        m_headers[at]->setGeometry(m_columns.left(lane), 0, wide, LaneHeader::kHeight);
        m_map_views[at]->setGeometry(m_columns.left(lane), 0, wide, m_map_strip->height());
    }
    if (lanes > 0) {
        m_headers.front()->raise();
        m_map_views.front()->raise();
    }
    m_header_gutter->setGeometry(0, 0, LanesText::kGutter, LaneHeader::kHeight);
    m_header_gutter->raise();
    m_map_gutter->setGeometry(0, 0, LanesText::kGutter, m_map_strip->height());
    m_map_gutter->raise();
    m_text->setColumns(m_columns);
}

void LanesView::showLanes() {
    m_outdated = false;
    const std::size_t lanes = m_comparison ? m_comparison->lanes.size() : 0;
    const bool fewer_or_more = lanes != m_headers.size();
    if (fewer_or_more) fitLaneCount(lanes);
    for (std::size_t lane = 0; lane < lanes; ++lane) {
        m_headers[lane]->showLane(*m_comparison, lane, lanes > kFewestComparedLanes);
        m_headers[lane]->setFixed(whyFixed());
    }
    if (fewer_or_more) placeColumns();
    m_text->setComparison(m_comparison);
    showError();
    if (fewer_or_more || m_comparison == nullptr || m_comparison->state == ComparisonState::kReady) {
        showMaps();
    } else if (!m_map_timer.isActive()) {
        m_map_timer.start();
    }
}

void LanesView::showMaps() {
    if (!m_comparison || m_map_views.empty() || m_map_views.size() != m_comparison->lanes.size()) return;
    m_maps.update(*m_comparison, m_measure, m_map_views.front()->columnRoom());
    const std::vector<std::int32_t> layers =
        m_snapshot->model ? m_snapshot->model->moe_layers : std::vector<std::int32_t>{};
    for (std::size_t lane = 0; lane < m_map_views.size(); ++lane) {
        m_map_views[lane]->setMap(m_maps.maps()[lane], m_measure, laneLetter(m_comparison->lanes[lane].origin.tag),
                                  layers);
    }
}

void LanesView::showEmptyState() {
    if (m_snapshot->state == WorkbenchState::kLoading) {
        m_text->setEmptyState(tr("The model is being opened"), tr("Lanes can be run when it is there."));
    } else if (m_snapshot->model == nullptr) {
        m_text->setEmptyState(tr("No model is open"),
                              tr("Open one in the bar above or with Ctrl+D, then write a prompt."));
    } else {
        m_text->setEmptyState(
            tr("One prompt, several ways to route it"),
            tr("Write a prompt above and run all lanes (Ctrl+R). Their texts appear here, aligned by token."));
    }
}

void LanesView::showError() {
    const bool failed = m_comparison && m_comparison->error.has_value();
    m_error->setVisible(failed);
    if (failed) m_error->setText(format::plainText(Error(*m_comparison->error).what()));
}

QString LanesView::caption() const {
    if (!m_comparison || m_comparison->lanes.empty() || m_text->rows().rowCount() == 0) return {};
    QString asked;
    for (const Message& message : m_comparison->messages) {
        if (message.role == Role::kUser) asked = format::plainText(message.content).simplified();
    }
    constexpr qsizetype kMost = 56;
    if (asked.size() > kMost) asked = asked.left(kMost) + u'…';
    return tr("“%1” · %2 tokens a row · tinted: token differs from lane %3 at the same place")
        .arg(asked, format::count(m_text->rows().tokensPerRow()), laneLetter(m_comparison->lanes.front().origin.tag));
}

bool LanesView::event(QEvent* event) {
    if (event->type() == QEvent::Show && m_outdated) showLanes();
    if (event->type() == QEvent::LayoutRequest || event->type() == QEvent::Show) {
        const bool handled = QWidget::event(event);
        placeColumns();
        return handled;
    }
    return QWidget::event(event);
}

bool LanesView::eventFilter(QObject* watched, QEvent* event) {
    if (watched == m_map_strip && event->type() == QEvent::Resize) placeColumns();
    return QWidget::eventFilter(watched, event);
}

void LanesView::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    layout()->activate();
    if (!m_splitter_moved) {
        const int tall = m_splitter->height();
        const int maps = std::clamp(tall * 38 / 100, kLowestMaps, kHighestMaps);
        m_splitter->setSizes({tall - maps, maps});
    }
    placeColumns();
    if (m_measure != LaneMeasure::kLoadShare) showMaps();  // another number of columns
}

void LanesView::wheelEvent(QWheelEvent* event) {
    const WheelTurn turn = wheelTurn(*event);
    if (!turn.sideways) return QWidget::wheelEvent(event);
    m_sideways->setValue(m_sideways->value() - static_cast<int>(std::lround(turn.notches * 3 * kSidewaysStep)));
    event->accept();
}

QString LanesView::viewName() const {
    return u"lanes"_s;
}

QString LanesView::viewTitle() const {
    return tr("Lanes");
}

QImage LanesView::renderToImage(qreal scale) {
    return renderWidget(*this, scale);
}

QString LanesView::csv() const {
    QString text = u"lane,token,position,id,text,phase,injected,differs,logprob\n"_s;
    if (!m_comparison) return text;
    const std::vector<AlignedLane> lanes = alignedLanes(*m_comparison);
    for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
        for (std::int32_t index = 0; index < lanes[lane].tokens(); ++index) {
            const TokenRecord& token = lanes[lane].token(index);
            const bool differs = lane > 0 && differsFrom(lanes.front(), lanes[lane], index);
            const QStringList fields{laneLetter(m_comparison->lanes[lane].origin.tag),
                                     QString::number(index),
                                     QString::number(token.trace.position),
                                     QString::number(token.trace.id),
                                     csvField(format::plainText(token.bytes)),
                                     csvPhase(token.trace.phase),
                                     QString::number((token.trace.flags & token_flag::kInjected) != 0 ? 1 : 0),
                                     QString::number(differs ? 1 : 0),
                                     csvNumber(static_cast<double>(token.trace.logprob))};
            text += fields.join(u',') + u'\n';
        }
    }
    return text;
}

}  // namespace mixoscope
