// A page that says what will be here and the one next step.
#pragma once

#include <QPainter>
#include <QWidget>

#include "views/painting.h"

namespace mixoscope {

class EmptyPage : public QWidget {
public:
    explicit EmptyPage(EmptyState state, QWidget* parent = nullptr) : QWidget(parent) { setState(std::move(state)); }
    void setState(EmptyState state) {
        m_state = std::move(state);
        setAccessibleName(m_state.title);
        setAccessibleDescription(m_state.text);
        update();
    }

protected:
    void paintEvent(QPaintEvent*) override {
        QPainter painter(this);
        painter.fillRect(rect(), palette().base());
        paintEmptyState(painter, rect(), m_state);
    }

private:
    EmptyState m_state;
};

}  // namespace mixoscope
