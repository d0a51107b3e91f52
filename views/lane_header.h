// What stands above a compared lane: marker, letter, policy, what became of it, its settings and what they don't do.
#pragma once

#include <QWidget>

#include "sessions/comparison_snapshot.h"

class QLabel;
class QToolButton;

namespace mixoscope {

class LaneHeader : public QWidget {
    Q_OBJECT

public:
    static constexpr int kHeight = 54;

    explicit LaneHeader(QWidget* parent = nullptr);

    /// `can_remove`: two lanes are the fewest.
    void showLane(const ComparisonSnapshot& comparison, std::size_t index, bool can_remove);
    /// Why the lane can be neither edited nor removed; empty: it can be edited, and removed as showLane() says.
    void setFixed(const QString& reason);
    /// "baseline", "≠ A from token 9", "= A so far".
    QString verdict() const;
    QString facts() const;
    QString notes() const;

Q_SIGNALS:
    void editAsked();
    void removeAsked();

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    void showVerdict(const ComparisonSnapshot& comparison, const ComparedLane& lane, bool is_base);
    /// Shows the verdict in words, or as a sign where the header is narrow.
    void fitVerdict();
    void showFacts(const ComparedLane& lane, bool is_base);
    void showNotes(const ComparedLane& lane);

    std::int32_t m_tag = 0;
    QString m_verdict_words;
    QString m_verdict_sign;  // empty: none is shorter than the words
    QLabel* m_letter;
    QLabel* m_policy;
    QLabel* m_verdict;
    QLabel* m_facts;
    QLabel* m_notes;
    QToolButton* m_edit;
    QToolButton* m_remove;
};

/// "think", "no think", "auto".
QString modeText(ThinkingMode mode);
/// "greedy" or "T 0.60, seed 1".
QString samplingText(const SamplingSettings& sampling);

}  // namespace mixoscope
