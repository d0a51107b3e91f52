#include "views/chat_view.h"

#include <QApplication>
#include <QClipboard>
#include <QContextMenuEvent>
#include <QElapsedTimer>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMenu>
#include <QMouseEvent>
#include <QPainter>
#include <QPushButton>
#include <QScrollBar>
#include <QToolTip>
#include <algorithm>
#include <cmath>

#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kMargin = 14;
constexpr int kSliceMs = 4;

}  // namespace

ChatView::ChatView(WorkbenchBridge& bridge, Selection& selection, QWidget* parent)
    : QAbstractScrollArea(parent), m_bridge(bridge), m_selection(selection), m_cursor(selection) {
    setObjectName(u"chat_view"_s);
    setAccessibleName(tr("Chat"));
    setFrameShape(QFrame::NoFrame);
    setFocusPolicy(Qt::StrongFocus);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    viewport()->setMouseTracking(true);
    viewport()->setAutoFillBackground(false);
    m_rest.setSingleShot(true);
    m_rest.setInterval(0);
    connect(&m_rest, &QTimer::timeout, this, &ChatView::layOutRest);

    m_newest = new QPushButton(tr("↓ latest"), viewport());
    m_newest->setObjectName(u"chat_newest"_s);
    m_newest->setToolTip(tr("Go to the newest token and follow it (End)"));
    m_newest->hide();
    connect(m_newest, &QPushButton::clicked, this, &ChatView::showNewest);

    connect(&bridge, &WorkbenchBridge::snapshotChanged, this, &ChatView::takeSnapshot);
    connect(&selection, &Selection::changed, this, &ChatView::showSelection);
    connect(&selection, &Selection::hoverChanged, viewport(), qOverload<>(&QWidget::update));
    connect(verticalScrollBar(), &QScrollBar::actionTriggered, this, [this] {
        // The slider position is already the new one, the value not yet.
        m_follows = verticalScrollBar()->sliderPosition() >= verticalScrollBar()->maximum();
    });
    takeSnapshot(bridge.latest());
}

ChatView::~ChatView() = default;

void ChatView::takeSnapshot(const SnapshotPointer& snapshot) {
    m_snapshot = snapshot;
    rebuild();
}

void ChatView::rebuild() {
    const LaneSnapshot* lane = findLane(m_snapshot, m_selection.lane());
    std::size_t count = 0;
    for (const ConversationEntry& entry : m_snapshot->conversation) {
        if (entry.role != Role::kUser) continue;
        const auto turn = static_cast<std::size_t>(std::max(0, entry.turn));
        ChatTurnSource source;
        source.user_text = format::plainText(entry.text);
        source.mode = entry.mode;
        if (lane != nullptr && turn < lane->turns.size()) {
            source.facts = &lane->turns[turn];
            source.history = &lane->historyOfTurn(turn);
            source.state = lane->state;
            source.current = turn + 1 == lane->turns.size();
            source.recorded = m_snapshot->recorded;
            source.knows_settings = m_snapshot->model == nullptr || m_snapshot->model->imported_from.empty();
        }
        // Another conversation: nothing of what is shown can be kept.
        if (count < m_turns.size() && m_turns[count]->userText() != source.user_text) m_turns.resize(count);
        if (count == m_turns.size()) m_turns.push_back(std::make_unique<ChatTurn>());
        ChatTurn& shown = *m_turns[count];
        if (source.facts != nullptr && !shown.belongsTo(*source.history, source.facts->first_generated_position)) {
            m_turns[count] = std::make_unique<ChatTurn>();
        }
        m_turns[count]->update(source);
        ++count;
    }
    m_turns.resize(count);
    arrange();
    if (lane == nullptr || lane->state == LaneState::kFinished || lane->state == LaneState::kIdle) describe();
}

void ChatView::arrange() {
    if (m_arranging) return;
    m_arranging = true;
    const qreal width = std::max(120, viewport()->width() - 2 * kMargin);
    qreal y = 0.0;
    m_tops.clear();
    for (const auto& turn : m_turns) {
        turn->setWidth(width);
        m_tops.push_back(y);
        y += turn->height();
    }
    m_tops.push_back(y);
    updateScrollBar();
    m_arranging = false;
    layOutInSight();
    m_rest.start();
    viewport()->update();
}

void ChatView::updateScrollBar() {
    const int range = std::max(0, static_cast<int>(std::ceil(m_tops.back())) + 8 - viewport()->height());
    verticalScrollBar()->setPageStep(viewport()->height());
    verticalScrollBar()->setSingleStep(22);
    verticalScrollBar()->setRange(0, range);
    if (m_follows) verticalScrollBar()->setValue(range);
    updateNewestButton();
}

void ChatView::layOutInSight() {
    if (m_arranging || m_turns.empty()) return;
    m_arranging = true;
    // Following moves the sight when heights change, so it may take a second look; it ends as heights become exact.
    for (bool moved = true; moved;) {
        moved = false;
        const qreal top = verticalScrollBar()->value();
        const qreal bottom = top + viewport()->height();
        for (std::size_t i = 0; i < m_turns.size(); ++i) {
            if (m_tops[i + 1] < top || m_tops[i] > bottom) continue;
            moved |= m_turns[i]->layOut(top - m_tops[i], bottom - m_tops[i]);
        }
        if (!moved) break;
        qreal y = 0.0;
        for (std::size_t i = 0; i < m_turns.size(); ++i) {
            m_tops[i] = y;
            y += m_turns[i]->height();
        }
        m_tops[m_turns.size()] = y;
        updateScrollBar();
    }
    m_arranging = false;
}

void ChatView::layOutRest() {
    QElapsedTimer time;
    time.start();
    const qreal top = verticalScrollBar()->value();
    const int anchor_turn = turnAt(top);
    ChatTurn::Anchor anchor;
    if (anchor_turn >= 0) anchor = turn(anchor_turn).anchorAt(top - m_tops[static_cast<std::size_t>(anchor_turn)]);
    bool more = false;
    bool worked = false;
    for (const auto& turn : m_turns) {
        const qreal before = turn->height();
        while (turn->layOutMore(30)) {
            more = time.elapsed() >= kSliceMs;
            if (more) break;
        }
        worked |= turn->height() != before;
        if (more) break;
    }
    if (worked) {
        qreal y = 0.0;
        for (std::size_t i = 0; i < m_turns.size(); ++i) {
            m_tops[i] = y;
            y += m_turns[i]->height();
        }
        m_tops[m_turns.size()] = y;
        m_arranging = true;
        updateScrollBar();
        if (!m_follows && anchor_turn >= 0) {
            const qreal place = m_tops[static_cast<std::size_t>(anchor_turn)] + turn(anchor_turn).yOf(anchor);
            verticalScrollBar()->setValue(static_cast<int>(std::lround(place)));
        }
        m_arranging = false;
        viewport()->update();
    }
    if (more) m_rest.start();
}

void ChatView::updateNewestButton() {
    const bool below = !m_follows && verticalScrollBar()->value() < verticalScrollBar()->maximum();
    m_newest->setVisible(below);
    if (!below) return;
    m_newest->adjustSize();
    m_newest->move(viewport()->width() - m_newest->width() - 16, viewport()->height() - m_newest->height() - 12);
}

void ChatView::showNewest() {
    m_follows = true;
    verticalScrollBar()->setValue(verticalScrollBar()->maximum());
    updateNewestButton();
}

void ChatView::showSelection() {
    const std::int32_t position = m_selection.token();
    if (position >= 0 && !m_turns.empty() && !m_dragging) {
        // What was selected elsewhere comes into sight here.
        const auto last = m_turns.size() - 1;
        const qreal in_turn = m_turns[last]->topOfToken(position);
        const qreal y = in_turn < 0.0 ? -1.0 : m_tops[last] + in_turn;
        const int top = verticalScrollBar()->value();
        if (y >= 0.0 && (y < top || y + 22 > top + viewport()->height())) {
            m_follows = false;
            verticalScrollBar()->setValue(static_cast<int>(y) - viewport()->height() / 3);
            m_follows = verticalScrollBar()->value() >= verticalScrollBar()->maximum();
        }
    }
    viewport()->update();
}

int ChatView::turnAt(qreal y) const {
    for (std::size_t i = 0; i < m_turns.size(); ++i) {
        if (y >= m_tops[i] && y < m_tops[i + 1]) return static_cast<int>(i);
    }
    return -1;
}

QPointF ChatView::toContent(QPointF point) const {
    return {point.x() - kMargin, point.y() + verticalScrollBar()->value()};
}

ChatView::Place ChatView::placeAt(QPointF viewport_point) const {
    const QPointF point = toContent(viewport_point);
    Place place;
    place.turn = turnAt(point.y());
    if (place.turn >= 0)
        place.hit = turn(place.turn).hitTest({point.x(), point.y() - m_tops[static_cast<std::size_t>(place.turn)]});
    return place;
}

QRect ChatView::thinkHeadRect(int index) const {
    if (index < 0 || index >= turnCount() || !turn(index).hasThinkBlock()) return {};
    const QRectF head = turn(index).headRectangle();
    return head.translated(kMargin, m_tops[static_cast<std::size_t>(index)] - verticalScrollBar()->value())
        .toAlignedRect();
}

QRect ChatView::tokenRect(std::int32_t position) const {
    if (m_turns.empty()) return {};
    const qreal top = m_tops[m_turns.size() - 1];
    const auto found = m_turns.back()->tokenRectangles(position, -1e9, 1e9);
    if (found.empty()) return {};
    return found.front().translated(kMargin, top - verticalScrollBar()->value()).toAlignedRect();
}

ChatMarks ChatView::marks() const {
    ChatMarks marks;
    marks.token = m_selection.token();
    marks.hovered = m_selection.hover().token;
    marks.range_first = m_selection.range().first;
    marks.range_last = m_selection.range().last;
    return marks;
}

void ChatView::paintEvent(QPaintEvent*) {
    QPainter painter(viewport());
    painter.fillRect(viewport()->rect(), colours().base);
    const qreal top = verticalScrollBar()->value();
    const qreal bottom = top + viewport()->height();
    ChatMarks shown = marks();
    for (std::size_t i = 0; i < m_turns.size(); ++i) {
        if (m_tops[i + 1] < top || m_tops[i] > bottom) continue;
        painter.save();
        painter.translate(kMargin, m_tops[i] - top);
        shown.head_hovered = m_hovered_head == static_cast<int>(i);
        m_turns[i]->paint(painter, top - m_tops[i], bottom - m_tops[i], shown);
        painter.restore();
    }
    if (m_turns.empty()) {
        const QRect middle = viewport()->rect();
        const auto icon = themedPixmap(u"chat"_s, colours().muted_text, 28, devicePixelRatioF());
        painter.drawPixmap(QPointF(middle.center().x() - 14, middle.center().y() - 52), icon);
        painter.setPen(colours().text);
        painter.setFont(textFont(font_size::kInterface, QFont::DemiBold));
        painter.drawText(middle.adjusted(0, -8, 0, 0), Qt::AlignHCenter | Qt::AlignVCenter, tr("No messages yet"));
        painter.setPen(colours().muted_text);
        painter.setFont(textFont(font_size::kTable));
        painter.drawText(QRect(kMargin, middle.center().y() + 10, middle.width() - 2 * kMargin, 60),
                         Qt::AlignHCenter | Qt::AlignTop | Qt::TextWordWrap,
                         tr("Write one below: the answer and every thought before it appear here."));
    }
    if (hasFocus()) {
        painter.setPen(QPen(colours().accent, 1));
        painter.drawRect(viewport()->rect().adjusted(0, 0, -1, -1));
    }
}

void ChatView::resizeEvent(QResizeEvent*) {
    arrange();
}

void ChatView::scrollContentsBy(int, int) {
    layOutInSight();
    updateNewestButton();
    viewport()->update();
}

void ChatView::changeEvent(QEvent* event) {
    QAbstractScrollArea::changeEvent(event);
    if (event->type() == QEvent::PaletteChange) viewport()->update();
}

void ChatView::mousePressEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton) return;
    const Place place = placeAt(event->position());
    m_pressed_head = place.hit.head ? place.turn : -1;
    m_pressed_token = place.hit.position;
    m_dragging = false;
    if (place.hit.position < 0) return;
    m_cursor.click(place.hit.position, event->modifiers());
    if ((event->modifiers() & Qt::ShiftModifier) != 0) m_pressed_token = -1;
}

void ChatView::mouseMoveEvent(QMouseEvent* event) {
    const Place place = placeAt(event->position());
    const int head = place.hit.head ? place.turn : -1;
    if (head != m_hovered_head) {
        m_hovered_head = head;
        viewport()->setCursor(head >= 0 ? Qt::PointingHandCursor : Qt::ArrowCursor);
        viewport()->update();
    }
    if ((event->buttons() & Qt::LeftButton) != 0 && m_pressed_token >= 0 && place.hit.position >= 0 &&
        (m_dragging || place.hit.position != m_pressed_token)) {
        m_dragging = true;
        const auto [first, last] = std::minmax(m_pressed_token, place.hit.position);
        m_selection.setRange({first, last + 1});
        return;
    }
    Hover hover;
    hover.token = place.hit.position;
    m_selection.setHover(hover);
}

void ChatView::mouseReleaseEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton) return;
    const Place place = placeAt(event->position());
    if (m_pressed_head >= 0 && place.hit.head && place.turn == m_pressed_head) {
        setCollapsed(place.turn, !turn(place.turn).isCollapsed());
    }
    m_pressed_head = -1;
    m_pressed_token = -1;
    m_dragging = false;
}

void ChatView::leaveEvent(QEvent*) {
    m_hovered_head = -1;
    m_selection.setHover({});
    viewport()->update();
}

void ChatView::keyPressEvent(QKeyEvent* event) {
    if (event->matches(QKeySequence::Copy)) return copySelection();
    switch (event->key()) {
        case Qt::Key_Left:
            return moveToken(-1);
        case Qt::Key_Right:
            return moveToken(1);
        case Qt::Key_Home:
            return verticalScrollBar()->triggerAction(QAbstractSlider::SliderToMinimum);
        case Qt::Key_End:
            return showNewest();
        default:
            QAbstractScrollArea::keyPressEvent(event);
    }
}

void ChatView::moveToken(int by) {
    const LaneSnapshot* lane = findLane(m_snapshot, m_selection.lane());
    if (lane != nullptr) m_cursor.step(by, lane->history.tokenCount());
}

void ChatView::setCollapsed(int index, bool collapsed) {
    if (index < 0 || index >= turnCount() || !turn(index).hasThinkBlock()) return;
    m_turns[static_cast<std::size_t>(index)]->setCollapsed(collapsed);
    m_follows = m_follows || verticalScrollBar()->maximum() == 0;
    arrange();
}

void ChatView::toggleThinkBlock() {
    int found = -1;
    for (int i = turnCount() - 1; i >= 0 && found < 0; --i) {
        if (turn(i).hasThinkBlock() && thinkHeadRect(i).intersects(viewport()->rect())) found = i;
    }
    for (int i = turnCount() - 1; i >= 0 && found < 0; --i) {
        if (turn(i).hasThinkBlock()) found = i;
    }
    if (found >= 0) setCollapsed(found, !turn(found).isCollapsed());
}

QString ChatView::selectedText() const {
    if (m_turns.empty()) return {};
    const TokenRange range = m_selection.range();
    if (!range.isEmpty()) return m_turns.back()->textOf(range.first, range.last);
    const std::int32_t token = m_selection.token();
    return token < 0 ? QString() : m_turns.back()->textOf(token, token + 1);
}

void ChatView::copySelection() {
    const QString text = selectedText();
    if (!text.isEmpty()) QApplication::clipboard()->setText(text);
}

void ChatView::contextMenuEvent(QContextMenuEvent* event) {
    selectForMenu(m_selection, *event);
    QMenu menu(this);
    addOwnActions(menu, *this);
    const int index = event->reason() == QContextMenuEvent::Mouse
                          ? placeAt(QPointF(viewport()->mapFromGlobal(event->globalPos()))).turn
                          : turnCount() - 1;
    auto* copy = menu.addAction(tr("Copy selected tokens"), this, &ChatView::copySelection);
    copy->setEnabled(!selectedText().isEmpty());
    if (index >= 0) {
        const auto add = [&](const QString& title, const QString& text) {
            auto* action = menu.addAction(title, this, [text] { QApplication::clipboard()->setText(text); });
            action->setEnabled(!text.isEmpty());
        };
        add(tr("Copy message"), turn(index).userText());
        add(tr("Copy thinking"), turn(index).thinkingText());
        add(tr("Copy answer"), turn(index).answerText());
    }
    menu.addSeparator();
    addExportActions(menu, *this, this);
    menu.exec(event->globalPos());
}

bool ChatView::viewportEvent(QEvent* event) {
    if (event->type() == QEvent::ToolTip) {
        const auto* help = static_cast<QHelpEvent*>(event);
        const Place place = placeAt(QPointF(help->pos()));
        QString tip;
        if (place.hit.position >= 0) {
            tip = tokenTip(place.hit.position);
        } else if (place.hit.head) {
            tip = turn(place.turn).isCollapsed() ? tr("Show the thinking (Ctrl+T)") : tr("Hide the thinking (Ctrl+T)");
        } else if (place.turn >= 0 && !turn(place.turn).isCurrent()) {
            tip =
                tr("An earlier turn: its tokens are no longer at these positions, as the next turn's prompt leaves its "
                   "thinking out.");
        }
        if (tip.isEmpty()) {
            QToolTip::hideText();
        } else {
            QToolTip::showText(help->globalPos(), tip, viewport());
        }
        return true;
    }
    return QAbstractScrollArea::viewportEvent(event);
}

QString ChatView::tokenTip(std::int32_t position) const {
    const LaneSnapshot* lane = findLane(m_snapshot, m_selection.lane());
    if (lane == nullptr || position >= lane->history.tokenCount()) return {};
    const TokenRecord& token = lane->history.token(position);
    QString tip = tr("%1, position %2, id %3").arg(format::tokenText(token.bytes)).arg(position).arg(token.trace.id);
    if ((token.trace.flags & token_flag::kInjected) != 0) {
        tip += tr(" · injected early-stop text, not counted in N");
    } else if (!std::isnan(token.trace.logprob)) {
        tip += tr(" · log-prob %1").arg(format::logProbability(static_cast<double>(token.trace.logprob)));
    }
    return tip + tr("\nClick selects it in every panel, Shift+click extends");
}

QImage ChatView::renderToImage(qreal scale) {
    return renderWidget(*this, scale);
}

QString ChatView::csv() const {
    QString text = u"turn,part,position,injected,text\n"_s;
    const auto addRow = [&text](std::size_t turn, const QString& part, const QString& position, bool injected,
                                const QString& what) {
        text += QString::number(turn) + u',' + part + u',' + position + u',' + QString::number(injected ? 1 : 0) +
                u',' + csvField(what) + u'\n';
    };
    for (std::size_t i = 0; i < m_turns.size(); ++i) {
        const ChatTurn& turn = *m_turns[i];
        addRow(i, u"message"_s, {}, false, turn.userText());
        const auto addTokens = [&](const QString& part, std::span<const TextToken> tokens, const QString& all) {
            for (const TextToken& token : tokens) {
                addRow(i, part, QString::number(token.position), (token.flags & token_flag::kInjected) != 0,
                       all.mid(token.start, token.end - token.start));
            }
        };
        addTokens(u"thinking"_s, turn.thinkingTokens(), turn.thinkingText());
        addTokens(u"answer"_s, turn.answerTokens(), turn.answerText());
    }
    return text;
}

void ChatView::describe() {
    if (m_turns.empty()) return setAccessibleDescription(tr("No messages yet"));
    const ChatTurn& newest = *m_turns.back();
    const QString block = newest.hasThinkBlock() ? newest.block().spoken() + u". "_s : QString();
    setAccessibleDescription(
        tr("You: %1. %2Assistant: %3").arg(newest.userText(), block, newest.answerText().trimmed()));
}

}  // namespace mixoscope
