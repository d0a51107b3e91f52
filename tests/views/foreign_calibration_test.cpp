// A calibration that was made with another model of the same shape: every form in which a policy is written refuses it
// while it is written, in the words of the engine.
#include <gtest/gtest.h>

#include <QCheckBox>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QToolButton>
#include <QUndoStack>

#include "engine/calibrator.h"
#include "engine/model_hash.h"
#include "engine/routing_policy.h"
#include "sample_comparison_test.h"
#include "sessions/loaded_model.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"
#include "views/experiment_policy_row.h"
#include "views/lane_editor.h"
#include "views/policy_editor.h"
#include "views/policy_picker.h"
#include "views/what_if_dialog.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

class ForeignCalibration : public testing::Test {
protected:
    ForeignCalibration() : own(modelOf(5)), other(modelOf(6)) {
        const auto backend = kernels::makeReferenceBackend();
        Calibration calibration = emptyCalibration(other->model.config);
        calibration.model_name = other->model.name;
        calibration.model_hash = modelHash(other->model);
        calibration.policy = "model";
        calibration.prompts_hash = "prompts";
        calibration.prompts = 1;
        Calibrator calibrator(other->model, *backend, parsePolicy("model", other->model), 64, std::move(calibration));
        calibrator.add(std::vector<TokenId>{7, 1, 9, 30, 4, 5});
        const std::string file = (directory / "other.json").string();
        writeCalibration(calibrator.calibration(), file);
        policy = u"skip:calibration=%1"_s.arg(QString::fromStdString(file));
        try {
            parsePolicy(policy.toStdString(), own->model);
        } catch (const Error& error) {
            refusal = policyErrorText(error.parts());
        }
    }
    std::shared_ptr<LoadedModel> modelOf(std::uint64_t seed) const {
        const std::filesystem::path place = directory / std::to_string(seed);
        std::filesystem::create_directory(place);
        test::writeTinyModel(place, {.seed = seed});
        WorkbenchOptions options;
        options.backend = "reference";
        return loadModel(place.string(), options, [](std::string_view) {});
    }
    static std::shared_ptr<const ModelFacts> factsOf(const LoadedModel& model) {
        return std::make_shared<const ModelFacts>(model.facts);
    }

    test::TemporaryDirectory directory;
    std::shared_ptr<LoadedModel> own;
    std::shared_ptr<LoadedModel> other;
    QString policy;
    QString refusal;  // of the engine
};

TEST_F(ForeignCalibration, IsRefusedByTheEngineWithBothModels) {
    EXPECT_TRUE(refusal.contains(QString::fromStdString(own->facts.hash))) << refusal.toStdString();
    EXPECT_TRUE(refusal.contains(QString::fromStdString(other->facts.hash))) << refusal.toStdString();
}

TEST_F(ForeignCalibration, IsRefusedByThePickersFormAsItIsTyped) {
    QUndoStack undo;
    PolicyPicker picker(undo);
    QStringList set;
    QObject::connect(&picker, &PolicyPicker::policySet, &picker, [&](const QString& text) { set << text; });
    picker.setModel(own->facts);
    picker.editor().choose(policy);
    EXPECT_EQ(picker.editor().findChild<QLabel*>(u"policy_state"_s)->text(), u"Not applied. "_s + refusal);
    EXPECT_TRUE(set.isEmpty()) << set.front().toStdString();
    picker.setModel(other->facts);
    picker.editor().choose(policy);
    ASSERT_EQ(set.size(), 1) << "its own model takes it";
    picker.setModel(own->facts);
    picker.setRecent({policy, u"top-k:k=1"_s});
    const auto offered = picker.editor().findChild<QToolButton*>(u"policy_recent"_s)->menu()->actions();
    ASSERT_EQ(offered.size(), 1) << "only what this model takes";
    EXPECT_EQ(offered.front()->text(), u"top-k:k=1"_s);
}

TEST_F(ForeignCalibration, IsRefusedByALanesForm) {
    LaneForm form;
    std::vector<LaneSettings> announced;
    QObject::connect(&form, &LaneForm::settingsChanged, &form,
                     [&](const LaneSettings& settings) { announced.push_back(settings); });
    form.setModel(factsOf(*own));
    form.showLane(test::sampleLane(1, "model", {.tokens = {"a"}}), false, true);
    form.policy().setText(policy);
    EXPECT_EQ(form.policyError(), refusal);
    Q_EMIT form.policy().editingFinished();
    EXPECT_TRUE(announced.empty()) << announced.front().policy;
    form.setModel(factsOf(*other));
    EXPECT_EQ(form.policyError(), QString());
    Q_EMIT form.policy().editingFinished();
    ASSERT_EQ(announced.size(), 1U);
    EXPECT_EQ(announced.front().policy, policy.toStdString());
}

TEST_F(ForeignCalibration, IsRefusedByAnExperimentsRow) {
    ExperimentPolicyRow row;
    row.setModel(factsOf(*own));
    row.setPolicy(policy);
    EXPECT_EQ(row.problem(), refusal);
    row.setModel(factsOf(*other));
    EXPECT_EQ(row.problem(), QString());
}

TEST_F(ForeignCalibration, IsRefusedByWhatIf) {
    WorkbenchSnapshot snapshot =
        *test::snapshotOf(test::sampleComparison({test::sampleLane(0, "model", {.tokens = {"a", "b", "c"}})}));
    snapshot.lanes = {snapshot.comparison->lanes[0].free};
    snapshot.origins = {{.lane = snapshot.lanes[0].lane}};
    const auto problemWith = [&](const LoadedModel& model) {
        snapshot.model = factsOf(model);
        const ForkOffer offer = forkPointOfChat(snapshot, -1, 4);
        EXPECT_TRUE(offer.point) << offer.refusal.toStdString();
        WhatIfDialog dialog([](const QString&) { return std::vector<TokenId>(); });
        dialog.setPoint(*offer.point, std::nullopt);
        dialog.findChild<QCheckBox*>(u"other_policy"_s)->setChecked(true);
        dialog.findChild<QLineEdit*>(u"other_policy_text"_s)->setText(policy);
        return dialog.problem();
    };
    EXPECT_EQ(problemWith(*own), refusal);
    EXPECT_EQ(problemWith(*other), QString());
}

}  // namespace
}  // namespace mixoscope
