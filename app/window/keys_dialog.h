// The list of all keys; it scrolls where the screen is too low for it.
#pragma once

#include <QDialog>
#include <vector>

namespace mixoscope {

struct KeyRow {
    QString keys;  // "Ctrl+K"
    QString does;
};

class KeysDialog : public QDialog {
public:
    KeysDialog(const std::vector<KeyRow>& rows, QWidget* parent);

protected:
    bool event(QEvent* event) override;
};

}  // namespace mixoscope
