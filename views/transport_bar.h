// Plays a recording: to the beginning, back, play, on, to the end; speed; the place by token. Knows no player: it says
// what is asked for and shows what the snapshots say.
#pragma once

#include <QWidget>
#include <memory>
#include <vector>

#include "sessions/playback.h"

class QComboBox;
class QLabel;
class QPushButton;
class QSpinBox;
class QToolButton;

namespace mixoscope {

class SeekBar;

class TransportBar : public QWidget {
    Q_OBJECT

public:
    explicit TransportBar(QWidget* parent = nullptr);

    void showPlayback(const Playback& playback);
    /// The mark's tooltip: the file, and the model that it was recorded from.
    void setRecording(const QString& facts);
    /// Rows that are marked, in order.
    void setBookmarks(std::vector<std::int64_t> rows);
    /// To the step that fed the row-th token.
    void goToRow(std::int64_t row);
    /// The place asked for last, in tokens fed.
    std::int64_t row() const;
    /// Space, Left and Right, Page Up and Page Down, Home and End, B, Shift+J and Shift+K, L; false: the key is not the
    /// transport's.
    bool pressKey(const QKeyEvent& event);
    /// Narrow windows lose words that the tooltips have.
    void fitWidth(int window_width);
    void togglePlay();

    SeekBar& seekBar() { return *m_seek; }
    /// That is chosen.
    double speed() const;

Q_SIGNALS:
    void playAsked();
    void pauseAsked();
    void stepAsked(qint64 step);
    void speedAsked(double speed);
    /// Steps; no loop where `last` is not behind `first`.
    void loopAsked(qint64 first, qint64 last);
    /// A bookmark where so many tokens are fed.
    void bookmarkAsked(qint64 row);
    void leaveAsked();

protected:
    void keyPressEvent(QKeyEvent* event) override;

private:
    QToolButton* addButton(const QString& name, const QString& icon, const QString& tip, void (TransportBar::*act)());
    void toStart();
    void back();
    void on();
    void toEnd();
    void goTo(std::int64_t step);
    void showPlace();
    void toBookmark(int by);
    /// A here, then B here, then none.
    void stepLoop();
    void mark();
    void setLoop(const PlaybackLoop& loop);
    void showLoop();

    Playback m_playback;
    QLabel* m_mark;
    QToolButton* m_start;
    QToolButton* m_back;
    QPushButton* m_play;
    QToolButton* m_on;
    QToolButton* m_end;
    QComboBox* m_speed;
    QToolButton* m_loop_button;
    QToolButton* m_bookmark;
    SeekBar* m_seek;
    QLabel* m_token_label;
    QSpinBox* m_token;
    QLabel* m_tokens;
    QPushButton* m_leave;
    std::vector<std::int64_t> m_bookmarks;  // rows
    PlaybackLoop m_loop;                    // `first` alone: B is still to be set
    std::int64_t m_asked = 0;               // the step last asked for, which the snapshots may not have reached yet
};

/// Whether the model is at hand, in words: "its files are at hand".
QString modelAtHandText(const ModelAtHand& model);

}  // namespace mixoscope
