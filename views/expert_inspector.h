// Everything about one expert of a layer: the tokens that it got, its load over time, what kinds of text and which
// tasks it prefers and which experts it works with, alone or beside a pinned one; and how specialised the layer is.
#pragma once

#include <QStyledItemDelegate>
#include <QTimer>
#include <QWidget>
#include <optional>

#include "sessions/experiment_snapshot.h"
#include "views/bridge.h"
#include "views/expert_data.h"
#include "views/exportable_view.h"
#include "views/models/expert_tokens_model.h"
#include "views/models/share_table_model.h"
#include "views/painting.h"

class QButtonGroup;
class QComboBox;
class QLabel;
class QStackedWidget;
class QTableView;
class QToolButton;

namespace mixoscope {

class EmptyPage;
class ExpertLoadChart;

/// Paints a token within its text: what stands around it is muted.
class TokenContextDelegate : public QStyledItemDelegate {
    Q_OBJECT

public:
    using QStyledItemDelegate::QStyledItemDelegate;
    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override;
};

class ExpertInspector : public QWidget, public ExportableView {
    Q_OBJECT

public:
    enum class Page : std::uint8_t { kTokens, kLoad, kKinds, kTasks, kPairs, kLayer };

    explicit ExpertInspector(Selection& selection, QWidget* parent = nullptr);
    void setSnapshot(const SnapshotPointer& snapshot);
    /// The experiment whose runs tell where tasks went; null: none. Shown where it is of the shown model.
    void setExperiment(const ExperimentPointer& experiment);
    void setPage(Page page);
    Page page() const { return m_page; }
    /// Keeps the selected expert for comparison, or lets the kept one go.
    void setPinned(bool pinned);
    /// Brings the page up to date now instead of at its next tenth of a second.
    void refresh();

    ExpertTokensModel& tokens() { return *m_tokens; }
    ExpertTokensModel& pinnedTokens() { return *m_pinned_tokens; }
    ExpertLoadChart& loadChart() { return *m_load; }
    ShareTableModel& kinds() { return *m_kinds; }
    ShareTableModel& tasks() { return *m_tasks; }
    ShareTableModel& pairs() { return *m_pairs; }
    ShareTableModel& layerMeasures() { return *m_layer; }

    QString viewName() const override;
    QString viewTitle() const override;
    QImage renderToImage(qreal scale) override;
    QString csv() const override;

protected:
    void contextMenuEvent(QContextMenuEvent* event) override;
    void showEvent(QShowEvent* event) override;

private:
    struct Pin {
        std::int32_t layer = 0;
        std::int32_t expert = 0;
    };
    QWidget* makeHeader();
    QWidget* makePages();
    QTableView* makeTokenTable(const QString& name, const QString& title, ExpertTokensModel& model);
    QWidget* makeTasksPage();
    QTableView* makeShareTable(const QString& name, const QString& title, ShareTableModel& model);
    void stepExpert(int by);
    /// The shown sequence; empty without one.
    const History& history() const;
    /// Counts of the pinned expert's layer.
    const ExpertData& pinnedData() const;
    bool hasExpert() const { return m_selection.expert() >= 0; }
    QString nameOf(std::int32_t layer, std::int32_t expert) const;
    void refreshHeader();
    void refreshTokens();
    void refreshLoad();
    void refreshKinds();
    void refreshTasks();
    /// Why the experiment says nothing of the shown model; its title is empty where it does.
    EmptyState tasksMissing() const;
    void refreshTaskPolicies();
    void refreshPairs();
    void refreshLayer();
    void showPinnedShares(const QString& table, bool visible);
    void markSelectedToken();
    QString tokensCsv() const;
    QString loadCsv() const;
    QString sharesCsv(const QString& first_column, const ShareTableModel& model) const;

    Selection& m_selection;
    SnapshotPointer m_snapshot;
    ExperimentPointer m_experiment;
    ExpertData m_data;
    ExpertData m_pinned_data;  // where the pinned expert is in another layer
    std::optional<Pin> m_pin;
    Page m_page = Page::kTokens;
    QTimer m_timer;

    ExpertTokensModel* m_tokens;
    ExpertTokensModel* m_pinned_tokens;
    ShareTableModel* m_kinds;
    ShareTableModel* m_tasks;
    ShareTableModel* m_pairs;
    ShareTableModel* m_layer;
    QStackedWidget* m_content = nullptr;  // nothing to show, or the rest
    EmptyPage* m_nothing = nullptr;
    QStackedWidget* m_pages = nullptr;
    EmptyPage* m_no_expert = nullptr;
    QButtonGroup* m_page_buttons = nullptr;
    QLabel* m_name = nullptr;
    QLabel* m_place = nullptr;
    QLabel* m_facts = nullptr;
    QLabel* m_pinned_facts = nullptr;
    QToolButton* m_pin_button = nullptr;
    QTableView* m_token_table = nullptr;
    QTableView* m_pinned_table = nullptr;
    QLabel* m_pinned_caption = nullptr;
    ExpertLoadChart* m_load = nullptr;
    QComboBox* m_task_policy = nullptr;  // of the experiment, whose runs are counted
    QLabel* m_tasks_note = nullptr;
    QLabel* m_layer_note = nullptr;
};

QString tokenClassName(TokenClass kind);

}  // namespace mixoscope
