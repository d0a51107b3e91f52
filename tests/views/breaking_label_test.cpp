// A label whose text has no place to wrap at.
#include "views/breaking_label.h"

#include <gtest/gtest.h>

#include <QImage>

#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

const QString kLongWord = u"model+ban:experts="_s + u"0/1/2/3/4/5/6/7/8/9/"_s.repeated(20);

/// Rows of pixels in which something is painted.
int inkedRows(BreakingLabel& label, QSize size) {
    label.resize(size);
    QImage image(size, QImage::Format_RGB32);
    image.fill(Qt::white);
    QPalette black = label.palette();
    black.setColor(QPalette::WindowText, Qt::black);
    label.setPalette(black);
    label.render(&image, {}, {}, QWidget::DrawChildren);
    int rows = 0;
    for (int y = 0; y < image.height(); ++y) {
        bool inked = false;
        for (int x = 0; x < image.width() && !inked; ++x) inked = qGray(image.pixel(x, y)) < 128;
        rows += inked ? 1 : 0;
    }
    return rows;
}

TEST(BreakingLabel, AWordWithoutEndMakesItHigherAndNotWider) {
    BreakingLabel label(100, nullptr);
    label.setFont(monoFont());
    label.setText(kLongWord);
    EXPECT_LT(label.minimumSizeHint().width(), 100);
    EXPECT_LT(label.sizeHint().width(), 400);
    const int line = label.fontMetrics().height();
    const int wide = label.heightForWidth(400);
    const int narrow = label.heightForWidth(200);
    EXPECT_GT(wide, 3 * line);
    EXPECT_GT(narrow, 2 * wide - 2 * line);
    EXPECT_GT(inkedRows(label, {200, narrow}), narrow / 3) << "every line is painted";
    label.setText(u"short"_s);
    EXPECT_LT(label.heightForWidth(200), 2 * line);
    label.setText(u"three\nshort\nlines"_s);
    EXPECT_GE(label.heightForWidth(200), 3 * line - 3);
}

TEST(BreakingLabel, WhatIsTooLongIsCut) {
    BreakingLabel label(2, nullptr);
    label.setFont(monoFont());
    label.setText(kLongWord);
    const int two_lines = label.heightForWidth(200);
    EXPECT_LE(two_lines, 2 * label.fontMetrics().height() + 2);
    EXPECT_GT(inkedRows(label, {200, two_lines}), label.fontMetrics().height() / 2);
    label.setText(u"one\ntwo\nthree"_s);
    EXPECT_EQ(label.heightForWidth(200), two_lines);
}

}  // namespace
}  // namespace mixoscope
