#include "views/token_strip.h"

#include <QContextMenuEvent>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>
#include <algorithm>
#include <cmath>
#include <limits>

#include "views/format.h"
#include "views/heatmap_data.h"
#include "views/painting.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr double kHeader = 24.0;
constexpr double kCellHeight = 44.0;
constexpr double kGap = 4.0;
constexpr double kNarrowest = 34.0;
constexpr double kWidest = 150.0;
constexpr double kMargin = 10.0;
constexpr double kTokensOfNotch = 3.0;

}  // namespace

double meanEntropy(const History& history, std::int32_t position) {
    const std::int32_t layers = history.shape().moe_layers;
    if (!hasRouting(history, position) || layers == 0) return std::numeric_limits<double>::quiet_NaN();
    double sum = 0.0;
    for (std::int32_t layer = 0; layer < layers; ++layer) sum += history.router(position, layer).entropy;
    return sum / layers;
}

TokenStrip::TokenStrip(Selection& selection, QWidget* parent)
    : QWidget(parent), m_selection(selection), m_cursor(selection) {
    setObjectName(u"tokenStrip"_s);
    setAccessibleName(tr("Tokens"));
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(true);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    connect(&m_selection, &Selection::changed, this, [this] {
        m_scrolled_to = -1;
        const History& tokens = history();
        const std::int32_t token = m_selection.token();
        if (token >= 0 && token < tokens.tokenCount()) {
            setAccessibleDescription(
                tr("Position %1, %2").arg(format::count(token), format::tokenText(tokens.token(token).bytes)));
        }
        update();
    });
    connect(&m_selection, &Selection::hoverChanged, this, [this] { update(); });
}

const History& TokenStrip::history() const {
    return shownHistory(findLane(m_snapshot, m_selection.lane()), m_selection.turn());
}

void TokenStrip::setSnapshot(const SnapshotPointer& snapshot) {
    m_snapshot = snapshot;
    update();
}

QSize TokenStrip::sizeHint() const {
    return {400, static_cast<int>(kHeader + kCellHeight) + 10};
}

QSize TokenStrip::minimumSizeHint() const {
    return {160, sizeHint().height()};
}

std::vector<TokenStrip::Cell> TokenStrip::layoutCells() const {
    std::vector<Cell> cells;
    const History& tokens = history();
    if (tokens.tokenCount() == 0) return cells;
    const QFontMetricsF metrics(monoFont());
    const auto makeCell = [&](std::int32_t position) {
        const QString text = format::tokenText(tokens.token(position).bytes);
        const double wanted =
            std::max(metrics.horizontalAdvance(text),
                     QFontMetricsF(textFont(font_size::kTick)).horizontalAdvance(format::count(position))) +
            12.0;
        const double width = std::clamp(wanted, kNarrowest, kWidest);
        return Cell{position, QRectF(0, kHeader + 2, width, kCellHeight),
                    metrics.elidedText(text, Qt::ElideRight, kWidest - 10)};
    };
    const std::int32_t last = tokens.tokenCount() - 1;
    const bool follows = m_scrolled_to < 0 && (m_selection.token() < 0 || m_selection.token() > last);
    const std::int32_t middle = std::clamp(m_scrolled_to >= 0 ? m_scrolled_to
                                           : follows          ? last
                                                              : m_selection.token(),
                                           0, last);
    Cell first = makeCell(middle);
    const double right_edge = width() - kMargin;
    first.rect.moveLeft(follows ? right_edge - first.rect.width() : (width() - first.rect.width()) / 2.0);
    std::vector<Cell> before;
    double x = first.rect.left();
    for (std::int32_t position = middle - 1; position >= 0 && x > 0.0; --position) {
        before.push_back(makeCell(position));
        x -= before.back().rect.width() + kGap;
        before.back().rect.moveLeft(x);
    }
    cells.assign(before.rbegin(), before.rend());
    x = first.rect.right() + kGap;
    cells.push_back(std::move(first));
    for (std::int32_t position = middle + 1; position <= last && x < width(); ++position) {
        cells.push_back(makeCell(position));
        cells.back().rect.moveLeft(x);
        x = cells.back().rect.right() + kGap;
    }
    // No empty room on a side while there are tokens for it.
    double shift = 0.0;
    if (cells.front().position == 0 && cells.front().rect.left() > kMargin) shift = kMargin - cells.front().rect.left();
    if (cells.back().position == last && cells.back().rect.right() < right_edge && cells.front().position > 0) {
        shift = std::min(right_edge - cells.back().rect.right(), std::max(0.0, kMargin - cells.front().rect.left()));
    }
    for (Cell& cell : cells) cell.rect.translate(shift, 0.0);
    return cells;
}

void TokenStrip::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), colours().window);
    painter.setPen(QPen(colours().border, 1.0));
    painter.drawLine(QPointF(0, 0.5), QPointF(width(), 0.5));
    const QRectF header(kMargin, 2, width() - 2 * kMargin, kHeader - 2);
    painter.setFont(textFont(font_size::kDockTitle, QFont::DemiBold));
    painter.setPen(colours().text);
    painter.drawText(header, Qt::AlignLeft | Qt::AlignVCenter, tr("Tokens"));
    const double used = painter.fontMetrics().horizontalAdvance(tr("Tokens")) + 8.0;
    painter.setFont(textFont(font_size::kTable));
    painter.setPen(colours().muted_text);
    const History& tokens = history();
    if (tokens.tokenCount() == 0) {
        painter.drawText(header.adjusted(used, 0, 0, 0), Qt::AlignLeft | Qt::AlignVCenter, tr("none yet"));
        painter.drawText(QRectF(kMargin, kHeader, width() - 2 * kMargin, kCellHeight), Qt::AlignCenter,
                         tr("Each token appears here with the entropy of its routing."));
        if (hasFocus()) paintFocusFrame(painter, rect());
        return;
    }
    painter.drawText(header.adjusted(used, 0, 0, 0), Qt::AlignLeft | Qt::AlignVCenter,
                     hasWeights(tokens) ? tr("bar: mean router entropy") : tr("entropy not recorded"));
    painter.setFont(monoFont());
    const QString place = m_selection.token() < 0 ? format::count(tokens.tokenCount())
                                                  : u"%1 / %2"_s.arg(format::count(m_selection.token()),
                                                                     format::count(tokens.tokenCount() - 1));
    painter.drawText(header, Qt::AlignRight | Qt::AlignVCenter, place);
    for (const Cell& cell : layoutCells()) paintCell(painter, cell);
    if (hasFocus()) paintFocusFrame(painter, rect());
}

void TokenStrip::paintCell(QPainter& painter, const Cell& cell) const {
    const TokenRecord& token = history().token(cell.position);
    const bool selected = cell.position == m_selection.token();
    const bool in_range = m_selection.range().contains(cell.position);
    const bool hovered = cell.position == m_selection.hover().token;
    painter.fillRect(cell.rect, selected || in_range ? colours().accent_background : colours().base);
    if ((token.trace.flags & token_flag::kInjected) != 0) {
        QColor hatch = phaseColour(token.trace.phase);
        hatch.setAlpha(90);
        painter.fillRect(cell.rect, QBrush(hatch, Qt::BDiagPattern));
    }
    painter.setBrush(Qt::NoBrush);
    painter.setPen(QPen(selected || hovered ? colours().accent : colours().border, 1.0));
    painter.drawRect(cell.rect.adjusted(0.5, 0.5, -0.5, -0.5));
    painter.fillRect(QRectF(cell.rect.left(), cell.rect.top(), cell.rect.width(), 2.0), phaseColour(token.trace.phase));
    painter.setFont(monoFont());
    painter.setPen(colours().text);
    painter.drawText(QRectF(cell.rect.left(), cell.rect.top() + 3, cell.rect.width(), 17), Qt::AlignCenter, cell.text);
    painter.setFont(textFont(font_size::kTick));
    painter.setPen(colours().muted_text);
    painter.drawText(QRectF(cell.rect.left(), cell.rect.top() + 20, cell.rect.width(), 14), Qt::AlignCenter,
                     format::count(cell.position));
    const double entropy = meanEntropy(history(), cell.position);
    if (std::isnan(entropy)) return;
    const QRectF groove(cell.rect.left() + 5, cell.rect.bottom() - 7, cell.rect.width() - 10, 4);
    painter.fillRect(groove, colours().chart_grid);
    painter.fillRect(QRectF(groove.topLeft(), QSizeF(groove.width() * entropy, groove.height())), colours().muted_text);
}

std::int32_t TokenStrip::tokenAt(QPointF point) const {
    for (const Cell& cell : layoutCells()) {
        if (cell.rect.contains(point)) return cell.position;
    }
    return -1;
}

void TokenStrip::mousePressEvent(QMouseEvent* event) {
    const std::int32_t token = tokenAt(event->position());
    if (token >= 0 && event->button() == Qt::LeftButton) m_cursor.click(token, event->modifiers());
}

void TokenStrip::mouseMoveEvent(QMouseEvent* event) {
    m_selection.setHover({.token = tokenAt(event->position())});
}

void TokenStrip::leaveEvent(QEvent* event) {
    m_selection.setHover({});
    QWidget::leaveEvent(event);
}

void TokenStrip::wheelEvent(QWheelEvent* event) {
    const auto cells = layoutCells();
    if (cells.empty()) return;
    const double wanted = m_scroll_rest - wheelTurn(*event).notches * kTokensOfNotch;
    const auto tokens = static_cast<std::int32_t>(wanted);
    m_scroll_rest = wanted - tokens;
    m_scrolled_to = std::clamp(cells[cells.size() / 2].position + tokens, 0, history().tokenCount() - 1);
    update();
    event->accept();
}

void TokenStrip::keyPressEvent(QKeyEvent* event) {
    if (!m_cursor.pressKey(*event, history().tokenCount())) QWidget::keyPressEvent(event);
}

bool TokenStrip::event(QEvent* event) {
    if (event->type() == QEvent::ToolTip) {
        const auto* help = static_cast<QHelpEvent*>(event);
        const std::int32_t position = tokenAt(help->pos());
        if (position >= 0) {
            const TokenRecord& token = history().token(position);
            const QString phase = (token.trace.flags & token_flag::kInjected) != 0
                                      ? tr("%1, injected").arg(phaseName(token.trace.phase))
                                      : phaseName(token.trace.phase);
            const double entropy = meanEntropy(history(), position);
            QToolTip::showText(
                help->globalPos(),
                toolTipText(tr("“%1”, position %2, id %3, %4\n%5\nClick selects, Shift+click extends")
                                .arg(format::tokenText(token.bytes), format::count(position),
                                     QString::number(token.trace.id), phase,
                                     !std::isnan(entropy) ? tr("Mean entropy %1 of 1").arg(format::entropy(entropy))
                                     : position < history().rowCount() ? tr("Entropy not recorded")
                                                                       : tr("Not routed yet"))),
                this);
        } else {
            QToolTip::hideText();
        }
        return true;
    }
    return QWidget::event(event);
}

void TokenStrip::contextMenuEvent(QContextMenuEvent* event) {
    selectForMenu(m_selection, *event);
    execExportMenu(*this, this, event->globalPos());
}

QString TokenStrip::viewName() const {
    return u"tokens"_s;
}

QString TokenStrip::viewTitle() const {
    return tr("Tokens");
}

QImage TokenStrip::renderToImage(qreal scale) {
    return renderWidget(*this, scale);
}

QString TokenStrip::csv() const {
    QString text = u"position,id,text,phase,injected,mean_entropy\n"_s;
    const History& tokens = history();
    for (std::int32_t position = 0; position < tokens.tokenCount(); ++position) {
        const TokenRecord& token = tokens.token(position);
        const QStringList fields{QString::number(position),
                                 QString::number(token.trace.id),
                                 csvField(format::plainText(token.bytes)),
                                 csvPhase(token.trace.phase),
                                 QString::number((token.trace.flags & token_flag::kInjected) != 0 ? 1 : 0),
                                 csvNumber(meanEntropy(tokens, position))};
        text += fields.join(u',') + u'\n';
    }
    return text;
}

}  // namespace mixoscope
