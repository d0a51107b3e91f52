// The conversation: user messages, think blocks, answers, streamed in frames. Every token of the current turn can be
// pointed at and selected; the selection is the one that all views share.
#pragma once

#include <QAbstractScrollArea>
#include <QTimer>
#include <memory>
#include <vector>

#include "views/bridge.h"
#include "views/chat_turn.h"
#include "views/exportable_view.h"
#include "views/selection.h"
#include "views/token_cursor.h"

class QPushButton;

namespace mixoscope {

class ChatView : public QAbstractScrollArea, public ExportableView {
    Q_OBJECT

public:
    ChatView(WorkbenchBridge& bridge, Selection& selection, QWidget* parent = nullptr);
    ~ChatView() override;

    QString viewName() const override { return QStringLiteral("chat"); }
    QString viewTitle() const override { return tr("Chat"); }
    QImage renderToImage(qreal scale) override;
    QString csv() const override;

    int turnCount() const { return static_cast<int>(m_turns.size()); }
    const ChatTurn& turn(int index) const { return *m_turns[static_cast<std::size_t>(index)]; }
    /// In viewport coordinates; empty where there is none.
    QRect thinkHeadRect(int turn) const;
    QRect tokenRect(std::int32_t position) const;
    bool followsNewest() const { return m_follows; }
    QString selectedText() const;

public Q_SLOTS:
    /// Of the newest turn that has a block in sight.
    void toggleThinkBlock();
    void setCollapsed(int turn, bool collapsed);
    void showNewest();
    void copySelection();
    void moveToken(int by);

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;
    void scrollContentsBy(int dx, int dy) override;
    void changeEvent(QEvent* event) override;
    bool viewportEvent(QEvent* event) override;
    QSize sizeHint() const override { return {440, 500}; }

private:
    void takeSnapshot(const SnapshotPointer& snapshot);
    void showSelection();
    void rebuild();
    void arrange();
    void layOutInSight();
    void layOutRest();
    void updateScrollBar();
    void updateNewestButton();
    void describe();
    QString tokenTip(std::int32_t position) const;
    ChatMarks marks() const;
    qreal topOf(std::size_t turn) const { return m_tops[turn]; }
    int turnAt(qreal y) const;
    QPointF toContent(QPointF viewport_point) const;
    struct Place {
        int turn = -1;
        ChatTurn::Hit hit;
    };
    Place placeAt(QPointF viewport_point) const;

    WorkbenchBridge& m_bridge;
    Selection& m_selection;
    TokenCursor m_cursor;
    SnapshotPointer m_snapshot;
    std::vector<std::unique_ptr<ChatTurn>> m_turns;
    std::vector<qreal> m_tops;  // of each turn, and the end of the last
    QTimer m_rest;              // measures what is only estimated, a slice at a time
    QPushButton* m_newest = nullptr;
    bool m_follows = true;
    bool m_arranging = false;
    int m_hovered_head = -1;  // turn whose head is under the pointer
    int m_pressed_head = -1;
    std::int32_t m_pressed_token = -1;
    bool m_dragging = false;
};

}  // namespace mixoscope
