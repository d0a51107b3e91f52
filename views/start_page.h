// What one sees before a model is open: the demo (Enter), a folder, recorded sessions.
#pragma once

#include <QWidget>
#include <vector>

class QBoxLayout;
class QLabel;
class QPushButton;

namespace mixoscope {

struct ListedSession;
class SessionListView;

class StartPage : public QWidget {
    Q_OBJECT

public:
    explicit StartPage(QWidget* parent = nullptr);

    void showSessions(const std::vector<ListedSession>& sessions);
    /// A line about processor and memory.
    void setMachine(const QString& text);
    /// While a model is being opened the choices give way to its name and the last line of its log; empty: not loading.
    void showLoading(const QString& model, const QString& step);

Q_SIGNALS:
    void demoChosen();
    void browseChosen();
    void sessionAsked(const QString& file);
    void exportAsked(const QString& file);
    void imageAsked(const QString& file);

protected:
    void resizeEvent(QResizeEvent* event) override;

private:
    QBoxLayout* m_columns;
    QWidget* m_choices;
    QWidget* m_loading;
    QLabel* m_loading_title;
    QLabel* m_loading_step;
    QLabel* m_machine;
    QPushButton* m_demo;
    SessionListView* m_sessions;
};

}  // namespace mixoscope
