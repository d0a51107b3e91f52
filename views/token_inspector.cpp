#include "views/token_inspector.h"

#include <QAction>
#include <QContextMenuEvent>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QScrollArea>
#include <QSplitter>
#include <QStackedWidget>
#include <QTableView>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>
#include <limits>

#include "views/empty_page.h"
#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kRowHeight = 23;
constexpr int kTableHeader = 28;

QString phaseLine(const TokenRecord& token, const History& history) {
    const QString name = phaseName(token.trace.phase);
    if ((token.trace.flags & token_flag::kInjected) != 0) return QObject::tr("injected");
    if (token.trace.phase != Phase::kThinking || (token.trace.flags & token_flag::kTag) != 0) return name;
    std::int32_t all = token.trace.thinking_tokens;
    for (std::int32_t p = token.trace.position; p < history.tokenCount(); ++p) {
        if (history.token(p).trace.phase != Phase::kThinking) break;
        all = std::max(all, history.token(p).trace.thinking_tokens);
    }
    return QObject::tr("%1 %2 of %3").arg(name, format::count(token.trace.thinking_tokens), format::count(all));
}

}  // namespace

TokenInspector::TokenInspector(Selection& selection, QWidget* parent)
    : QWidget(parent), m_selection(selection), m_model(new TokenLayersModel(this)) {
    setObjectName(u"tokenInspector"_s);
    setAutoFillBackground(true);
    setBackgroundRole(QPalette::Base);
    m_table = new QTableView(this);
    m_table->setTabKeyNavigation(false);  // arrows go through the rows, Tab goes on to the next panel
    m_table->setObjectName(u"tokenLayers"_s);
    m_table->setAccessibleName(tr("Experts of the token by layer"));
    m_table->setModel(m_model);
    m_table->setItemDelegateForColumn(TokenLayersModel::kExperts, new ExpertSegmentsDelegate(m_table));
    m_table->setShowGrid(false);
    m_table->verticalHeader()->hide();
    m_table->verticalHeader()->setDefaultSectionSize(kRowHeight);
    m_table->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_table->setSelectionMode(QAbstractItemView::SingleSelection);
    m_table->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    QHeaderView* header = m_table->horizontalHeader();
    header->setMinimumSectionSize(30);
    header->setHighlightSections(false);
    header->setSectionResizeMode(QHeaderView::Fixed);
    header->setSectionResizeMode(TokenLayersModel::kExperts, QHeaderView::Stretch);
    const std::pair<int, int> widths[] = {{TokenLayersModel::kLayer, 46},
                                          {TokenLayersModel::kNext, 40},
                                          {TokenLayersModel::kMargin, 62},
                                          {TokenLayersModel::kEntropy, 56},
                                          {TokenLayersModel::kTie, 42}};
    for (const auto& [column, width] : widths) header->resizeSection(column, width);

    m_detail = new LayerDetail(this);
    auto* scroll = new QScrollArea(this);
    scroll->setWidget(m_detail);
    scroll->setWidgetResizable(true);
    scroll->setObjectName(u"tokenRanks"_s);
    scroll->setAccessibleName(tr("Experts of the layer by rank"));
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    auto* splitter = new QSplitter(Qt::Vertical, this);
    splitter->setChildrenCollapsible(false);
    splitter->addWidget(m_table);
    splitter->addWidget(scroll);
    splitter->setStretchFactor(0, 1);
    splitter->setStretchFactor(1, 1);

    auto* page = new QWidget(this);
    auto* column = new QVBoxLayout(page);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(makeHeader());
    column->addWidget(splitter, 1);
    m_pages = new QStackedWidget(this);
    m_pages->addWidget(new EmptyPage({.icon = u"chat"_s,
                                      .title = tr("No token selected"),
                                      .text = tr("Point at a token in the chat or in the heatmap. Left and right arrow "
                                                 "keys move on.")},
                                     this));
    m_pages->addWidget(page);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_pages);

    connect(m_table->selectionModel(), &QItemSelectionModel::currentRowChanged, this, [this](const QModelIndex& now) {
        if (now.isValid() && m_table->hasFocus()) m_selection.setLayer(now.row());
    });
    connect(m_table, &QTableView::clicked, this,
            [this](const QModelIndex& index) { m_selection.setLayer(index.row()); });
    connect(&m_selection, &Selection::changed, this, &TokenInspector::refresh);
    connect(&m_selection, &Selection::hoverChanged, this, &TokenInspector::refresh);
}

QWidget* TokenInspector::makeHeader() {
    auto* holder = new QWidget(this);
    m_token = new QLabel(holder);
    m_token->setObjectName(u"inspectedToken"_s);
    m_token->setProperty("role", u"token"_s);
    m_token->setFont(monoFont());
    m_token->setTextFormat(Qt::PlainText);
    m_place = new QLabel(holder);
    m_place->setObjectName(u"inspectedPlace"_s);
    m_place->setFont(monoFont(font_size::kCaption));
    m_phase = new QLabel(holder);
    m_phase->setObjectName(u"inspectedPhase"_s);
    m_facts = new QLabel(holder);
    m_facts->setObjectName(u"inspectedFacts"_s);
    m_facts->setProperty("role", u"muted"_s);
    m_facts->setFont(textFont(font_size::kTable));
    m_facts->setWordWrap(true);
    auto* first = new QHBoxLayout;
    first->setSpacing(8);
    first->addWidget(m_token);
    first->addWidget(m_place);
    first->addStretch(1);
    first->addWidget(m_phase);
    auto* column = new QVBoxLayout(holder);
    column->setContentsMargins(10, 8, 10, 8);
    column->setSpacing(6);
    column->addLayout(first);
    column->addWidget(m_facts);
    m_buttons = new QHBoxLayout;
    m_buttons->setSpacing(6);
    column->addLayout(m_buttons);
    return holder;
}

void TokenInspector::addTokenAction(QAction& action) {
    addAction(&action);
    auto* button = new QToolButton(this);
    button->setObjectName(u"inspector_"_s + action.objectName());
    button->setDefaultAction(&action);
    button->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    button->setFocusPolicy(Qt::StrongFocus);
    if (m_buttons->count() == 0) m_buttons->addStretch(1);
    m_buttons->insertWidget(m_buttons->count() - 1, button);
}

void TokenInspector::setSnapshot(const SnapshotPointer& snapshot) {
    m_snapshot = snapshot;
    refresh();
}

void TokenInspector::refresh() {
    const History& history = shownHistory(findLane(m_snapshot, m_selection.lane()), m_selection.turn());
    const std::int32_t position = m_selection.shownToken();
    const bool there = position >= 0 && position < history.tokenCount();
    m_pages->setCurrentIndex(there ? 1 : 0);
    std::vector<std::int32_t> names;
    for (std::int32_t layer = 0; layer < history.shape().moe_layers; ++layer) {
        names.push_back(modelLayer(m_snapshot, layer));
    }
    m_model->show(history, there ? position : -1, std::move(names));
    if (!there) return;
    // A model of few layers leaves the room to the ranks below.
    m_table->setMaximumHeight(kTableHeader + std::max(m_model->rowCount(), 1) * kRowHeight + 2);
    refreshHeader(history, position);
    refreshDetail(history);
    selectLayerRow();
}

void TokenInspector::refreshHeader(const History& history, std::int32_t position) {
    const TokenRecord& token = history.token(position);
    m_token->setText(format::tokenText(token.bytes));
    m_place->setText(tr("position %1  id %2").arg(format::count(position)).arg(token.trace.id));
    const QString roles[] = {u"chip-prompt"_s, u"chip-thinking"_s, u"chip-answer"_s};
    setRole(*m_phase, roles[static_cast<std::size_t>(token.trace.phase)]);
    m_phase->setText(phaseLine(token, history));
    QStringList facts;
    if (!std::isnan(token.trace.logprob)) facts << tr("log-prob %1").arg(format::logProbability(token.trace.logprob));
    if (token.trace.rank >= 0) facts << tr("rank %1").arg(format::count(token.trace.rank + 1));
    if (m_model->rowCount() == 0) {
        facts << (position < history.rowCount() ? tr("its routing is not in the recording")
                                                : tr("not routed yet: it is fed to the model in the next step"));
    } else {
        const QString experts = tr("%1 × %2 experts").arg(history.shape().slots).arg(m_model->rowCount());
        const double entropy = m_model->meanEntropy();
        if (std::isnan(entropy)) {
            facts << experts << tr("weights, margins and entropies not recorded");
        } else {
            facts << tr("mean entropy %1").arg(format::entropy(entropy)) << experts;
            facts << tr("ties %1").arg(m_model->ties());
        }
    }
    m_facts->setText(facts.join(u" · "_s));
}

void TokenInspector::refreshDetail(const History& history) {
    const std::int32_t layer = m_selection.layer();
    m_detail->setVisible(layer < m_model->rowCount());
    if (layer >= m_model->rowCount()) return;
    m_counts.update(history, layer);
    const auto& segments = m_model->segments(layer);
    const RouterFacts& facts = m_model->facts(layer);
    const auto distribution = history.distribution(m_model->position(), layer);
    const auto rowsOf = [this](int expert) {
        const auto index = static_cast<std::size_t>(expert);
        return index < m_counts.load().selections.size() ? m_counts.load().selections[index] : std::int64_t{-1};
    };
    // Weights of a softmax router are proportional to its probabilities; the recorded last one proves it for this row.
    const double scale = segments.empty() || segments.front().weight <= 0.0F
                             ? 0.0
                             : static_cast<double>(facts.top_probability) / segments.front().weight;
    const bool proportional =
        !segments.empty() && std::abs(segments.back().weight * scale - facts.last_probability) < 1e-4;
    std::vector<LayerDetail::Rank> ranks;
    for (const auto& segment : segments) {
        const auto expert = static_cast<std::size_t>(segment.expert);
        const double probability = expert < distribution.size() ? distribution[expert]
                                   : proportional               ? segment.weight * scale
                                                                : std::numeric_limits<double>::quiet_NaN();
        ranks.push_back({segment.expert, segment.weight, probability, rowsOf(segment.expert)});
    }
    m_detail->show(m_model->layerName(layer), facts, std::move(ranks),
                   {facts.next_expert, 0.0, facts.next_probability, rowsOf(facts.next_expert)});
}

void TokenInspector::selectLayerRow() {
    const std::int32_t layer = m_selection.layer();
    if (layer >= m_model->rowCount() || m_table->currentIndex().row() == layer) return;
    m_table->setCurrentIndex(m_model->index(layer, 0));
    m_table->scrollTo(m_model->index(layer, 0));
}

void TokenInspector::contextMenuEvent(QContextMenuEvent* event) {
    execExportMenu(*this, this, event->globalPos());
}

QString TokenInspector::viewName() const {
    return u"token-inspector"_s;
}

QString TokenInspector::viewTitle() const {
    return tr("Token inspector");
}

QImage TokenInspector::renderToImage(qreal scale) {
    return renderWidget(*this, scale);
}

QString TokenInspector::csv() const {
    QString text = u"layer,rank,expert,weight,entropy,margin,next_expert,next_probability,tie\n"_s;
    for (int row = 0; row < m_model->rowCount(); ++row) {
        const RouterFacts& facts = m_model->facts(row);
        int rank = 0;
        for (const auto& segment : m_model->segments(row)) {
            const bool recorded = !std::isnan(facts.entropy);
            const QStringList fields{
                m_model->layerName(row),
                QString::number(++rank),
                QString::number(segment.expert),
                csvNumber(segment.weight),
                csvNumber(facts.entropy),
                csvNumber(facts.margin()),
                recorded ? QString::number(facts.next_expert) : QString(),
                csvNumber(facts.next_probability),
                recorded ? QString::number((facts.flags & layer_flag::kTie) != 0 ? 1 : 0) : QString()};
            text += fields.join(u',') + u'\n';
        }
    }
    return text;
}

}  // namespace mixoscope
