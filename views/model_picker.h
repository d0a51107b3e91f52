// Which model is open, and the way to another: the embedded demo, a folder, folders opened before.
#pragma once

#include <QPushButton>
#include <QStringList>

namespace mixoscope {

class ModelPicker : public QPushButton {
    Q_OBJECT

public:
    explicit ModelPicker(QWidget* parent = nullptr);

    /// An empty name: no model. `loading` names the model that is being opened.
    void showModel(const QString& name, const QString& facts);
    void showLoading(const QString& name);
    void setRecent(const QStringList& directories);

Q_SIGNALS:
    void demoChosen();
    void directoryChosen(const QString& directory);
    void browseChosen();

protected:
    void resizeEvent(QResizeEvent* event) override;

private:
    void fillMenu();
    void elide();

    QString m_name;
    QString m_shown;  // with its facts
    QStringList m_recent;
};

}  // namespace mixoscope
